"""A finding of a session is provisional, then confirmed or withdrawn: in the terminal, on the page, over the API."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from support.api_client import ApiClient, api_of, event_of, open_session
from support.browser import chromium
from support.exchanges import AD, BREAK
from support.live_client import LIVE, link_of
from support.live_page import watching
from support.processes import Command, running

RULE = "ad-outside-break"
ATTEMPTS = 5


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


class Player:
    """A player of a session without a finding so far."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http, self._url = http, url
        self.sid = open_session(http, url)
        self.send("play")

    def send(self, event_type: str, params: dict[str, Any] | None = None, *, seconds_ago: float = 0) -> None:
        """Send an event that happened so many seconds ago."""
        body = event_of(event_type, **({"params": params} if params else {}))
        body["playerTime"]["ts"] -= int(seconds_ago * 1000)
        answer = self._http.post(f"{self._url}/api/v1/sessions/{self.sid}/events", json=body)
        assert answer.status_code == 204


def told(server: Command, sid: str) -> str:
    """Return the state of the finding that the terminal tells next."""
    line = server.wait_for(lambda line: RULE in line and sid[:8] in line)
    return next((state for state in ("provisional", "withdrawn") if f"{state}: " in line), "confirmed")


def states_of(api: ApiClient, sid: str) -> list[str]:
    return [each["state"] for each in api.get("findings", session=sid, rule=RULE)["findings"]]


def shown(page: Page, sid: str) -> Any:
    """The finding's item in the panel of a session, which is opened before: the finding is provisional for seconds."""
    page.locator("#sessions .row").filter(has=page.locator(f"[title*='{sid}']")).click()
    page.locator("#tab-findings").click()
    return page.locator("#findings-panel li").filter(has_text=RULE)


def provisional(server: Command, api: ApiClient, page: Page, http: httpx.Client) -> tuple[Player, Any]:
    """A player with a finding that is provisional everywhere, and its item.

    It is provisional for five seconds, within which a busy machine may not get here.
    """
    for _ in range(ATTEMPTS):
        player = Player(http, server.url)
        item = shown(page, player.sid)
        player.send("adStart", AD)
        state = told(server, player.sid)
        expect(item).to_have_count(1)
        badges = [text.strip() for text in item.locator(".badge").all_text_contents()]
        if [state] == states_of(api, player.sid) == badges == ["provisional"]:
            return player, item
    raise AssertionError("the finding was never seen before it was confirmed")


def test_a_finding_is_confirmed_by_what_follows_and_withdrawn_by_what_explains_it(browser: Browser) -> None:
    with (
        running("serve", "--verbose", *LIVE) as server,
        httpx.Client(timeout=30) as http,
        api_of(server) as api,
        watching(browser, link_of(server)) as page,
    ):
        player, item = provisional(server, api, page, http)
        for number in range(10):
            player.send("stateStart", {"media.state.name": f"custom{number}"})
        assert told(server, player.sid) == "confirmed"
        assert states_of(api, player.sid) == ["confirmed"]
        expect(item).to_have_count(1)
        expect(item.locator(".badge")).to_have_count(0)

        for _ in range(ATTEMPTS):
            player, item = provisional(server, api, page, http)
            player.send("adBreakStart", BREAK, seconds_ago=2)
            if told(server, player.sid) == "withdrawn":
                break
        assert not {"provisional", "confirmed"} & set(states_of(api, player.sid))
        expect(item).to_have_count(0)
        server.stop()
