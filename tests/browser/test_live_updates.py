"""The live page while much happens: drawing at a pace, sleep, stalled viewers, memory; and a zoomed timeline."""

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from support.api_client import ApiClient, api_of
from support.axe import violations
from support.browser import chromium
from support.exchanges import event
from support.live_client import LIVE, STREAM, link_of, play, read_until, rows_of, stream, viewing
from support.live_page import calls, row_of, types, watching
from support.paths import RECORDINGS_FOLDER
from support.processes import Command, running
from support.rules import PING

pytestmark = pytest.mark.slow

FEW = "import tapehead.journal.stored_rows as rows; rows.Limits.__new__.__defaults__ = (10, 10**9, 9, 9, 9)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


# ---- The stream ----


def test_a_snapshot_has_all_sessions_and_the_latest_calls() -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, api_of(server) as api:
        for name in ("First", "Second"):
            play(player, server.url, PING, PING, **{"media.name": name})
        lines = api.http.get("/stream", params={"latest": 4, "timeout": 0}).text.splitlines()
        hello, snapshot = (json.loads(line) for line in lines if line)
        after = api.http.get("/stream", params={"after": snapshot["change"], "timeout": 0}).text.splitlines()

    assert hello["kind"] == "hello"
    assert snapshot["kind"] == "snapshot"
    assert [row["content"] for row in snapshot["sessions"]] == ["First", "Second"]
    assert [row["number"] for row in snapshot["calls"]] == [3, 4, 5, 6]
    assert snapshot["totals"]["calls"] == 6
    assert [json.loads(line)["kind"] for line in after if line] == ["hello"]


def test_preflights_are_listed_and_are_no_calls(browser: Browser) -> None:
    asked = {"Origin": "http://page", "Access-Control-Request-Method": "POST"}
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        sid = play(player, server.url)
        player.options(f"{server.url}/api/v1/sessions/{sid}/events", headers=asked)
        player.post(f"{server.url}/api/v1/sessions/{sid}/events", json=PING)
        for _ in range(2):  # as they come, and after a reload
            expect(types(page)).to_have_text(["sessionStart", "(preflight)", "ping"])
            expect(page.locator("#shown")).to_have_text("2 calls, 1 preflight")
            row_of(page, "ClickMe").click()
            expect(types(page)).to_have_text(["sessionStart", "(preflight)", "ping"])
            expect(page.locator("#tab-events .count")).to_have_text("2")
            page.reload()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("latest=0", "expected a whole number from 1 to 10000"),
        ("latest=10001", "expected a whole number from 1 to 10000"),
        ("latest=-1", "expected a whole number from 1 to 10000"),
        ("latest=1.5", "expected a whole number from 1 to 10000"),
        ("latest=", "expected a whole number from 1 to 10000"),
        ("latest=1&latest=2", "given twice"),
        ("latest=1&after=1", "exclude each other"),
    ],
)
def test_a_number_of_latest_calls_that_cannot_be_is_refused(query: str, message: str) -> None:
    with running("serve", "-q", *LIVE) as server, api_of(server) as api:
        answer = api.http.get(f"/stream?{query}&timeout=0")

    assert answer.status_code == 400
    assert message in answer.json()["error"]


# ---- Viewers ----


def test_one_stalled_viewer_of_ten_keeps_nobody_waiting() -> None:
    """Nine get every call, while the tenth reads nothing; later it is disconnected."""
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, contextlib.ExitStack() as viewers:
        link = link_of(server)
        stalled = viewers.enter_context(socket.socket())
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", link.port))
        stalled.sendall(link.head(f"{STREAM}?latest=500"))
        opened = [viewers.enter_context(stream(link)) for _ in range(9)]
        large = {**PING, "customMetadata": {"note": "x" * 20_000}}
        play(player, server.url, *[large] * 400)
        for lines in opened:
            assert [row["number"] for row in rows_of(read_until(lines, 401), "calls")] == [*range(1, 402)]


def cut_off(page: Page, api: ApiClient, meanwhile: Callable[[], None]) -> None:
    """Have the page's first connection end after what there is; `meanwhile` is called before it may come back."""
    told = api.http.get("/stream", params={"latest": 500, "timeout": 0}).text
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(body=told, content_type="application/x-ndjson")
            return
        if len(asked) == 2:
            meanwhile()
        route.continue_()

    page.route(f"**{STREAM}*", answer)


