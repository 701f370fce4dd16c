"""The report as a page: one file that loads nothing, runs nothing of what players sent, and shows all of it."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, expect

from support import reports
from support.axe import violations
from support.browser import chromium
from tapehead.cli.app import run


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    reports.all_in(folder / "recordings")
    output = folder / "report.html"
    assert run(["audit", str(folder / "recordings"), "-o", str(output), "-o", str(output.with_suffix(".json"))]) == 1
    return output


@pytest.fixture(scope="module")
def sessions(report: Path) -> list[dict[str, Any]]:
    """The sessions of the same report as JSON."""
    return list(json.loads(report.with_suffix(".json").read_bytes())["sessions"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The report opened from a file URL; whatever else it asks for, complains of or opens fails the test."""
    opened, noise = browser.new_page(viewport={"width": 1360, "height": 1000}), list[str]()

    def note_event(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            noise.append(message.text)

    def refuse(dialog: Dialog) -> None:
        noise.append(f"dialog {dialog.message}")
        dialog.dismiss()

    opened.on("console", note_event)
    opened.on("dialog", refuse)
    opened.on("pageerror", lambda error: noise.append(str(error)))
    opened.on("request", lambda request: noise.append(request.url))
    opened.goto(report.as_uri())
    yield opened
    opened.close()
    assert noise == [report.as_uri()]


def session(page: Page, content: str) -> Locator:
    """The row of a session, opened."""
    found = page.locator(".session").filter(has_text=content).first
    found.locator("summary").first.click()
    expect(found.locator(".plot .tick").first).to_be_attached()
    return found


def expect_shown(page: Page, names: list[str]) -> None:
    expect(page.locator(".session:visible .what b")).to_have_text(names)


def shown(page: Page) -> list[str]:
    # A session out of sight, which the browser has not drawn yet, has contents and no inner text.
    return page.locator(".session:visible .what b").all_text_contents()


def titles(sessions: Iterable[dict[str, Any]]) -> list[str]:
    return [session["media_name"] for session in sessions]


def count(session: dict[str, Any], severity: str) -> int:
    return sum(finding["severity"] == severity for finding in session["findings"])


def test_it_shows_the_totals(page: Page, sessions: list[dict[str, Any]]) -> None:
    assert page.locator("#total-sessions").inner_text() == "5"
    errors = sum(count(session, "error") for session in sessions)
    assert page.locator(".totals .error dd").inner_text() == str(errors)
    expect_shown(page, titles(sessions))


def test_what_players_sent_is_text(page: Page) -> None:
    opened = session(page, reports.SCRIPT)

    expect(opened.locator(".what b")).to_have_text(reports.SCRIPT)
    assert opened.locator("img, b:text-is('One')").count() == 0
    assert page.locator("script").count() == 2


def test_nothing_of_what_players_sent_ends_a_block_of_the_file(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    block = re.search(r'<script type="application/json" id="details">(.*?)</script>', text, re.DOTALL)

    assert block
    assert not re.search("[<>&\u2028\u2029]", block[1])
    assert text.count("<script") == 2
    bodies = [body for each in json.loads(block[1]).values() for body in each["bodies"].values()]
    assert any(reports.SCRIPT in body for body in bodies)


def test_it_names_no_other_file(report: Path) -> None:
    text = report.read_text(encoding="utf-8")

    assert not re.search(r'(?:src|href)="(?!#|data:)', re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL))
    assert "default-src 'none'" in text.replace("&#39;", "'")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("long night", ["The Long Night"]),
        ("FAULTY-SESSION", [reports.SCRIPT]),
        ("no such thing", []),
    ],
)
def test_the_text_filter_shows_what_fits(page: Page, value: str, expected: list[str]) -> None:
    page.locator("#filter [name=text]").fill(value)

    expect_shown(page, expected)
    expect(page.locator("#shown")).to_have_text(f"{len(expected)} of 5 shown")
    assert page.locator("#nothing").is_visible() is (not expected)


@pytest.mark.parametrize(
    ("field", "value", "fits"),
    [
        ("severity", "error", lambda session: count(session, "error")),
        ("severity", "warning", lambda session: count(session, "warning")),
        ("severity", "none", lambda session: not session["findings"]),
        ("rule", "ping-gap", lambda session: any(each["rule"] == "ping-gap" for each in session["findings"])),
        ("outcome", "completed", lambda session: session["outcome"] == "completed"),
    ],
)
def test_a_filter_shows_what_fits(
    page: Page, sessions: list[dict[str, Any]], field: str, value: str, fits: Callable[[dict[str, Any]], bool]
) -> None:
    expected = titles(filter(fits, sessions))
    page.locator(f"#filter [name={field}]").select_option(value)

    expect_shown(page, expected)
    assert 0 < len(expected) < 5
    expect(page.locator("#shown")).to_have_text(f"{len(expected)} of 5 shown")


