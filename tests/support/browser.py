"""A headless Chromium, and the web site with the player page that it visits."""

import contextlib
import mimetypes
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from support.paths import TESTS
from support.processes import web_server

SITE = TESTS / "browser" / "player"
NAMES = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
TIMEOUT_MS = 30_000
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def find_chromium() -> str | None:
    """The Chromium to use: what CHROMIUM names, or else the first that this machine has."""
    named = os.environ.get("CHROMIUM")
    return next(filter(None, map(shutil.which, [named] if named else NAMES)), None)


def require_chromium() -> str:
    """The Chromium to use; where there is none, the test is skipped, in CI it fails."""
    found = find_chromium()
    if found is None:
        why = "no Chromium: set CHROMIUM, or install one of " + ", ".join(NAMES)
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(why)
        pytest.skip(why)
    return found


@contextlib.contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """A headless Chromium, with `flags` besides the usual ones."""
    path = require_chromium()
    expect.set_options(timeout=TIMEOUT_MS)  # a busy machine takes longer than the 5 s that are usual
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()


class _Site(BaseHTTPRequestHandler):
    """The player's files; ranges of them, too, since a player seeks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = SITE / (urlsplit(self.path).path.lstrip("/") or "index.html")
        if path.parent != SITE or not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        first, last = _range(self.headers.get("Range"), len(content))
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Type", mimetypes.guess_type(path.name)[0] or "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content[first : last + 1])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def _range(asked: str | None, size: int) -> tuple[int, int]:
    """The first and the last byte of what a Range header asks for; everything without one."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "")
    return (int(found[1]), min(int(found[2] or size - 1), size - 1)) if found else (0, size - 1)


@contextlib.contextmanager
def player_site() -> Iterator[str]:
    """The web site with the player page; its URL."""
    with web_server(_Site) as url:
        yield url


class Sent(NamedTuple):
    """One call of the player's tracking: the event's type, and the answer's status (0 for none, or "beacon")."""

    event_type: str
    status: int | str


@dataclass
class Viewer:
    """Someone who opens the player page and presses Play.

    Attributes:
        page: the page.
        complaints: what the browser's console and the page's scripts complained of.
    """

    page: Page
    complaints: list[str]

    def note_event(self, message: ConsoleMessage) -> None:
        """Keep an error of the browser's console."""
        if message.type == "error":
            self.complaints.append(message.text)

    def log(self) -> list[Sent]:
        """Return the calls that the player has sent so far."""
        return [Sent(each["type"], each["status"]) for each in self.page.evaluate("player.log")]

    def timestamps(self) -> list[int]:
        """The ts of what the player has sent so far."""
        return [each["ts"] for each in self.page.evaluate("player.log")]

    def wait_until(self, condition: str) -> None:
        """Wait for a JavaScript condition to hold."""
        self.page.wait_for_function(condition, timeout=TIMEOUT_MS)

    def wait_for_end(self) -> list[Sent]:
        """Wait until the programme has ended and all of it is sent; what was sent."""
        self.wait_until("player.finished.then(() => true)")
        return self.log()

    def leave(self) -> None:
        """Go to another page."""
        self.page.goto("about:blank")


@contextlib.contextmanager
def viewer(browser: Browser | BrowserContext, site: str, **settings: object) -> Iterator[Viewer]:
    """A viewer in a fresh profile who has pressed Play on the page of `site`, opened with `settings`."""
    page = browser.new_page()
    opened = Viewer(page, [])
    page.on("console", opened.note_event)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    try:
        page.goto(f"{site}/?{urlencode(settings)}", timeout=TIMEOUT_MS)
        page.click("#play")
        yield opened
    finally:
        page.close()