def test_a_page_that_was_cut_off_comes_back_without_a_hole(browser: Browser) -> None:
    """As after sleep: the journal has moved on further than its memory."""
    with running("serve", "-q", *LIVE, broken=FEW) as server, httpx.Client() as player, api_of(server) as api:
        sid, page = play(player, server.url, PING), browser.new_page()
        shown: list[int] = []

        def play_on() -> None:
            shown.append(calls(page).count())
            for number in range(30):
                player.post(f"{server.url}/api/v1/sessions/{sid}/events", json=event("ping", number, number))
            api.get("/wait", until="calls:32")  # a page that is back before the last keeps those that it saw

        cut_off(page, api, play_on)
        page.goto(str(link_of(server)))
        expect(page.locator("#calls")).to_have_text("32")
        expect(page.locator("#notes")).to_contain_text("22 earlier calls no longer in memory")
        expect(calls(page)).to_have_count(10)
        numbers = page.locator("#list .row").evaluate_all("rows => rows.map((row) => Number(row.id.slice(5)))")
        page.close()

    assert shown == [2]
    assert numbers == [*range(23, 33)]


def test_calls_that_left_memory_before_they_were_told_leave_no_hole(browser: Browser) -> None:
    """A page that reads too slowly: the next line of its stream begins further on."""
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player:
        play(player, server.url, *[PING] * 9)

        def cut(route: Route) -> None:
            told = [json.loads(line) for line in api_text.splitlines() if line]
            snapshot = next(each for each in told if each["kind"] == "snapshot")
            rows = snapshot["calls"]
            later = {**snapshot, "kind": "changes", "calls": rows[7:], "findings": [], "sessions": []}
            lines = [told[0], {**snapshot, "calls": rows[:3]}, later]
            route.fulfill(body="".join(json.dumps(each) + "\n" for each in lines), content_type="application/x-ndjson")

        with api_of(server) as api:
            api_text = api.http.get("/stream", params={"latest": 500, "timeout": 0}).text
        page = browser.new_page()
        page.route(f"**{STREAM}*", cut)
        page.goto(str(link_of(server)))
        expect(calls(page)).to_have_count(10)
        page.close()


