"""The live page in Chromium: it shows sessions and calls as they come, and runs nothing of them."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from support.axe import violations
from support.browser import chromium
from support.exchanges import AD, BREAK, event
from support.live_client import EVENTS, LIVE, PAUSE, RECORDING, START, link_of, play, query, read_until, stream, viewing
from support.live_page import REBOUND, calls, recording, row_of, types, watching
from support.paths import RECORDINGS_FOLDER, ROOT
from support.processes import running
from support.rules import PING
from tapehead.interop.reader import read_recordings
from tapehead.protocol.events import first_event

HOSTILE = "<script>pwned=1</script><img src=x onerror='pwned=1'><b>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*REBOUND) as opened:
        yield opened


# ---- What it shows ----


def test_calls_appear_as_they_come_with_their_findings(browser: Browser, tmp_path: Path) -> None:
    noise: list[str] = []
    with recording(tmp_path) as proxy, httpx.Client() as player, watching(browser, link_of(proxy), noise=noise) as page:
        expect(page.locator("#state")).to_have_text("live")
        expect(page.locator("#nothing")).to_be_visible()
        play(player, proxy.url)
        expect(types(page)).to_have_text(["sessionStart"])
        player.post(proxy.url + EVENTS, json=PAUSE)
        expect(types(page)).to_have_text(["sessionStart", "pause"])
        row = calls(page).last
        assert row.locator(".status").inner_text() == "204"
        assert row.locator(".playhead").inner_text() == "0:01"
        expect(row.locator(".found .shape.error")).to_have_count(1)
        row.click()
        detail = page.locator("#detail")
        expect(detail.locator(".findings .error .message").first).to_contain_text('eventType is "pause"')
        assert "How to fix it" in detail.inner_text()
        assert json.loads(detail.locator("pre").first.inner_text()) == PAUSE
        expect(page.locator("#calls")).to_have_text("2")
        expect(page.locator("#errors")).not_to_have_text("0")
        session = row_of(page, "ClickMe")
        expect(session.locator(".grade.error")).to_be_visible()
        expect(session).to_contain_text("sample-html5-api-player")

    assert noise == []


def test_a_press_on_a_finding_marks_its_place(browser: Browser, tmp_path: Path) -> None:
    with recording(tmp_path) as proxy, httpx.Client() as player, watching(browser, link_of(proxy)) as page:
        player.post(proxy.url + EVENTS, json=PAUSE)
        calls(page).first.click()
        page.locator("#detail .findings button.message").filter(has_text="eventType is").click()
        expect(page.locator("pre .wrong")).to_have_text(' "eventType": "pause",')


@pytest.mark.parametrize(
    ("body", "path", "line"),
    [
        ({"params": {"k": 1}}, "params.k", '"k": 1'),
        ({"params": {"k": 1}}, "params.gone", '"params": {'),
        ({"params": {"k": 1}}, "[1].params.k", '"k": 1'),
        ([{"params": {"k": 1}}, {"params": {"k": 2}}], "[1].params.k", '"k": 2'),
        ([{"params": {"k": 1}}, {"params": {"k": 2}}], "[0].params.k", '"k": 1'),
        ([{"params": {"k": 1}}, {"params": {}}], "[1].params.k", '"params": {}'),
        ([{"k": 1}, 7], "[1]", "7"),
        ({"k": {"x": [1, 2]}}, "k.x[1]", "2"),
        ({"k": {"x": [[1], [2, 3]]}}, "k.x[1][1]", "3"),
        ({"k": {"x[1]": 5, "x": [1, 2]}}, "k.x[1]", '"x[1]": 5,'),
        ({"k": {"media.name": 5}}, "k.media.name", '"media.name": 5'),
    ],
)
def test_a_finding_marks_the_value_at_its_path(browser: Browser, body: object, path: str, line: str) -> None:
    scripts = [(ROOT / f"addons/tapehead/web/assets/{name}.js").read_text() for name in ("elements", "json_view")]
    page = browser.new_page()
    page.set_content("<pre></pre>")
    page.add_script_tag(content="\n".join(scripts))
    page.evaluate(
        """([text, path]) => {
          const lines = linesOf(text);
          document.querySelector("pre").append(...lines);
          highlight(lines, path);
        }""",
        [json.dumps(body), path],
    )
    expect(page.locator(".wrong")).to_have_text(line)
    page.close()


def test_a_finding_that_comes_later_marks_its_call_and_one_withdrawn_does_not(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        sid = play(player, server.url, event("play", 1, 1), event("adStart", 2, 2, AD))
        row = calls(page).nth(2)
        expect(row).to_contain_text("no break is open")
        player.post(f"{server.url}/api/v1/sessions/{sid}/events", json=event("adBreakStart", 1.5, 1.5, BREAK))
        expect(calls(page)).to_have_count(4)
        expect(row).not_to_contain_text("no break is open")


def test_the_filter_shows_what_fits(browser: Browser) -> None:
    with running("serve", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        sid = play(player, server.url, PING, PAUSE)
        play(player, server.url, **{"media.name": "Other"})
        expect(types(page)).to_have_text(["sessionStart", "ping", "pause", "sessionStart"])
        form = page.locator("#calls-filter")
        form.get_by_text("hide pings").click()
        expect(types(page)).to_have_text(["sessionStart", "pause", "sessionStart"])
        form.locator("[name=type]").select_option("pause")
        expect(types(page)).to_have_text(["pause"])
        assert page.locator("#shown").inner_text() == "1 of 4 calls"
        form.locator("[name=type]").select_option("")
        page.locator("#filter [name=text]").fill(sid[:8])
        expect(page.locator("#sessions .row")).to_have_count(1)
        page.locator("#filter [name=text]").fill("")
        page.locator("#filter [name=player]").select_option("sample-html5-api-player")
        expect(page.locator("#sessions .row")).to_have_count(2)
        row_of(page, "ClickMe").click()
        expect(types(page)).to_have_text(["sessionStart", "pause"])


def test_sessions_of_tests_differ_by_their_keys(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        for key in ("checkout-1", "checkout-2"):
            play(player, f"{server.url}/k/{key}", PING)
        play(player, server.url)
        expect(page.locator("#sessions .row .key")).to_have_text(["checkout-2", "checkout-1"])
        expect(page.locator("#tab-events .count")).to_have_text("5")
        text = page.locator("#filter [name=text]")
        assert "key" in str(text.get_attribute("placeholder"))
        text.fill("checkout-1")
        expect(page.locator("#session-count")).to_have_text("1 of 3 sessions")
        expect(page.locator("#tab-events .count")).to_have_text("2")
        expect(types(page)).to_have_text(["sessionStart", "ping"])
        play(player, f"{server.url}/k/checkout-1")
        expect(page.locator("#tab-events .count")).to_have_text("3")
        play(player, server.url)
        expect(page.locator("#session-count")).to_have_text("2 of 5 sessions")
        expect(page.locator("#tab-events .count")).to_have_text("3")
        text.fill("")
        expect(page.locator("#tab-events .count")).to_have_text("7")


def test_the_filter_knows_severities_and_states(browser: Browser) -> None:
    with viewing(RECORDINGS_FOLDER) as opened, watching(browser, link_of(opened)) as page:
        rows = page.locator("#sessions .row")
        expect(rows).to_have_count(7)
        for severity, count in (("error", 4), ("info", 1), ("none", 3), ("refused", 4), ("", 7)):
            page.locator("#filter [name=severity]").select_option(severity)
            expect(rows).to_have_count(count)
        page.locator("#filter [name=type]").select_option("start refused")
        expect(rows).to_have_count(2)


def test_what_is_stored_is_neither_paused_nor_cleared(browser: Browser) -> None:
    with viewing(RECORDING) as opened, watching(browser, link_of(opened)) as page:
        rows = page.locator("#sessions .row")
        expect(rows).to_have_count(1)
        for name in ("pause", "clear"):
            expect(page.locator(f"#{name}")).to_be_hidden()
        page.keyboard.press("x")
        page.keyboard.press("?")
        keys = page.locator("#keys .keys kbd")
        expect(keys.filter(has_text="n")).to_have_count(1)
        for key in ("p", "x"):
            expect(keys.filter(has_text=key)).to_have_count(0)
        expect(rows).to_have_count(1)


def test_a_session_that_was_refused_is_listed(browser: Browser) -> None:
    refusing = ("serve", "--fault", "session:1=400", *LIVE)
    with running(*refusing) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        player.post(f"{server.url}/api/v1/sessions", json=START)
        row = row_of(page, "start refused")
        expect(row).to_contain_text("ClickMe")
        row.click()
        expect(page.locator("#no-timeline")).to_contain_text("did not open this session")
        expect(types(page)).to_have_text(["sessionStart"])


def test_sessions_with_new_calls_move_up(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        sids = [play(player, server.url, **{"media.name": name}) for name in ("First", "Second", "Third")]
        names = page.locator("#sessions .row .content")
        expect(names).to_have_text(["Third", "Second", "First"])
        player.post(f"{server.url}/api/v1/sessions/{sids[0]}/events", json=PING)
        expect(names).to_have_text(["First", "Third", "Second"])


def test_misses_and_hits_say_why_in_plain_words(browser: Browser) -> None:
    strange = {**PING, "eventType": "bufferStart"}
    with (
        running("replay", "-q", RECORDING, *LIVE) as server,
        httpx.Client() as player,
        watching(browser, link_of(server)) as page,
    ):
        play(player, server.url, *[strange] * 3)
        expect(calls(page)).to_have_count(4)
        assert calls(page).first.locator(".outcome").inner_text() == "hit"
        page.locator("#calls-filter [name=show]").select_option("miss")
        calls(page).last.click()
        expect(page.locator("#detail .answered.miss")).to_contain_text("not in the recording")
        expect(page.locator(".misses dd")).not_to_have_text("0")


def test_what_players_send_is_text_and_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    noise: list[str] = []
    with recording(tmp_path) as proxy, httpx.Client() as player, watching(browser, link_of(proxy), noise=noise) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        player.headers["X-Hostile"] = HOSTILE
        event = {"eventType": HOSTILE, "playerTime": PAUSE["playerTime"], "customMetadata": {HOSTILE: HOSTILE}}
        play(player, proxy.url, event, **{"media.name": HOSTILE, "media.playerName": HOSTILE})
        expect(calls(page)).to_have_count(2)
        row_of(page, "pwned").click()
        expect(page.locator(".plot .tick")).to_have_count(2)
        calls(page).last.click()
        expect(page.locator("#detail pre")).to_have_count(2)
        page.locator("#detail .headers > summary").first.click()
        assert page.locator("#content").inner_text() == HOSTILE
        assert types(page).last.inner_text() == HOSTILE
        assert HOSTILE in page.locator("#detail .headers").first.inner_text()
        assert page.locator("#detail pre").first.inner_text().count(HOSTILE) == 3
        for tab in ("findings", "metrics"):
            page.locator(f"#tab-{tab}").click()
        assert page.locator("img, main script, nav script, b b").count() == 0
        assert page.evaluate("typeof pwned") == "undefined"
        origin = link_of(proxy).origin
        assert asked
        assert all(url.startswith(origin) for url in asked)

    assert noise == []


def test_it_forgets_the_oldest_and_says_so(browser: Browser) -> None:
    few = "import tapehead.journal.stored_rows as rows; rows.Limits.__new__.__defaults__ = (10, 10**9, 9, 9, 9)"
    with running("serve", "-q", *LIVE, broken=few) as server, httpx.Client() as player:
        play(player, server.url, *[PING] * 20)
        with stream(link_of(server)) as lines:
            read_until(lines, 21)  # a page that is open keeps what it has: all is stored before it opens
        with watching(browser, link_of(server)) as page:
            expect(calls(page)).to_have_count(10)
            expect(page.locator("#notes")).to_contain_text("11 earlier calls no longer in memory")
            expect(page.locator("#calls")).to_have_text("21")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_its_window_and_can_be_read(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    with recording(tmp_path) as proxy, httpx.Client() as player, watching(browser, link_of(proxy), width) as page:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        play(player, proxy.url, {**PAUSE, "x" * 300: "y" * 300}, **{"media.name": "z" * 300})
        expect(calls(page)).to_have_count(2)
        assert violations(page) == []
        row_of(page, "zzz").click()
        expect(page.locator(".plot .flag").first).to_be_visible()
        page.locator(".plot .flag").first.click()
        expect(page.locator("#detail .findings li").first).to_be_visible()
        assert violations(page) == []
        for tab in ("findings", "metrics"):
            page.locator(f"#tab-{tab}").click()
            assert violations(page) == []
        page.locator("#help").click()
        assert violations(page) == []
        page.keyboard.press("Escape")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        ground, text = (page.evaluate(f"getComputedStyle(document.body).{n}") for n in ("backgroundColor", "color"))

    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ground, text)]
    assert abs(light[0] - light[1]) > 500
    assert (light[0] > light[1]) is (scheme == "light")


# ---- Pausing, clearing, keys, saving ----


def test_pause_stops_what_is_shown_and_resume_shows_the_rest(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        sid = play(player, server.url)
        expect(calls(page)).to_have_count(1)
        page.locator("#pause").click()
        player.post(f"{server.url}/api/v1/sessions/{sid}/events", json=PING)
        expect(page.locator("#pause")).to_have_text("resume (1 new)")
        assert calls(page).count() == 1
        page.locator("#pause").click()
        expect(calls(page)).to_have_count(2)


def test_clear_hides_what_came_and_gives_it_back(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        play(player, server.url)
        expect(calls(page)).to_have_count(1)
        page.locator("#clear").click()
        expect(calls(page)).to_have_count(0)
        expect(page.locator("#sessions .row")).to_have_count(0)
        play(player, server.url, **{"media.name": "Later"})
        expect(calls(page)).to_have_count(1)
        expect(page.locator("#sessions .row")).to_have_count(1)
        page.get_by_role("button", name="show it again").click()
        expect(calls(page)).to_have_count(2)
        expect(page.locator("#sessions .row")).to_have_count(2)


def test_everything_is_at_hand_by_keyboard(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        play(player, server.url, PING, PAUSE)
        expect(calls(page)).to_have_count(3)
        expect(page.locator("#sessions .row")).to_have_count(1)
        page.keyboard.press("]")
        expect(page.locator("#content")).to_have_text("ClickMe")
        expect(page.locator(".plot .flag").first).to_be_visible()
        page.keyboard.press("j")
        expect(page.locator("#detail .type")).to_have_text("sessionStart")
        page.keyboard.press("n")
        expect(page.locator("#detail .findings li").first).to_be_visible()
        page.locator(".plot").focus()
        page.keyboard.press("End")
        expect(page.locator("#detail .type")).to_have_text("pause")
        expect(page.locator(".plot")).to_have_attribute("aria-valuetext", re.compile("pause at"))
        page.keyboard.press("+")
        assert page.locator(".plot").evaluate("plot => plot.scrollWidth > plot.clientWidth * 1.5")
        page.keyboard.press("/")
        page.keyboard.type("nothing like it")
        expect(page.locator("#sessions .row")).to_have_count(0)
        page.keyboard.press("Escape")
        page.keyboard.press("a")
        expect(page.locator("#about")).to_be_hidden()
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()


def test_a_session_is_saved_and_a_call_is_copied_as_curl(browser: Browser, tmp_path: Path) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=link_of(server).origin)
        event = {**PING, "customMetadata": {"note": "it's"}}
        play(player, server.url, event)
        row_of(page, "ClickMe").click()
        expect(calls(page)).to_have_count(2)
        calls(page).last.click()
        page.get_by_role("button", name="copy as curl").click()
        expect(page.get_by_role("button", name="copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        for name, ending in (("recording", "jsonl"), ("HAR", "har")):
            with page.expect_download() as saved:
                page.get_by_role("button", name=name, exact=True).click()
            saved.value.save_as(tmp_path / f"saved.{ending}")
        again = ["sh", "-c", f"{copied} -s -o /dev/null"]
        subprocess.run(again, capture_output=True, check=True)
        expect(calls(page)).to_have_count(3)
        first, second = query(link_of(server), "/events?bodies=1")["events"][1:]
        assert (first["status"], first["request"]["body"]) == (second["status"], second["request"]["body"])
        server.stop()

    for ending in ("jsonl", "har"):
        entries = list(read_recordings([tmp_path / f"saved.{ending}"], endpoints=[f"127.0.0.1:{server.port}"]))
        assert [first_event(each.exchange.request.json()).type for each in entries] == ["sessionStart", "ping"]
