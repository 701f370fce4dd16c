"""The live page in Chromium: it shows calls as they come, runs nothing of them, and reveals nothing to other pages."""

import contextlib
import json
import re
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Dialog, Error, Page, expect

from support.browser import chromium
from support.live_client import EVENTS, LIVE, PAUSE, Link, link_of, play
from support.processes import Command, running, web_server
from support.rules import PING
from support.upstream_server import SID, upstream

HOSTILE = "<script>pwned=1</script><img src=x onerror='pwned=1'><b>"
# evil.test is this machine, as after DNS rebinding; and the browser itself does not mind.
REBOUND = ("--host-resolver-rules=MAP evil.test 127.0.0.1", "--disable-features=LocalNetworkAccessChecks")
# Prints what the live page's server receives, and what it answers.
SPY = """
import sys, tapehead.live.app as app
take, check = app.QuietProtocol.data_received, app.RequestGuard.check
def spy(self, data):
    print("RECEIVED", repr(data), flush=True)
    take(self, data)
def spy_on(self, *asked):
    status = check(self, *asked)
    print("CHECKED", asked[1], status, flush=True)
    return status
app.QuietProtocol.data_received, app.RequestGuard.check = spy, spy_on
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*REBOUND) as opened:
        yield opened


@contextlib.contextmanager
def watching(browser: Browser, link: Link, width: int = 1360, noise: list[str] | None = None) -> Iterator[Page]:
    """The page behind a link; what it complains of goes into `noise`."""
    page, heard = browser.new_page(viewport={"width": width, "height": 860}), noise if noise is not None else []

    def refuse(dialog: Dialog) -> None:
        heard.append(dialog.message)
        dialog.dismiss()

    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", refuse)
    page.goto(str(link))
    yield page
    page.close()


@contextlib.contextmanager
def recording(tmp_path: Path, broken: str | None = None) -> Iterator[Command]:
    asked = ["--out", tmp_path / "out.jsonl", *LIVE]
    with upstream() as server, running("record", "--to", server.url, *asked, broken=broken) as proxy:
        yield proxy


# ---- What it shows ----


def test_calls_appear_as_they_come_with_their_findings(browser: Browser, tmp_path: Path) -> None:
    noise: list[str] = []
    with recording(tmp_path) as proxy, httpx.Client() as player, watching(browser, link_of(proxy), noise=noise) as page:
        expect(page.locator("#state")).to_have_text("live")
        expect(page.locator("#nothing")).to_be_visible()
        play(player, proxy.url)
        expect(page.locator("li.call")).to_have_count(1)
        player.post(proxy.url + EVENTS, json=PAUSE)
        expect(page.locator("li.call")).to_have_count(2)
        row = page.locator("li.call").last
        assert row.locator(".type").inner_text() == "pause"
        assert row.locator(".status").inner_text() == "204"
        assert row.locator(".playhead").inner_text() == "1.000"
        assert 'eventType is "pause"' in row.locator(".findings .error .message").first.inner_text()
        row.locator("summary").first.click()
        assert json.loads(row.locator("section").first.locator("pre").inner_text()) == PAUSE
        assert page.locator("#calls").inner_text() == "2"
        assert int(page.locator("#errors").inner_text()) > 0
        session = page.locator(".session").nth(1)
        assert session.locator(".media").inner_text() == "ClickMe"
        assert SID[:8] in session.locator(".sub").inner_text()
        assert session.locator(".events").inner_text() == "2 events"

    assert noise == []


def test_a_press_on_a_finding_marks_its_place(browser: Browser, tmp_path: Path) -> None:
    with recording(tmp_path) as proxy, httpx.Client() as player, watching(browser, link_of(proxy)) as page:
        player.post(proxy.url + EVENTS, json=PAUSE)
        page.locator(".findings button").first.click()
        expect(page.locator("pre .wrong")).to_have_text(' "eventType": "pause",')


def test_the_filter_shows_what_fits(browser: Browser, tmp_path: Path) -> None:
    with running("serve", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        sid = play(player, server.url, PING, PAUSE)
        player.post(server.url + EVENTS, json=PING)
        visible = page.locator("li.call:visible .type")
        expect(visible).to_have_text(["sessionStart", "ping", "pause", "ping"])
        page.locator("#filter").get_by_text("good").click()
        expect(visible).to_have_text(["sessionStart", "ping"])
        page.locator("#filter").get_by_text("hide pings").click()
        expect(visible).to_have_text(["sessionStart"])
        page.locator("#filter").get_by_text("bad").click()
        expect(visible).to_have_text(["pause"])
        page.locator("#filter").get_by_text("all", exact=True).click()
        page.locator(".session").filter(has_text=sid[:8]).click()
        expect(visible).to_have_text(["sessionStart", "pause"])
        assert page.locator("#shown").inner_text() == "2 of 4 calls"
        page.locator("#all").click()
        expect(visible).to_have_count(2)


def test_what_players_send_is_text_and_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    noise: list[str] = []
    with recording(tmp_path) as proxy, httpx.Client() as player, watching(browser, link_of(proxy), noise=noise) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        player.headers["X-Hostile"] = HOSTILE
        event = {"eventType": HOSTILE, "playerTime": PAUSE["playerTime"], "customMetadata": {HOSTILE: HOSTILE}}
        play(player, proxy.url, event, **{"media.name": HOSTILE, "media.playerName": HOSTILE})
        expect(page.locator("li.call")).to_have_count(2)
        for summary in page.locator("li.call > details > summary").all():
            summary.click()
        for summary in page.locator(".headers > summary").all():
            summary.click()
        assert page.locator(".session .media").last.inner_text() == HOSTILE
        assert page.locator("li.call .type").last.inner_text() == HOSTILE
        assert HOSTILE in page.locator(".headers").last.locator("xpath=../..").inner_text()
        assert page.locator("main pre").nth(2).inner_text().count(HOSTILE) == 3
        assert page.locator("img, main script, nav script, main b b").count() == 0
        assert page.evaluate("typeof pwned") == "undefined"
        assert asked == []

    assert noise == []


def test_it_forgets_the_oldest_and_says_so(browser: Browser) -> None:
    few = "import tapehead.live.call_log as call_log; call_log.MOST_CALLS = 10"
    with running("serve", "-q", *LIVE, broken=few) as server, httpx.Client() as player:
        play(player, server.url, *[PING] * 20)
        with watching(browser, link_of(server)) as page:
            expect(page.locator("li.call")).to_have_count(10)
            assert page.locator("#gone").inner_text().startswith("11 earlier calls no longer shown")
            assert page.locator("#calls").inner_text() == "21"
            assert page.locator(".session .events").inner_text() == "21 events"
            play(player, server.url, *[PING] * 4)
            expect(page.locator("#calls")).to_have_text("26")
            expect(page.locator("li.call")).to_have_count(10)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read(browser: Browser, tmp_path: Path, scheme: str) -> None:
    with recording(tmp_path) as proxy, httpx.Client() as player, watching(browser, link_of(proxy), 400) as page:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        play(player, proxy.url, {**PAUSE, "x" * 300: "y" * 300}, **{"media.name": "z" * 300})
        expect(page.locator("li.call")).to_have_count(2)
        page.locator("li.call summary").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        assert page.locator("#scroll").evaluate("box => box.scrollWidth <= box.clientWidth")
        ground, text = (page.evaluate(f"getComputedStyle(document.body).{n}") for n in ("backgroundColor", "color"))

    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ground, text)]
    assert abs(light[0] - light[1]) > 500
    assert (light[0] > light[1]) is (scheme == "light")


# ---- The connection ----


def test_a_connection_that_is_lost_comes_back(browser: Browser) -> None:
    beats = "import tapehead.live.app as app; app.BEAT_SECONDS = 0.2"
    with (
        running("serve", "-q", *LIVE, broken=beats) as server,
        httpx.Client() as player,
        watching(browser, link_of(server)) as page,
    ):
        play(player, server.url)
        expect(page.locator("li.call")).to_have_count(1)
        server.process.send_signal(signal.SIGSTOP)
        expect(page.locator("#state")).to_contain_text("connection lost")
        assert "is lost" in page.locator("#trouble").inner_text()
        server.process.send_signal(signal.SIGCONT)
        expect(page.locator("#state")).to_have_text("live", timeout=15_000)
        play(player, server.url)
        expect(page.locator("li.call")).to_have_count(2)
        assert page.locator("#trouble").is_hidden()


def test_after_a_restart_it_asks_for_the_new_link_and_takes_it(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server:
        link = link_of(server)
        with watching(browser, link) as page:
            expect(page.locator("#state")).to_have_text("live")
            server.stop()
            expect(page.locator("#state")).to_have_text("tapehead has stopped")
            with running("serve", "-q", "--live", link.port) as again:
                expect(page.locator("#trouble")).to_contain_text("not valid any more", timeout=15_000)
                page.goto(str(link_of(again)))
                expect(page.locator("#state")).to_have_text("live")
                assert page.url == f"{link.origin}/"
                again.stop(signal.SIGKILL)
                expect(page.locator("#state")).to_contain_text("connection lost")


# ---- The token ----


def test_the_token_is_in_no_url_and_no_referrer(browser: Browser) -> None:
    with running("serve", "-q", *LIVE, broken=SPY) as server, httpx.Client() as player:
        link = link_of(server)
        with watching(browser, link) as page:
            play(player, server.url)
            expect(page.locator("li.call")).to_have_count(1)
            assert page.url == f"{link.origin}/"
            assert link.token not in page.content()
            page.reload()
            expect(page.locator("li.call")).to_have_count(1)
            assert page.context.cookies() == []
        server.stop()

    received = [line for line in server.lines if line.startswith("RECEIVED")]
    with_token = [line for line in received if link.token in line]
    assert with_token
    assert all(line.count(link.token) == 1 and f"Bearer {link.token}" in line for line in with_token)
    assert not [line for line in received if "referer" in line.lower()]
    others = [line for line in server.lines if link.token in line and not line.startswith("RECEIVED")]
    assert others == [f"live page: {link}"]


def test_without_the_token_it_says_what_to_do(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, browser.new_context() as context:
        page, link = context.new_page(), link_of(server)
        page.goto(link.origin)
        expect(page.locator("#trouble")).to_contain_text("Open the whole link")
        page.goto(f"{link.origin}/#wrong")
        expect(page.locator("#trouble")).to_contain_text("not valid any more")


# ---- Other pages ----


class Elsewhere(BaseHTTPRequestHandler):
    """A page of another origin on this machine."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<body>elsewhere</body>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


