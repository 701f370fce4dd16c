"""A player that plays at this moment, through a proxy."""

import time
from typing import Any

import httpx

from support.exchanges import BREAK, NOW, event, start
from tapehead.protocol.routes import ENDPOINT_DOMAIN, sid_of_location

ENDPOINT = f"http://company.{ENDPOINT_DOMAIN}"


class CurrentPlayer:
    """A player behind a proxy, whose clock is right.

    Args:
        client: sends its calls.
        endpoint: where to.

    Attributes:
        sid: its session.
    """

    def __init__(self, client: httpx.Client, endpoint: str = ENDPOINT) -> None:
        self._client = client
        self._endpoint = endpoint
        self.sid = ""

    def open(self) -> httpx.Response:
        """Open a session."""
        answer = self._client.post(f"{self._endpoint}/api/v1/sessions", json=start(time.time() - NOW))
        self.sid = sid_of_location(answer.headers.get("Location")) or ""
        return answer

    def send(self, event_type: str, playhead: float = 0, params: object = None, **parts: Any) -> httpx.Response:
        """Send an event of the session."""
        body = event(event_type, playhead, time.time() - NOW, params, **parts)
        return self._client.post(f"{self._endpoint}/api/v1/sessions/{self.sid}/events", json=body)

    def play_with_mistakes(self) -> None:
        """Play a session with a key that is not documented, an ad break in another, and an end that comes too early."""
        self.open()
        self.send("play", 0, qoeData={"bitrate": 1})
        self.send("adBreakStart", 1.0, BREAK)
        self.send("adBreakStart", 1.0, BREAK)
        self.send("adBreakComplete", 1.0)
        self.send("sessionEnd", 1.0)
