"""Viewers of the live page while sessions change: rows stay what they are, and each of many sees every call."""

import contextlib
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from support.browser import chromium
from support.exchanges import event
from support.live_client import LIVE, link_of, play, read_until, rows_of, stream
from support.live_page import row_of, watching
from support.processes import running

pytestmark = pytest.mark.slow

VIEWERS, EVENTS = 10, 200


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def test_the_row_of_a_session_stays_while_the_session_changes(browser: Browser) -> None:
    """A click that meets a row between two changes is not lost."""
    with running("serve", "-q", *LIVE) as server, httpx.Client() as player, watching(browser, link_of(server)) as page:
        sid = play(player, server.url, **{"media.name": "First"})
        row = row_of(page, "First").element_handle()
        player.post(f"{server.url}/api/v1/sessions/{sid}/events", json=event("ping", 7, 7))
        expect(row_of(page, "First")).to_contain_text("0:07")
        row.click()
        expect(page.locator("#content")).to_have_text("First")
        expect(page.locator("#list .row")).to_have_count(2)


def test_ten_viewers_see_every_call() -> None:
    with (
        running("serve", "-q", *LIVE) as server,
        httpx.Client() as player,
        contextlib.ExitStack() as viewers,
    ):
        opened = [viewers.enter_context(stream(link_of(server))) for _ in range(VIEWERS)]
        play(player, server.url, *(event("ping", n, n) for n in range(1, EVENTS)))
        for lines in opened:
            objects = read_until(lines, EVENTS)
            assert [row["number"] for row in rows_of(objects, "calls")] == [*range(1, EVENTS + 1)]