ATTACKS = """async ([origin, token]) => {
  const tried = {};
  const headers = { Authorization: `Bearer ${token}` };
  const attempt = async (name, request) => {
    try { const answer = await request; tried[name] = answer.type + " " + (await answer.text()).length; }
    catch (error) { tried[name] = error.name; }
  };
  await attempt("cors", fetch(`${origin}/lines`));
  await attempt("cors with token", fetch(`${origin}/lines`, { headers }));
  await attempt("no-cors", fetch(`${origin}/lines`, { mode: "no-cors" }));
  await attempt("no-cors page", fetch(`${origin}/`, { mode: "no-cors" }));
  await attempt("post", fetch(`${origin}/lines`, { method: "POST", mode: "no-cors", body: "x" }));
  const load = (tag, attributes) => new Promise((resolve) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.onload = () => resolve("load");
    element.onerror = () => resolve("error");
    document.body.append(element);
  });
  tried.script = await load("script", { src: `${origin}/page.js` });
  tried.image = await load("img", { src: `${origin}/` });
  tried.socket = await new Promise((resolve) => {
    const socket = new WebSocket(origin.replace("http", "ws") + "/lines");
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("error");
  });
  await load("iframe", { src: `${origin}/#${token}`, name: "framed" });
  await load("iframe", { name: "posted", src: "about:blank" });
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: `${origin}/lines`, target: "posted" });
  document.body.append(form);
  form.submit();
  await new Promise((resolve) => { document.querySelector("[name=posted]").onload = resolve; });
  return tried;
}"""


