"""Filters of the HTTP API whose values only a run can tell: sessions by the beginning of their ids, types of events."""

from collections.abc import Iterator

import httpx
import pytest

from support.api_client import ApiClient, api_of, event_of
from support.live_client import LIVE, play
from support.processes import running


@pytest.fixture(scope="module")
def api() -> Iterator[ApiClient]:
    """Return the API of a server with two sessions: one of three events, and one with an event of an unknown type."""
    with running("serve", "-q", *LIVE) as opened, httpx.Client() as player, api_of(opened) as client:
        play(player, opened.url, event_of("play"), event_of("ping"))
        play(player, opened.url, event_of("play"), event_of("custom"))
        yield client


def test_a_session_is_named_by_the_beginning_of_its_id(api: ApiClient) -> None:
    sid = api.get("/sessions")["sessions"][0]["session"]
    short = sid[:8]

    assert api.get(f"/sessions/{short}")["session"]["session"] == sid
    assert [row["number"] for row in api.get("/events", session=short)["events"]] == [1, 2, 3]
    assert api.get("/wait", until="play", session=short, timeout=0)["session"]["session"] == sid
    assert "is in the journal" in api.refused(f"/sessions/{sid[:7]}", 404)["error"]


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/events?session=none", 404, "no session 'none' is in the journal"),
        ("/findings?session=0000000000", 404, "no session '0000000000' is in the journal"),
        ("/metrics?session=none", 404, "no session 'none' is in the journal"),
        ("/events?type=adStrat", 400, "invalid type 'adStrat'; did you mean adStart?"),
        ("/findings?type=nothing", 400, "invalid type 'nothing'; it is not documented, and no such call came"),
        ("/wait?until=event:adStrat", 400, "invalid type 'adStrat'; did you mean adStart?"),
    ],
)
def test_a_value_that_nothing_can_have_is_refused(path: str, status: int, message: str, api: ApiClient) -> None:
    answer = api.http.get(path)

    assert answer.status_code == status
    assert answer.json()["error"].startswith(message)


def test_a_type_that_came_or_may_come_is_none_of_these(api: ApiClient) -> None:
    assert [row["type"] for row in api.get("/events", type="custom")["events"]] == ["custom"]
    assert api.get("/events", type="adStart")["events"] == []
    assert "did not hold" in api.refused("/wait", 504, until="event:another", timeout=0)["error"]
