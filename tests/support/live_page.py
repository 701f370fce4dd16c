"""The live page in Chromium, watched for whatever it complains of."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Dialog, Locator, Page

from support.live_client import LIVE, Link
from support.processes import Command, running
from support.upstream_server import upstream

# evil.test is this machine, as after DNS rebinding; and the browser itself does not mind.
REBOUND = ("--host-resolver-rules=MAP evil.test 127.0.0.1", "--disable-features=LocalNetworkAccessChecks")


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
    """`tapehead record` with a page, in front of an endpoint."""
    asked = ["--out", tmp_path / "out.jsonl", *LIVE]
    with upstream() as server, running("record", "--to", server.url, *asked, broken=broken) as proxy:
        yield proxy


def row_of(page: Page, text: str) -> Locator:
    """The row of a session in the list."""
    return page.locator("#sessions .row").filter(has_text=text)


def calls(page: Page) -> Locator:
    """The rows of calls that can be seen."""
    return page.locator("#list .row")


def types(page: Page) -> Locator:
    """The event types in them."""
    return page.locator("#list .row .type")