def test_a_page_of_another_origin_can_neither_read_nor_post(browser: Browser) -> None:
    with running("serve", "-q", *LIVE, broken=SPY) as server, web_server(Elsewhere) as elsewhere:
        link = link_of(server)
        page = browser.new_page()
        page.goto(elsewhere)
        tried = page.evaluate(ATTACKS, [link.origin, link.token])
        frames = [frame.content() for frame in page.frames[1:]]
        page.close()
        server.stop()

    checked = [line.split()[1:] for line in server.lines if line.startswith("CHECKED")]
    assert tried == {
        "cors": "TypeError",
        "cors with token": "TypeError",
        "no-cors": "TypeError",
        "no-cors page": "TypeError",
        "post": "TypeError",
        "script": "error",
        "image": "error",
        "socket": "error",
    }
    assert len(checked) >= 10
    assert {status for _, status in checked} == {"403"}
    assert len(frames) == 2
    assert not [content for content in frames if "tapehead" in content]


def test_a_name_that_was_rebound_to_this_machine_gets_nothing(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, browser.new_context() as context:
        link, page = link_of(server), context.new_page()
        with pytest.raises(Error, match="ERR_HTTP_RESPONSE_CODE_FAILURE"):
            page.goto(f"http://evil.test:{link.port}/#{link.token}")
        # A page that was loaded from there before its name was rebound.
        attack = f"http://evil.test:{link.port}/attack"
        page.route(attack, lambda route: route.fulfill(body="<p>attack", content_type="text/html"))
        page.goto(attack)
        asked = "token => fetch('/lines', { headers: { Authorization: `Bearer ${token}` } })"
        told = page.evaluate(f"{asked}.then(async (answer) => [answer.status, await answer.text()])", link.token)
        assert told == [421, ""]
        page.goto(str(link))
        expect(page.locator("#state")).to_have_text("live")


def test_the_policy_of_the_page_holds(browser: Browser, tmp_path: Path) -> None:
    with recording(tmp_path) as proxy, web_server(Elsewhere) as elsewhere, watching(browser, link_of(proxy)) as page:
        expect(page.locator("#state")).to_have_text("live")
        assert page.evaluate(
            "url => fetch(url, { mode: 'no-cors' }).then(() => 'sent', () => 'stopped')", elsewhere
        ) == ("stopped")
        written = "try { document.body.innerHTML = '<b>x</b>'; 'written' } catch (error) { error.name }"
        assert page.evaluate(written) == "TypeError"
        assert page.evaluate("[...performance.getEntriesByType('resource')].length") > 0
        assert {urlsplit(frame.url).netloc for frame in page.frames} == {f"127.0.0.1:{link_of(proxy).port}"}
