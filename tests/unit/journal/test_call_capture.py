"""Calls captured before their answers: what is told of them at once is what their exchanges say later."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import request, response
from tapehead.answers import Answer, Arrival
from tapehead.journal.backlog import Backlog
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
    answer = Answer(response=draw(st.sampled_from([sent, None])), cut=cut, forward=forward, reason="why", key="k")
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


@given(
    st.lists(
        st.tuples(st.sampled_from(PATHS), st.sampled_from(["POST", "OPTIONS"]), answers(), st.booleans()), max_size=12
    ),
    st.sets(st.sampled_from(["s1", "s2", "caf\xe9"])),
)
def test_calls_of_sessions_that_are_left_out_are_counted_as_by_what_takes_them(
    calls: list[tuple[str, str, Answer | None, bool]], left_out: set[str]
) -> None:
    """Also while the answers to some are held back."""

    def run(*, early: bool) -> tuple[list[AnsweredCall], int, list[bool]]:
        backlog, taken, held = Backlog(), list[AnsweredCall](), list[bool]()
        for sid in sorted(left_out):
            backlog.leave_out(sid)

        def take(call: AnsweredCall) -> None:
            if not backlog.leaves_out(call.sid):
                taken.append(call)

        capture = CallCapture(take, backlog.leaves_out if early else None)
        for path, method, answer, is_held in calls:
            sent, arrival = request(b"{}", f"/api/v1/{path}", method), Arrival(len(held), 1.0, 1.0)
            if is_held:
                capture.hold(arrival, sent, "")
            capture.add(arrival, sent, answer)
            held.append(capture.has_call(None, None))
        return [msgspec.structs.replace(call, ended=0.0) for call in taken], backlog.left_out_calls, held

    assert run(early=True) == run(early=False)
