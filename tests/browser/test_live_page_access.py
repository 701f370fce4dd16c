"""The live page in Chromium: its connection, its token, and what other pages get of it."""

import json
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Error, expect

from support.browser import chromium
from support.live_client import LIVE, RECORDING, link_of, play, viewing
from support.live_page import REBOUND, recording, watching
from support.processes import TIMEOUT_SECONDS, running, web_server

TIMEOUT_MS = TIMEOUT_SECONDS * 1000

# Prints what the live page's server receives, and what it answers.
SPY = """
import sys, tapehead.live.app as app
take, check = app.QuietProtocol.data_received, app.RequestGuard.check
def spy(self, data):
    print("RECEIVED", repr(data), flush=True)
    take(self, data)
def spy_on(self, *asked):
    status = check(self, *asked)
    print("CHECKED", asked[1], status.status, flush=True)
    return status
app.QuietProtocol.data_received, app.RequestGuard.check = spy, spy_on
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*REBOUND) as opened:
        yield opened


# ---- The connection ----


def test_a_connection_that_is_lost_comes_back(browser: Browser) -> None:
    beats = "import tapehead.live.app as app; app.KEEPALIVE_SECONDS = 0.2"
    with (
        running("serve", "-q", *LIVE, broken=beats) as server,
        httpx.Client() as player,
        watching(browser, link_of(server)) as page,
    ):
        play(player, server.url)
        expect(page.locator("#list .row")).to_have_count(1)
        server.process.send_signal(signal.SIGSTOP)
        expect(page.locator("#state")).to_contain_text("connection lost")
        assert "is lost" in page.locator("#trouble").inner_text()
        server.process.send_signal(signal.SIGCONT)
        expect(page.locator("#state")).to_have_text("live", timeout=15_000)
        play(player, server.url)
        expect(page.locator("#list .row")).to_have_count(2)
        assert page.locator("#trouble").is_hidden()


@pytest.mark.parametrize(
    ("number", "state"),
    [(signal.SIGTERM, "tapehead has stopped"), (signal.SIGKILL, "connection lost, trying again")],
    ids=["stopped", "killed"],
)
def test_after_a_restart_it_asks_for_the_new_link_and_takes_it(browser: Browser, number: int, state: str) -> None:
    with running("serve", "-q", *LIVE) as server:
        link = link_of(server)
        with watching(browser, link) as page:
            expect(page.locator("#state")).to_have_text("live")
            server.stop(number)
            # It tries to reconnect, and goes on to say so.
            for _ in range(2):
                page.wait_for_event("requestfailed")
                expect(page.locator("#state")).to_have_text(state)
            expect(page.locator("#trouble")).to_contain_text("open the new link")
            with running("serve", "-q", "--live", link.port) as again:
                expect(page.locator("#trouble")).to_contain_text("does not accept the token", timeout=TIMEOUT_MS)
                page.goto(str(link_of(again)))
                expect(page.locator("#state")).to_have_text("live")
                assert page.url == f"{link.origin}/"


def test_after_a_restart_with_the_same_token_it_goes_on(browser: Browser) -> None:
    token = "t" * 32
    with running("serve", "-q", *LIVE, "--token", token) as server, watching(browser, link_of(server)) as page:
        expect(page.locator("#state")).to_have_text("live")
        server.stop()
        expect(page.locator("#state")).to_have_text("tapehead has stopped")
        with running("serve", "-q", "--live", link_of(server).port, "--token", token) as again:
            expect(page.locator("#state")).to_have_text("live", timeout=TIMEOUT_MS)
            assert page.locator("#trouble").is_hidden()
            again.stop(signal.SIGKILL)
            expect(page.locator("#state")).to_have_text("connection lost, trying again")


# ---- The token ----


def test_the_token_is_in_no_url_and_no_referrer(browser: Browser) -> None:
    with running("serve", "-q", *LIVE, broken=SPY) as server, httpx.Client() as player:
        link = link_of(server)
        with watching(browser, link) as page:
            play(player, server.url)
            expect(page.locator("#list .row")).to_have_count(1)
            assert page.url == f"{link.origin}/"
            assert link.token not in page.content()
            page.reload()
            expect(page.locator("#list .row")).to_have_count(1)
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
        expect(page.locator("#trouble")).to_contain_text("does not accept the token")


def test_the_file_of_a_browser_that_view_opens_leads_to_the_page(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "browser"
    script.write_text('#!/bin/sh\necho "STARTED $1"\n')
    script.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(script))
    with viewing(RECORDING, "--open") as opened:
        url = opened.wait_for(lambda line: line.startswith("STARTED ")).partition(" ")[2]
        page = browser.new_page()
        page.goto(url)
        expect(page.locator("#state")).to_have_text("recordings")
        expect(page.locator("#sessions .row")).to_have_count(1)
        assert page.url == f"{link_of(opened).origin}/"
        assert not Path(urlsplit(url).path).parent.exists()
        page.close()


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
  await attempt("cors", fetch(`${origin}/tapehead/v1/stream`));
  await attempt("cors with token", fetch(`${origin}/tapehead/v1/stream`, { headers }));
  await attempt("no-cors", fetch(`${origin}/tapehead/v1/stream`, { mode: "no-cors" }));
  await attempt("no-cors page", fetch(`${origin}/`, { mode: "no-cors" }));
  await attempt("post", fetch(`${origin}/tapehead/v1/stream`, { method: "POST", mode: "no-cors", body: "x" }));
  const load = (tag, attributes) => new Promise((resolve) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.onload = () => resolve("load");
    element.onerror = () => resolve("error");
    document.body.append(element);
  });
  tried.script = await load("script", { src: `${origin}/page.js` });
  tried.image = await load("img", { src: `${origin}/` });
  tried.socket = await new Promise((resolve) => {
    const socket = new WebSocket(origin.replace("http", "ws") + "/tapehead/v1/stream");
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("error");
  });
  await load("iframe", { src: `${origin}/#${token}`, name: "framed" });
  await load("iframe", { name: "posted", src: "about:blank" });
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: `${origin}/tapehead/v1/stream`, target: "posted" });
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


def test_a_link_on_another_page_opens_it(browser: Browser) -> None:
    """The page alone says nothing, and what opened it cannot reach into it."""
    with running("serve", "-q", *LIVE) as server, web_server(Elsewhere) as elsewhere:
        link, page = link_of(server), browser.new_page()
        page.goto(elsewhere)
        for url, said in ((link.origin, "Open the whole link"), (str(link), "")):
            with page.expect_popup() as popup:
                page.evaluate("url => void (window.opened = window.open(url))", url)
            expect(popup.value.locator("#trouble")).to_contain_text(said)
            expect(popup.value.locator("#state")).to_have_attribute("data-state", "denied" if said else "live")
            assert page.evaluate("window.opened.closed")
        page.close()


def test_a_name_that_was_rebound_to_this_machine_gets_nothing(browser: Browser) -> None:
    with running("serve", "-q", *LIVE) as server, browser.new_context() as context:
        link, page = link_of(server), context.new_page()
        with pytest.raises(Error, match="ERR_HTTP_RESPONSE_CODE_FAILURE"):
            page.goto(f"http://evil.test:{link.port}/#{link.token}")
        # A page that was loaded from there before its name was rebound.
        attack = f"http://evil.test:{link.port}/attack"
        page.route(attack, lambda route: route.fulfill(body="<p>attack", content_type="text/html"))
        page.goto(attack)
        asked = "token => fetch('/tapehead/v1/stream', { headers: { Authorization: `Bearer ${token}` } })"
        told = page.evaluate(f"{asked}.then(async (answer) => [answer.status, await answer.text()])", link.token)
        assert told[0] == 421
        assert json.loads(told[1]).keys() == {"error"}
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
