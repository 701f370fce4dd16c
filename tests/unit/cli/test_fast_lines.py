"""Lines on the terminal, made from what is known already: as they were made from nothing."""

import re
from datetime import UTC, datetime

import click
import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from tapehead.answers import Answer, Outcome
from tapehead.cli import printer, terminal
from tapehead.cli.terminal import answer_line
from tapehead.protocol.keys import EVENT_TYPE
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import sid_of_location
from tapehead.redaction.call_names import _TELLING, named_event
from tapehead.text import _CONTROLS, _OUTPUT, _escape_but_breaks, escape_controls, escape_output, local_time

STYLES = ["\x1b[32m", "\x1b[0m", "\x1b[1;31m", "\x1b[5m", "\x1b[2K", "\x1b", "{", "[", "\n", "\t", "\u2028", "\x9b"]
TEXTS = st.lists(st.sampled_from(STYLES) | st.text(max_size=5)).map("".join)


@given(st.floats(0, 4e9, allow_nan=False))
@example(1795411234.9999996)
@example(1795411234.9994999)
def test_the_time_of_a_line_is_that_of_the_answer(now: float) -> None:
    request, answer = (
        Request(method="GET", url="http://a/", headers=[]),
        Answer(response=Response(status=204, headers=[])),
    )
    clock = local_time(datetime.fromtimestamp(now, UTC), timespec="milliseconds")[11:]
    assert answer_line(request, answer, now, explain=False).startswith(f"{clock}  ")


def plain_line(request: Request, answer: Answer, now: float, *, explain: bool) -> str:
    """The line of an answer, part by part."""
    route, response = request.collection_call, answer.response
    sid = route.sid if route else None
    if sid is None and response:
        sid = sid_of_location(response.header("Location"))
    event_type, playhead = named_event(route.call if route else request.method, request, discreet=True)
    position = "-" if playhead is None else f"{playhead:.3f}"
    line = f"{terminal._clock(now)}  {escape_controls(sid or '-')[:8]:<8}  {event_type:<16} {position:>10}"
    silence = f"by {answer.note}" if answer.outcome is Outcome.FAULT else "as recorded"
    status = "forwarded" if answer.forward else terminal._status(response, silence)
    is_plain = answer.outcome in (Outcome.HIT, Outcome.SIMULATED)
    note = "" if is_plain and not explain else escape_controls(answer.note)
    return f"{line}  {status}{click.style(f'  {note}', fg=None if is_plain else 'yellow') if note else ''}"


RESPONSES = st.builds(
    Response,
    status=st.sampled_from([200, 201, 204, 301, 404, 599]),
    headers=st.sampled_from([[], [("Location", "/api/v1/sessions/abc\x1b")]]),
)
ANSWERS = st.builds(
    Answer,
    response=st.none() | RESPONSES,
    forward=st.booleans(),
    outcome=st.sampled_from(sorted(Outcome)),
    reason=st.sampled_from(["", "why\x1b[2J"]),
)
PLAYHEADS = st.none() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9)


@given(
    st.sampled_from(["sessions", "sessions/s1/events", f"sessions/{'s' * 120}/events", "sessions/\x9b/events", "x"]),
    st.sampled_from(["POST", "OPTIONS"]),
    st.sampled_from(["ping", "play", "", "a" * 41, "\x1b[2J"]),
    PLAYHEADS,
    ANSWERS,
    st.booleans(),
)
def test_a_line_is_made_of_the_same_parts_as_from_nothing(
    path: str, method: str, event_type: str, playhead: float | None, answer: Answer, explain: bool
) -> None:
    body = orjson.dumps({EVENT_TYPE: event_type, "playerTime": {"playhead": playhead}})
    request = Request(method=method, url=f"http://a/api/v1/{path}", headers=[]).with_content(body)

    for now in (1795411234.5, 1795411234.5004, 1795411235.5):
        assert answer_line(request, answer, now, explain=explain) == plain_line(request, answer, now, explain=explain)


@given(TEXTS)
def test_controls_are_replaced_in_every_text(text: str) -> None:
    assert escape_controls(text) == _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


@given(TEXTS.filter(lambda text: not text.startswith(("{", "["))))
def test_controls_are_replaced_in_every_output(text: str) -> None:
    expected = _OUTPUT.sub(lambda match: match[0] if not match[1] else _escape_but_breaks(match[0]), text)
    assert escape_output(text, styled=True) == expected


@given(TEXTS)
def test_a_line_is_printed_as_its_escaped_text(line: str) -> None:
    escaped = escape_output(line, styled=True)
    assert printer._text_of(line, True) == f"{escaped}\n"
    assert printer._text_of(line, False) == re.sub(r"\x1b\[[0-9;]*m", "", escaped) + "\n"


@given(st.sampled_from(["session", "event", "schema"]), TEXTS | st.text(min_size=38, max_size=44), st.booleans())
def test_the_name_of_an_event_is_its_type_unless_that_is_telling(call: str, event_type: str, discreet: bool) -> None:
    request = Request(method="POST", url="http://a/", headers=[]).with_content(orjson.dumps({EVENT_TYPE: event_type}))
    shown = event_type if call != "schema" and event_type and not (discreet and _TELLING.search(event_type)) else ""

    for _ in range(2):
        assert named_event(call, request, discreet=discreet) == (escape_controls(shown or f"({call})"), None)