def test_a_click_on_a_rule_filters_by_it_and_another_one_ends_that(page: Page) -> None:
    chip = page.locator('.by-rule button[data-rule="wrong-type"]')

    chip.click()
    expect_shown(page, [reports.SCRIPT])
    chip.click()
    expect(page.locator(".session:visible")).to_have_count(5)


def test_reset_shows_everything_again(page: Page) -> None:
    page.locator("#filter [name=text]").fill("long night")
    expect_shown(page, ["The Long Night"])
    page.locator("#filter [type=reset]").click()

    page.wait_for_function("document.querySelectorAll('.session:not([hidden])').length === 5")


def test_sessions_come_worst_first_by_time_or_by_length(page: Page) -> None:
    worst = shown(page)
    order = page.locator("#filter [name=order]")

    assert worst[0] == reports.SCRIPT
    order.select_option("longest")
    expect(page.locator(".session:visible .what b").first).to_have_text("The Long Night")
    order.select_option("time")
    started = page.locator(".session").evaluate_all("all => all.map(each => each.dataset.started)")
    assert started == sorted(started)
    assert len(set(started)) > 2
    order.select_option("worst")
    expect_shown(page, worst)


def test_a_name_in_the_totals_filters_by_it(page: Page) -> None:
    page.locator(".groups summary").filter(has_text="by content").click()
    page.get_by_role("button", name="The Long Night").click()

    expect_shown(page, ["The Long Night"])
    assert page.locator("#filter [name=text]").input_value() == "film-9"


def test_findings_are_filtered_by_the_baseline(browser: Browser, report: Path, tmp_path: Path) -> None:
    """The baseline knows all findings but one, and that one is left of its session."""
    recordings, known, output = str(report.parent / "recordings"), tmp_path / "known.json", tmp_path / "r.html"
    run(["audit", recordings, "--baseline", str(known), "--write-baseline", "-o", str(tmp_path / "all.html")])
    rows = json.loads(known.read_bytes())
    rows["findings"] = [row for row in rows["findings"] if row["rule"] != "ad-outside-break"]
    known.write_text(json.dumps(rows))
    run(["audit", recordings, "--baseline", str(known), "-o", str(output)])
    opened = browser.new_page()
    opened.goto(output.as_uri())
    opened.locator("#filter [name=baseline]").select_option("new")
    expect_shown(opened, [reports.SCRIPT])
    row = session(opened, reports.SCRIPT)
    assert row.locator(".findings li:not([hidden]) a").all_text_contents() == ["ad-outside-break"]
    opened.locator("#filter [name=baseline]").select_option("known")
    assert "ad-outside-break" not in row.locator(".findings li:not([hidden]) a").all_text_contents()
    opened.close()


def test_a_click_on_an_event_shows_its_json(page: Page) -> None:
    opened = session(page, "The Long Night")
    opened.locator(".tick.state").first.click()

    assert opened.locator(".event .type").inner_text() == "stateStart"
    assert json.loads(opened.locator(".event pre").inner_text())["eventType"] == "stateStart"
    assert "answered 204" in opened.locator(".facts-line").inner_text()


def test_a_click_on_a_finding_marks_the_place_in_the_json(page: Page) -> None:
    opened = session(page, reports.SCRIPT)
    opened.locator('li[data-rule="wrong-type"] button').click()

    assert opened.locator("pre .wrong").inner_text().strip() == '"media.length": "600",'
    assert opened.locator(".flag.current").count() == 1


def test_json_is_shown_as_it_was_sent(page: Page, report: Path) -> None:
    opened = session(page, reports.SCRIPT)
    opened.locator('li[data-rule="not-json"] button').click()

    assert opened.locator(".event pre").inner_text() == '{"eventType": "ping", "playerTime"'


def test_arrow_keys_walk_from_event_to_event(page: Page) -> None:
    opened = session(page, reports.SCRIPT)
    opened.locator(".plot").focus()
    walked = []
    for key in ("ArrowRight", "ArrowRight", "End", "ArrowLeft", "Home"):
        page.keyboard.press(key)
        walked.append(opened.locator(".event .type").inner_text())

    assert walked == ["sessionStart", "adStart", "ping", "sessionEnd", "sessionStart"]


def test_sessions_open_by_keyboard(page: Page) -> None:
    row = page.locator(".session").first
    row.locator("summary").first.focus()
    page.keyboard.press("Enter")

    assert row.locator(".plot").is_visible()


def test_the_picture_has_the_lanes_and_the_findings(page: Page, sessions: list[dict[str, Any]]) -> None:
    opened = session(page, reports.SCRIPT)
    lanes = opened.locator(".lanes text:not(.value)").evaluate_all("all => all.map(each => each.firstChild.data)")

    rows = ["findings", "events", "pings", "playhead", "content", "ads", "chapters", "pauses", "buffers", "errors"]
    assert lanes == rows
    assert opened.locator(".plot rect.ad").count() == 2
    assert opened.locator(".plot rect.buffer").count() == 1
    for severity in ("error", "warning"):
        assert opened.locator(f".flag.{severity}").count() == count(sessions[0], severity) > 0
    assert opened.locator(".tick.refused").count() == 2


