"""What is made fast gives the same as what is plain: the session machine's steps, events, and plain requests."""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import HOST, exchange, response
from tapehead.protocol import session_machine
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event, EventKey, as_number, event_of, events_of, key_of
from tapehead.protocol.messages import Request, request_on
from tapehead.protocol.routes import Call, Route
from tapehead.protocol.session_machine import UNOPENED, UNSURE, State, Violation, advance
from tapehead.protocol.transitions import ACTIVE_MACHINES, ANY, TABLE, TIMEOUT, ViolationKind, find_transition

TYPES = [None, "", *EVENT_TYPES, ANY, TIMEOUT, "Ping", "other", "play\x00"]
NAMES = st.sampled_from(["mute", "fullScreen", ""]) | st.integers()
STATES = st.lists(st.fixed_dictionaries({"media.state.name": NAMES}), max_size=3)
PARAMS = st.fixed_dictionaries({}, optional={"media.state.name": NAMES, "statesStart": STATES, "statesEnd": STATES})
EVENTS = st.builds(
    Event,
    type=st.sampled_from(TYPES),
    params=PARAMS,
    saved=st.sampled_from([True] * 9 + [False]),
    in_array=st.booleans(),
)


def machine_of_table(state: State, event: Event) -> tuple[State, tuple[Violation, ...]]:
    """The step that the tables say, machine by machine."""
    if session_machine.is_unknown(event):
        return session_machine.lose_sight(state), ()
    active, event_type = ACTIVE_MACHINES[state.life], event.type or ""
    moves: dict[str, Any] = {}
    violations: list[Violation] = []
    for machine in ("life", "playback", "ad_break", "ad", "chapter"):
        if machine in active:
            to, violation = find_transition(machine, getattr(state, machine), event_type)
            moves[machine] = to
            violations += [Violation(violation)] if violation else []
    after = msgspec.structs.replace(state, **moves)
    if state.may_be_over and event_type == TIMEOUT:
        violations = [each for each in violations if each.kind is not ViolationKind.SESSION_NOT_CLOSED]
    elif state.may_be_over and event_type != "ping":
        after = msgspec.structs.replace(after, may_be_over=False)
    for name, switch_event in session_machine._switches(state, event) if "state" in active else ():
        after, violation = session_machine._switch(after, name, switch_event)
        violations += [Violation(violation, name)] if violation else []
    return after, tuple(violations)


@given(st.sampled_from([UNOPENED, UNSURE]), st.lists(EVENTS, max_size=25))
def test_a_session_takes_the_steps_of_the_tables(state: State, events: list[Event]) -> None:
    for event in events:
        step = advance(state, event)
        assert step == machine_of_table(state, event)
        state = step[0]


@given(st.builds(State, *(st.sampled_from(list(TABLE[each])) for each in session_machine._MACHINES)), EVENTS)
def test_from_every_state_the_step_is_that_of_the_tables(state: State, event: Event) -> None:
    assert advance(state, event) == machine_of_table(state, event)


def test_types_that_no_table_has_are_kept_once() -> None:
    session_machine._move.cache_clear()
    for number in range(50):
        advance(UNSURE, Event(type=f"custom-{number}"))
    assert session_machine._move.cache_info().currsize == 1


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.just([1])
    | st.just({"a": 1})
)
PLAYER_TIMES = VALUES | st.fixed_dictionaries({}, optional={"playhead": VALUES, "ts": VALUES | st.just(2**63)})
SECTIONS = dict.fromkeys(("eventType", "params", "qoeData", "customMetadata"), VALUES)
OBJECTS = st.fixed_dictionaries({}, optional={**SECTIONS, "playerTime": PLAYER_TIMES})
PARSED = VALUES | OBJECTS | st.lists(OBJECTS, max_size=3)
BROKEN = st.sampled_from(
    [b"", b"{", b"\x00", b"\xff\xfe{}", b"{}x", b"\n{}\n", b'{"eventType":"ping"}' + b" " * 70_000]
)


