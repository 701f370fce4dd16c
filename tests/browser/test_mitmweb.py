"""A real mitmweb in Chromium: marks, comments, the view of a call, the event log, and a filter."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from support.browser import chromium
from support.certificates import SCRIPT
from support.current_player import CurrentPlayer
from support.processes import TIMEOUT_SECONDS, Command, start_program
from support.upstream_server import free_port

SIZE = ViewportSize(width=1400, height=900)
PROGRAM = "from mitmproxy.tools.main import mitmweb\nmitmweb()"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[Command]:
    """Stock mitmweb that simulates the endpoint; `url` is the proxy's."""
    port = free_port()
    words = ["--listen-host", "127.0.0.1", "-p", port, "--web-port", free_port(), "--no-web-open-browser", "-s", SCRIPT]
    settings = ["--set", f"confdir={tmp_path}", "--set", "tapehead_simulate=true"]
    with start_program(sys.executable, "-c", PROGRAM, *words, *settings) as opened:
        opened.url = f"http://127.0.0.1:{port}"
        yield opened


@pytest.fixture
def page(tool: Command, browser: Browser) -> Iterator[Page]:
    link = tool.wait_for(lambda line: "Web server listening at" in line).split(" at ", 1)[1].strip()
    with browser.new_page(viewport=SIZE) as opened:
        opened.goto(link)
        expect(opened.get_by_text("mitmproxy is running.")).to_be_visible()
        yield opened


def test_findings_are_seen_while_a_player_plays(tool: Command, page: Page) -> None:
    rows = page.locator(".flow-table tbody tr:has(td)")
    with httpx.Client(proxy=tool.url) as client:
        player = CurrentPlayer(client)
        player.play_with_mistakes()
    expect(rows.filter(has_text="company")).to_have_count(6)

    nested = rows.nth(3)
    expect(nested.get_by_text("✖")).to_be_visible()
    expect(rows.nth(1).get_by_text("⚠")).to_be_visible()
    expect(rows.nth(0).get_by_text("✖")).to_have_count(0)

    nested.click()
    view = page.locator(".flow-detail")
    expect(view.get_by_text("Media Collection: adBreakStart at 1.0 s, 1 error")).to_be_visible()
    expect(view.get_by_text("# error ad-break-nested: adBreakStart: the break of event 2")).to_be_visible()

    page.get_by_role("link", name="Flow List").click()
    page.get_by_placeholder("Search").fill("~comment ad-break-nested")
    expect(rows.filter(has_text="company")).to_have_count(1)
    page.get_by_placeholder("Search").fill("~marked")
    expect(rows.filter(has_text="company")).to_have_count(2)
    page.get_by_placeholder("Search").fill("")
    expect(rows.filter(has_text="company")).to_have_count(6)

    page.get_by_role("link", name="Options").click()
    page.get_by_text("Display Event Log").click()
    expect(page.locator(".eventlog").filter(has_text=f"(session {player.sid})")).to_contain_text(
        "error ad-break-nested"
    )


def test_commands_list_what_the_audit_finds(tool: Command, page: Page) -> None:
    def answer(command: str) -> str:
        box = page.locator(".command input")
        box.fill(command)
        with page.expect_response("**/commands/tapehead.*") as answered:
            box.press("Enter")
        return answered.value.text()

    def expect_answer(wanted: str, command: str) -> None:
        end = time.monotonic() + TIMEOUT_SECONDS
        while wanted not in (said := answer(command)):  # the audit may be behind, and a command waits half a second
            assert time.monotonic() < end, said

    page.get_by_role("link", name="Options").click()
    page.get_by_text("Display Command Bar").click()
    assert "there is no Media Collection call among the flows of '@focus'" in answer("tapehead.audit @focus")
    assert "there is no file '/nowhere.jsonl'" in answer("tapehead.audit /nowhere.jsonl")
    with httpx.Client(proxy=tool.url) as client:
        player = CurrentPlayer(client)
        player.open()
        assert f"{player.sid}, First clip: " in answer("tapehead.sessions")
        player.play_with_mistakes()
    # mitmweb reads no command with a ~ that is not quoted.
    for flows in ("@all", "@marked", "'~marked'"):
        expect_answer("error ad-break-nested: ", f"tapehead.audit {flows}")
    expect_answer("error ad-break-nested: ", "tapehead.audit.recording")