def test_a_long_session_has_all_its_events_and_scrolls(page: Page) -> None:
    opened = session(page, "The Long Night")

    plot = opened.locator(".plot")
    assert 200 < opened.locator(".tick").count() <= 371
    assert plot.get_attribute("aria-valuemax") == "370"
    for _ in range(3):
        opened.get_by_role("button", name="Zoom in").click()
    assert plot.evaluate("plot => plot.scrollWidth > 6 * plot.clientWidth")
    assert 30 < opened.locator(".tick").count() < 80
    plot.evaluate("plot => { plot.scrollLeft = plot.scrollWidth; }")
    expect(opened.locator('.tick[data-event="370"]')).to_have_count(1)
    expect(opened.locator('.tick[data-event="1"]')).to_have_count(0)
    opened.get_by_role("button", name="fit").click()
    assert plot.evaluate("plot => plot.scrollWidth === plot.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_flags_at_one_moment_stand_below_or_beside_each_other(page: Page) -> None:
    opened = session(page, reports.SCRIPT)
    places = opened.locator(".flag").evaluate_all("all => all.map(each => each.getAttribute('transform'))")

    assert len(set(places)) == len(places) > 5
    by_event = opened.locator(".flag").evaluate_all(
        "all => all.map(each => [each.dataset.event, each.dataset.finding])"
    )
    assert max(Counter(event for event, _ in by_event).values()) > 2


def test_everything_is_drawn_inside_the_picture(page: Page) -> None:
    opened = session(page, reports.SCRIPT)
    outside = opened.locator(".plot svg").evaluate(
        """svg => [...svg.querySelectorAll("rect, path, circle, text")].filter((each) => {
          const [box, all] = [each.getBoundingClientRect(), svg.getBoundingClientRect()];
          const isBeside = box.left < all.left - 3 || box.right > all.right + 20;
          return isBeside || box.top < all.top || box.bottom > all.bottom + 1;
        }).map((each) => each.outerHTML)"""
    )
    assert outside == []


def test_a_finding_leads_to_its_rule(page: Page) -> None:
    session(page, reports.SCRIPT).locator('li[data-rule="ad-outside-break"] a').click()

    rule = page.locator("#rule-ad-outside-break")
    assert rule.get_attribute("open") is not None
    assert "The ad is ignored" in rule.inner_text()


def test_paper_shows_every_session_open(page: Page) -> None:
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    assert page.locator(".session[open]").count() == 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Browser, report: Path, scheme: str) -> None:
    opened = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    opened.goto(report.as_uri())
    ground, text = (opened.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    opened.close()

    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ground, text)]
    assert abs(light[0] - light[1]) > 500
    assert (light[0] > light[1]) is (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_to_complain_of(browser: Browser, report: Path, scheme: str, width: int) -> None:
    colours: Literal["dark", "light"] = "dark" if scheme == "dark" else "light"
    opened = browser.new_page(color_scheme=colours, viewport={"width": width, "height": 860})
    asked, noise = list[str](), list[str]()
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: noise.append(message.text))
    opened.on("pageerror", lambda error: noise.append(str(error)))
    opened.goto(report.as_uri())
    row = session(opened, reports.SCRIPT)
    row.locator("button.message").first.click()
    opened.locator(".legend-box summary").click()
    assert violations(opened) == []
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    assert (asked, noise) == ([report.as_uri()], [])
    opened.close()


def test_the_rules_are_folded_on_a_phone(browser: Browser, report: Path) -> None:
    opened = browser.new_page(viewport={"width": 390, "height": 844})
    opened.goto(report.as_uri())
    chip = opened.locator(".by-rule button").first
    assert chip.is_hidden()
    opened.locator(".by-rule summary").click()
    assert chip.is_visible()
    opened.close()


def test_without_scripts_it_lists_sessions_and_findings(browser: Browser, report: Path) -> None:
    opened = browser.new_context(java_script_enabled=False).new_page()
    opened.goto(report.as_uri())
    row = opened.locator(".session").first
    row.locator("summary").first.click()
    expect(row.locator(".findings")).to_contain_text("ad-outside-break")
    assert "need JavaScript" in opened.locator("noscript").inner_text()
    opened.context.close()


def test_one_session_alone_is_open(browser: Browser, tmp_path: Path) -> None:
    recording = reports.write(tmp_path / "one.jsonl", reports.documented(2, "documented-2"))
    output = tmp_path / "one.html"
    run(["audit", str(recording), "--output", str(output)])
    opened = browser.new_page()
    opened.goto(output.as_uri())
    assert opened.locator(".plot").is_visible()
    opened.close()