def plain_event(body: object, exchange_fields: Mapping[str, Any]) -> Event:
    """The event in a body, field by field."""
    parts = body if isinstance(body, dict) else {}
    time = parts.get("playerTime") if isinstance(parts.get("playerTime"), dict) else {}
    assert isinstance(time, dict)
    named, ts = parts.get("eventType"), as_number(time.get("ts"))
    sections = {name: value if isinstance(value := parts.get(name), dict) else {} for name in SECTIONS}
    return Event(
        type=named if isinstance(named, str) else None,
        playhead=as_number(time.get("playhead")),
        ts=None if ts is None or abs(ts) >= 2**63 else int(ts),
        params=sections["params"],
        quality=sections["qoeData"],
        metadata=sections["customMetadata"],
        other_type="" if named is None or isinstance(named, str) else str(named),
        **exchange_fields,
    )


@given(
    PARSED.map(lambda value: orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS)) | BROKEN,
    st.sampled_from(["sessions", "sessions/s1/events", "downloaded"]),
    st.sampled_from([200, 204, None]),
    st.booleans(),
)
def test_events_have_all_that_their_exchange_and_body_say(
    content: bytes, path: str, status: int | None, saved: bool
) -> None:
    asked = Request(method="POST", url=f"{HOST}/api/v1/{path}", headers=[]).with_content(content)
    sent = exchange(msgspec.structs.replace(asked, saved=saved), response(status) if status else None)
    sent = msgspec.structs.replace(sent, source="here", order=7)
    parsed, is_event = asked.json(), path.endswith("events")
    in_array = not is_event and isinstance(parsed, list) if saved else path == "downloaded"
    fields = {
        "arrived_ms": 1.0,
        "answered_ms": 1.0 + sent.elapsed_ms,
        "status": status,
        "call": sent.call,
        "sid": sent.session,
        "in_array": in_array,
        "recording": "r",
        "line": 3,
        "source": "here",
        "order": 7,
        "saved": saved,
    }
    bodies: list[object] = (parsed or [None]) if in_array else [parsed]
    if not saved:
        bodies = [{"eventType": "sessionStart"} if path == "sessions" else None]
    wanted = [plain_event(body, fields | {"index": index}) for index, body in enumerate(bodies)]
    assert list(events_of(sent, 1.0, "r", 3)) == wanted


CONTENTS = (
    PARSED.map(orjson.dumps) | BROKEN | st.sampled_from([b" {}", b"{} ", b"{\r}", b"{\n}", b"{]}", b"{\xff}", b"[{}]"])
)


@given(CONTENTS, st.sampled_from([Route(Call.EVENT, "s1"), Route(Call.SCHEMA, event_type="play"), None]))
def test_a_request_of_which_much_is_known_is_as_any_other(content: bytes, route: Route | None) -> None:
    headers = [("host", "a"), ("content-type", "application/json")]
    request = request_on(route, route, "POST", f"{HOST}/x", headers, content)
    plain = Request(method="POST", url=f"{HOST}/x", headers=headers).with_content(content)

    assert request == plain
    assert (request.content(), request.parsed) == (plain.content(), plain.parsed)
    assert (request.route, request.collection_call) == (route, route)
    assert event_of(request) == plain_event(plain.json(), {})


@given(st.sampled_from([*EVENT_TYPES, "", "Ping", "play\x00"]), PARAMS)
def test_a_key_is_made_of_the_type_and_its_names(event_type: str, params: dict[str, Any]) -> None:
    key = key_of(event_type, params)
    row = EVENT_TYPES.get(event_type)

    assert (key.event_type, len(key.names)) == (event_type, len(row.naming) if row else 0)
    assert key == EventKey(event_type, key.names)
    assert not (row and row.naming == ("media.state.name",)) or key.names == (params.get("media.state.name"),)
