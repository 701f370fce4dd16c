"""Sessions whose start has lost its Location are joined by the URLs of the calls that follow, where that is certain."""

import msgspec
import pytest

from support.exchanges import exchange, opened, request, response, sent, start
from tapehead.interop.missing_locations import NO_ANSWER, join_sessions
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Response

JOINED = "1 session start had no Location, which was taken from the URLs of the calls that follow"
UNCERTAIN = "2 session starts had no Location, and it is not certain which calls follow them"


def started(at: float, answer: Response | None = None, agent: str = "one") -> Exchange:
    """A sessionStart whose answer has no headers."""
    asked = request(start(at), **{"User-Agent": agent})
    return exchange(asked, answer or Response(status=201, headers=[]), at)


def event(sid: str, at: float, agent: str = "one") -> Exchange:
    asked = request({"eventType": "ping"}, f"/api/v1/sessions/{sid}/events", **{"User-Agent": agent})
    return exchange(asked, response(204), at)


def sessions(*exchanges: Exchange) -> tuple[list[str | None], list[str]]:
    """Return the sessions of exchanges after joining, and the lines on it."""
    joined, lines = join_sessions(exchanges)
    return [each.session for each in joined], lines


def test_a_start_is_joined_with_the_calls_that_follow() -> None:
    joined, lines = join_sessions([started(0), event("s1", 1), event("s1", 2)])

    assert [each.session for each in joined] == ["s1"] * 3
    assert joined[0].response
    assert joined[0].response.headers == [("Location", "/api/v1/sessions/s1")]
    assert lines == [JOINED]


def test_a_location_in_other_headers_stays() -> None:
    exchanges = [opened("s1", start()), event("s1", 1)]

    assert join_sessions(exchanges) == (exchanges, [])


def test_one_start_after_the_other_is_joined_with_its_own_calls() -> None:
    got = sessions(started(0), event("s1", 1), started(10), event("s1", 11), event("s2", 12))

    assert got == (["s1", "s1", "s2", "s1", "s2"], [JOINED.replace("1 session start", "2 session starts")])


def test_two_starts_at_once_are_not_joined() -> None:
    assert sessions(started(0), started(0.1), event("s1", 1), event("s2", 1)) == ([None, None, "s1", "s2"], [UNCERTAIN])


def test_calls_of_another_client_belong_to_another_start() -> None:
    starts = [started(0), started(0.1, agent="two")]
    events = [event("s2", 1, agent="two"), event("s1", 2)]

    assert sessions(*starts, *events)[0] == ["s1", "s2", "s2", "s1"]


def test_calls_to_another_host_belong_to_another_start() -> None:
    moved = event("s1", 1)
    moved = exchange(moved.request.with_url(moved.request.url.replace("example", "other", 1)), moved.response, 1)

    assert sessions(started(0), moved) == ([None, "s1"], [])


def test_a_session_that_goes_on_from_before_is_not_taken() -> None:
    assert sessions(event("s0", 0), started(1), event("s0", 2)) == (["s0", None, "s0"], [])


def test_a_session_with_a_start_of_its_own_is_not_taken() -> None:
    assert sessions(started(0), opened("s1", start(1), 1), event("s1", 2)) == ([None, "s1", "s1"], [])


@pytest.mark.parametrize(("minutes", "sid"), [(9.9, "s1"), (10.1, None)])
def test_calls_that_come_after_the_back_end_has_closed_a_session_are_another(minutes: float, sid: str | None) -> None:
    assert sessions(started(0), event("s1", 60 * minutes))[0][0] == sid


@pytest.mark.parametrize(("status", "sid"), [(201, "s1"), (200, "s1"), (400, None), (500, None), (302, None)])
def test_a_start_that_was_refused_has_no_session(status: int, sid: str | None) -> None:
    assert sessions(started(0, Response(status=status, headers=[])), event("s1", 1))[0][0] == sid


@pytest.mark.parametrize(("error", "sid"), [(NO_ANSWER, "s1"), ("net::ERR_FAILED", None)])
def test_a_start_whose_answer_the_exporter_lost_is_joined_and_one_that_failed_is_not(
    error: str, sid: str | None
) -> None:
    failed = msgspec.structs.replace(exchange(request(start(), **{"User-Agent": "one"}), None), error=error)

    assert sessions(failed, event("s1", 1))[0][0] == sid


def test_an_array_of_downloaded_content_opens_no_session() -> None:
    array = exchange(request([start()]), Response(status=201, headers=[]), 0)

    assert sessions(array, sent("s1", {"eventType": "ping"}, 1))[0] == [None, "s1"]
