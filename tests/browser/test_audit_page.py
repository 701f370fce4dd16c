"""The report as a page: one file that loads nothing, runs nothing of what players sent, and shows all of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page

from support import reports
from support.browser import chromium
from tapehead.cli.app import run


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    reports.all_in(folder / "recordings")
    output = folder / "report.html"
    assert run(["audit", str(folder / "recordings"), "--format", "html", "--output", str(output)]) == 1
    return output


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
    return found


def shown(page: Page) -> list[str]:
    return page.locator(".session:visible .what b").all_inner_texts()


def test_it_shows_the_totals(page: Page) -> None:
    assert page.locator("#total-sessions").inner_text() == "5"
    assert page.locator(".totals .error dd").inner_text() == "7"
    assert shown(page) == ["ClickMe", "ClickMe", "ClickMe", reports.SCRIPT, "The Long Night"]


def test_what_players_sent_is_text(page: Page) -> None:
    opened = session(page, reports.SCRIPT)

    assert opened.locator(".what b").inner_text() == reports.SCRIPT
    assert opened.locator("img, b:text-is('One')").count() == 0
    assert page.locator("script").count() == 2


def test_nothing_of_what_players_sent_ends_a_block_of_the_file(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    block = re.search(r'<script type="application/json" id="bodies">(.*?)</script>', text, re.DOTALL)

    assert block
    assert not re.search("[<>&\u2028\u2029]", block[1])
    assert text.count("<script") == 2
    bodies = [body for each in json.loads(block[1]).values() for body in each.values()]
    assert any(reports.SCRIPT in body for body in bodies)


def test_it_names_no_other_file(report: Path) -> None:
    text = report.read_text(encoding="utf-8")

    assert not re.search(r'(?:src|href)="(?!#|data:)', re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL))
    assert "default-src 'none'" in text.replace("&#39;", "'")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("text", "long night", ["The Long Night"]),
        ("text", "FAULTY-SESSION", [reports.SCRIPT]),
        ("text", "no such thing", []),
        ("severity", "error", [reports.SCRIPT]),
        ("severity", "warning", [reports.SCRIPT, "The Long Night"]),
        ("severity", "none", ["ClickMe", "ClickMe", "ClickMe"]),
        ("rule", "ping-gap", [reports.SCRIPT, "The Long Night"]),
        ("outcome", "completed", ["ClickMe", "ClickMe", "The Long Night"]),
    ],
)
def test_the_filter_shows_what_fits(page: Page, field: str, value: str, expected: list[str]) -> None:
    control = page.locator(f"#filter [name={field}]")
    if field == "text":
        control.fill(value)
    else:
        control.select_option(value)

    assert shown(page) == expected
    assert page.locator("#shown").inner_text() == f"{len(expected)} of 5 shown"
    assert page.locator("#nothing").is_visible() is (not expected)


def test_a_click_on_a_rule_filters_by_it_and_another_one_ends_that(page: Page) -> None:
    chip = page.locator('.by-rule button[data-rule="wrong-type"]')

    chip.click()
    assert shown(page) == [reports.SCRIPT]
    chip.click()
    assert len(shown(page)) == 5


def test_reset_shows_everything_again(page: Page) -> None:
    page.locator("#filter [name=text]").fill("long night")
    page.locator("#filter [type=reset]").click()

    page.wait_for_function("document.querySelectorAll('.session:not([hidden])').length === 5")


def test_the_worst_come_first_where_that_is_wanted(page: Page) -> None:
    page.locator("#filter [name=order]").select_option("worst")

    assert shown(page)[:2] == [reports.SCRIPT, "The Long Night"]


def test_a_click_on_an_event_shows_its_json(page: Page) -> None:
    opened = session(page, "The Long Night")
    opened.locator('.tick[data-event="1"]').click()

    assert opened.locator(".event .type").inner_text() == "play"
    assert json.loads(opened.locator(".event pre").inner_text())["eventType"] == "play"
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


def test_the_picture_has_the_lanes_and_the_findings(page: Page) -> None:
    opened = session(page, reports.SCRIPT)
    titles = opened.locator(".lanes text:not(.value)").evaluate_all("all => all.map(each => each.firstChild.data)")

    assert titles == ["findings", "events", "playhead", "content", "ads", "chapters", "pauses", "buffers"]
    assert opened.locator(".plot rect.ad").count() == 2
    assert opened.locator(".plot rect.buffer").count() == 1
    assert opened.locator(".flag.error").count() == 7
    assert opened.locator(".flag.warning").count() == 4
    assert opened.locator(".tick.refused").count() == 2


def test_a_long_session_has_all_its_events_and_scrolls(page: Page) -> None:
    opened = session(page, "The Long Night")

    assert opened.locator(".tick").count() == 371
    assert opened.locator(".plot").evaluate("plot => plot.scrollWidth > plot.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


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


def test_one_session_alone_is_open(browser: Browser, tmp_path: Path) -> None:
    recording = reports.write(tmp_path / "one.jsonl", reports.documented(2, "documented-2"))
    output = tmp_path / "one.html"
    run(["audit", str(recording), "--output", str(output)])
    opened = browser.new_page()
    opened.goto(output.as_uri())
    assert opened.locator(".plot").is_visible()
    opened.close()
