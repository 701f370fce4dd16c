"""Calls captured before their answers: what is told of them at once is what their exchanges say later."""

from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import request, response
from tapehead.answers import Answer
from tapehead.journal.call_capture import AnsweredCall, CallCapture, with_length
from tapehead.protocol.messages import Headers
from tapehead.recording.capture import build_exchange

PATHS = ["sessions", "sessions/", "sessions/s1/events", "sessions/caf\xe9/events", "downloaded", "schemas/play"]
BODIES = st.sampled_from([b"", b"{}", b'{"eventType": "ping"}', b"{", b"\x00\xff", b"\n[1]\n"]) | st.binary(max_size=40)
LOCATIONS = st.sampled_from([None, "/api/v1/sessions/s2", "sessions/s3", "https://other.example/", ""])


@st.composite
def answers(draw: st.DrawFn) -> Answer | None:
    """Any answer, and none of a client that left."""
    location, cut, forward = draw(LOCATIONS), draw(st.booleans()), draw(st.booleans())
    headers: Headers = [("Date", "x")] if location is None else [("location", location)]
    sent = response(draw(st.sampled_from([200, 201, 204, 404])), headers, draw(BODIES))
    answer = Answer(response=draw(st.sampled_from([sent, None])), cut=cut, forward=forward, note="why", key="k")
    return draw(st.sampled_from([answer, None]))


@given(st.sampled_from(PATHS), st.sampled_from(["POST", "OPTIONS", "GET"]), BODIES, answers(), st.booleans())
def test_a_call_has_the_size_and_the_session_that_its_exchange_has(
    path: str, method: str, body: bytes, answer: Answer | None, has_left: bool
) -> None:
    taken: list[AnsweredCall] = []
    capture = CallCapture(taken.append)
    capture.source = "serve"
    sent = request(body if answer else b"", f"/api/v1/{path}", method)
    capture.add(capture.begin(), sent, answer, has_left=has_left)

    for call in taken:
        captured = call.captured()
        exchange = build_exchange(captured)
        assert (call.size, call.sid) == (captured.size, captured.sid)
        assert exchange.order == 1
        assert exchange.source == "serve"
        assert exchange.request.content() == sent.content()
        is_whole = answer is not None and answer.response is not None and not answer.cut
        whole = with_length(answer.response) if answer and answer.response and is_whole else None
        assert exchange.response == whole
        assert (exchange.error is None) == (is_whole or (answer is not None and answer.forward and not answer.response))
        assert exchange.request.saved == (answer is not None)
        ended_by_endpoint = answer is not None and exchange.error is not None
        left = "client" if has_left or answer is None else None
        assert exchange.closed_by == ("endpoint" if ended_by_endpoint else left)
        assert (exchange.answered is None) == (answer is None)


def test_other_requests_are_left_alone() -> None:
    taken: list[AnsweredCall] = []
    capture = CallCapture(taken.append)
    assert capture.add(capture.begin(), request(path="/other"), Answer()) is None
    assert not taken