def told_to(page: Page, server: Command, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Open the page with another stream: that of what there is, changed."""
    with api_of(server) as api:
        text = api.http.get("/stream", params={"latest": 500, "timeout": 0}).text
    told = change([json.loads(line) for line in text.splitlines() if line])
    body = "".join(json.dumps(each) + "\n" for each in told)
    page.route(f"**{STREAM}*", lambda route: route.fulfill(body=body, content_type="application/x-ndjson"))
    page.goto(str(link_of(server)))


def test_a_page_with_many_holes_asks_once_at_a_time(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player:
        play(player, server.url, PING)
        page, asked = browser.new_page(), list[Route]()

        def with_holes(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
            hello, snapshot = told
            last = snapshot["calls"][-1]
            numbers = range(10, 100, 10)
            later = [{**snapshot, "kind": "changes", "calls": [{**last, "number": number}]} for number in numbers]
            return [hello, snapshot, *later, {"kind": "end"}]

        page.route("**/sessions?*", lambda route: asked.append(route))
        told_to(page, server, with_holes)
        expect(page.locator("#state")).to_have_text("tapehead has stopped")
        assert len(asked) == 1
        page.close()


def test_sessions_that_are_not_listed_are_counted(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player:
        play(player, server.url)
        page = browser.new_page()

        def with_many(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
            hello, snapshot = told
            (row,) = snapshot["sessions"]
            rows = [{**row, "number": number, "session": f"s{number}"} for number in range(1, 2101)]
            return [hello, {**snapshot, "sessions": rows, "totals": {**snapshot["totals"], "sessions": 2345}}]

        told_to(page, server, with_many)
        expect(page.locator("#notes")).to_contain_text("345 earlier sessions not listed")
        page.close()


# ---- Drawing ----


def test_many_changes_are_drawn_together(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        sid = play(player, server.url)
        expect(calls(page)).to_have_count(1)
        page.evaluate("""() => {
          window.drawn = 0;
          const totals = document.getElementById("calls");
          new MutationObserver(() => drawn++).observe(totals, { childList: true, characterData: true, subtree: true });
        }""")
        for number in range(200):
            player.post(f"{server.url}/api/v1/sessions/{sid}/events", json=event("ping", number, number))
        expect(page.locator("#calls")).to_have_text("201")
        assert 1 <= page.evaluate("drawn") <= 100


def test_what_fails_in_a_frame_keeps_nothing_else_from_being_drawn(browser: Browser) -> None:
    with running("serve", *LIVE) as server, watching(browser, link_of(server)) as page:
        done = page.evaluate("""() => new Promise((resolve) => {
          const done = [];
          const twice = () => done.push("twice");
          addEventListener("error", (event) => event.preventDefault(), { once: true });
          drawSoon(twice);
          drawSoon(twice);
          drawSoon(() => { done.push("failed"); throw new Error("on purpose"); });
          drawSoon(() => done.push("later"));
          setTimeout(() => { drawSoon(() => done.push("next")); setTimeout(() => resolve(done), 500); }, 500);
        })""")

    assert done == ["twice", "failed", "later", "next"]


# ---- The timeline ----


def wait_for_scale(page: Page, scale: str) -> None:
    """Wait until the timeline is so many times wider than what is seen of it."""
    page.wait_for_function(f"(plot => plot.scrollWidth / plot.clientWidth {scale})(document.querySelector('.plot'))")


def test_the_timeline_is_zoomed_by_wheel_and_keys_and_fitted(browser: Browser) -> None:
    with viewing(RECORDINGS_FOLDER / "mistakes.jsonl") as opened, watching(browser, link_of(opened)) as page:
        row_of(page, "undefined").click()
        expect(page.locator(".plot .flag").first).to_be_visible()
        wait_for_scale(page, "< 1.1")
        page.locator(".plot").hover()
        page.keyboard.down("Control")
        page.mouse.wheel(0, -300)
        page.keyboard.up("Control")
        wait_for_scale(page, "> 1.2")
        page.keyboard.press("0")
        wait_for_scale(page, "< 1.1")
        page.keyboard.press("+")
        page.keyboard.press("+")
        wait_for_scale(page, "> 3")
        page.keyboard.press("-")
        wait_for_scale(page, "< 3")
        page.get_by_role("button", name="fit").click()
        wait_for_scale(page, "< 1.1")


def test_a_live_session_is_followed(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        sid = play(player, server.url, PING)
        row_of(page, "ClickMe").click()
        follows = page.locator(".follow input")
        expect(follows).to_be_visible()
        page.keyboard.press("f")
        expect(follows).to_be_checked()
        page.keyboard.press("f")
        expect(follows).not_to_be_checked()
        player.post(f"{server.url}/api/v1/sessions/{sid}/events", json={**PING, "eventType": "sessionComplete"})
        expect(page.locator(".follow")).to_be_hidden()


def test_the_next_finding_of_another_session_is_its_first(browser: Browser) -> None:
    with viewing(RECORDINGS_FOLDER) as opened, watching(browser, link_of(opened)) as page:
        row_of(page, "undefined").click()
        expect(page.locator(".plot .flag").first).to_be_visible()
        page.keyboard.press("n")
        first = page.locator("#detail .type")
        expect(first).to_be_visible()
        text = first.inner_text()
        page.keyboard.press("n")
        page.keyboard.press("n")
        page.keyboard.press("a")
        row_of(page, "undefined").click()
        expect(page.locator(".plot .flag").first).to_be_visible()
        page.keyboard.press("n")
        expect(page.locator("#detail .type")).to_have_text(text)


def test_keys_walk_calls_and_sessions_pause_clear_and_copy(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=link_of(server).origin)
        for name in ("First", "Second"):
            play(player, server.url, PING, **{"media.name": name})
        expect(calls(page)).to_have_count(4)
        for key, content in (("]", "Second"), ("]", "First"), ("[", "Second")):
            page.keyboard.press(key)
            expect(page.locator("#content")).to_have_text(content)
        expect(types(page)).to_have_text(["sessionStart", "ping"])
        for key, kind in (("k", "ping"), ("k", "sessionStart"), ("j", "ping")):
            page.keyboard.press(key)
            expect(page.locator("#detail .type")).to_have_text(kind)
        page.keyboard.press("c")
        expect(page.get_by_role("button", name="copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()").startswith("curl -X 'POST' ")
        page.keyboard.press("p")
        expect(page.locator("#pause")).to_have_text("resume")
        page.keyboard.press("p")
        expect(page.locator("#pause")).to_have_text("pause")
        page.keyboard.press("x")
        expect(page.locator("#sessions .row")).to_have_count(0)
        expect(page.locator("#notes")).to_contain_text("is hidden")


def test_a_paused_page_stays_as_it_is_when_it_reconnects(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, api_of(server) as api:
        sid, page = play(player, server.url), browser.new_page()

        def play_on() -> None:
            page.keyboard.press("p")
            player.post(f"{server.url}/api/v1/sessions/{sid}/events", json=PING)

        cut_off(page, api, play_on)
        page.goto(str(link_of(server)))
        expect(page.locator("#pause")).to_have_text("resume (1 new)")
        expect(page.locator("#state")).to_have_attribute("data-state", "live")
        assert calls(page).count() == 1
        page.keyboard.press("p")
        expect(calls(page)).to_have_count(2)
        page.close()


# ---- What everyone can read, from this machine alone ----


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_of_recordings_can_be_read_and_asks_nobody_else(browser: Browser, scheme: str, width: int) -> None:
    noise: list[str] = []
    with viewing(RECORDINGS_FOLDER) as opened, watching(browser, link_of(opened), width, noise) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.reload()
        row_of(page, "undefined").click()
        expect(page.locator(".plot .flag").first).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("n")
        expect(page.locator("#detail .findings").first).to_be_attached()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert asked
        assert all(url.startswith(link_of(opened).origin) for url in asked)

    assert noise == []
