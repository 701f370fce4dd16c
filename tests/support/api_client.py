"""A client of the HTTP API of a running command."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import httpx

from support.live_client import START, link_of
from support.processes import TIMEOUT_SECONDS, Command
from tapehead.live.api_model import PREFIX
from tapehead.live.request_guard import TOKEN_HEADER


class ApiClient:
    """The API of a command.

    Attributes:
        http: the connection, whose requests have the token.
    """

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def get(self, path: str, **query: object) -> Any:
        """Return the answer to a query."""
        answer = self.http.get(path, params={name: str(value) for name, value in query.items()})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, status: int, **query: object) -> Any:
        """Return the answer to a query that is refused."""
        answer = self.http.get(path, params={name: str(value) for name, value in query.items()})
        assert answer.status_code == status, answer.text
        return answer.json()

    def send(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        """Return the answer to a request with a body."""
        answer = self.http.request(method, path, json=body) if body is not None else self.http.request(method, path)
        assert answer.status_code == status, answer.text
        return answer.json()


@contextlib.contextmanager
def api_of(opened: Command) -> Iterator[ApiClient]:
    """Yield a client of the API of a command that runs with --live."""
    link = link_of(opened)
    with httpx.Client(
        base_url=link.origin + PREFIX, headers={TOKEN_HEADER: link.token}, timeout=TIMEOUT_SECONDS
    ) as http:
        yield ApiClient(http)


def open_session(player: httpx.Client, url: str, seconds_ago: float = 0) -> str:
    """Open a session that is free of mistakes, but for its clock, and return its session id."""
    body = START | {"playerTime": {"playhead": 0, "ts": int((time.time() - seconds_ago) * 1000)}}
    answer = player.post(f"{url}/api/v1/sessions", json=body)
    return answer.headers["Location"].rpartition("/")[2]


def event_of(event_type: str, **more: object) -> dict[str, Any]:
    """Return the body of an event."""
    player_time = {"playhead": 1, "ts": int(time.time() * 1000)}
    return {"eventType": event_type, "playerTime": player_time, **more}
