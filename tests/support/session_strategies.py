"""Sessions of events and rubbish for property tests, and what is compared of their results."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from support.played_sessions import played
from support.sessions import BEGIN_MS, Timeline, body_of, visitor_of
from tapehead.auditor.results import SessionResult
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Response
from tapehead.protocol.routes import Call, location_of

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["mute", "full_screen", "a", "b"])
STATES = st.lists(st.fixed_dictionaries({"media.state.name": NAMES}) | JSON, max_size=3)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "media.ad.podPosition": st.integers(-1, 3) | JSON,
        "media.ad.length": st.floats(0, 60) | JSON,
        "media.length": st.sampled_from([0, 60, 86400]) | JSON,
        "media.contentType": st.sampled_from(["vod", "live"]) | JSON,
        "media.downloaded": st.booleans(),
        "media.state.name": NAMES | JSON,
        "statesStart": STATES | JSON,
        "statesEnd": STATES | JSON,
        "media.qoe.bitrate": JSON,
    },
)
TIMES = st.sampled_from([0, 1, 500, 1000, 9000, 10_000, 20_000, 100_000, 700_000, 90_000_000])
STAMPS = st.builds(lambda ms: BEGIN_MS + ms, TIMES) | st.sampled_from([BEGIN_MS // 1000, 0, -1, BEGIN_MS * 1000])
EVENTS = st.builds(
    lambda kind, playhead, ts, params, more: body_of(kind, playhead, ts, params, **more),
    st.sampled_from([*EVENT_TYPES, "resume"]),
    st.sampled_from([0, 1, 10, 61, 86400, -1, 0.5]),
    STAMPS,
    PARAMS,
    st.dictionaries(st.sampled_from(["qoeData", "customMetadata", "other"]), JSON, max_size=2),
)
BODIES: st.SearchStrategy[Any] = EVENTS | JSON | st.binary(max_size=20) | st.lists(EVENTS, max_size=4)
STATUSES = st.sampled_from([204, 204, 204, 400, 404, 410, 500, 302, None])


@st.composite
def sessions(draw: st.DrawFn, sid: str) -> list[Exchange]:
    """A session of rubbish, or one that was played, with some rubbish in it; it may begin in the middle."""
    if draw(st.booleans()):
        return spoil(draw, draw(played(sid)))
    timeline, arrived = Timeline(sid=sid), float(BEGIN_MS)
    if draw(st.booleans()):
        timeline.raw(draw(BODIES), Call.SESSION, status=201, arrived_ms=arrived, location=location_of(sid))
    for body in draw(st.lists(BODIES, max_size=12)):
        arrived += draw(TIMES)
        timeline.raw(body, status=draw(STATUSES), arrived_ms=arrived, elapsed_ms=draw(st.sampled_from([0, 30, 40_000])))
    return timeline.exchanges


def spoil(draw: st.DrawFn, exchanges: list[Exchange]) -> list[Exchange]:
    """Spoil a few exchanges of a session: another answer, another body, or lost."""
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(exchanges) - 1))
        exchange, status, body = exchanges[place], draw(STATUSES), draw(BODIES)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = None if status is None else Response(status=status, headers=[])
        match draw(st.sampled_from(["answer", "body", "lost"])):
            case "answer" if exchange.call is Call.EVENT:
                error = None if answer else "connection reset"
                exchanges[place] = msgspec.structs.replace(exchange, response=answer, error=error)
            case "body":
                exchanges[place] = msgspec.structs.replace(exchange, request=exchange.request.with_content(content))
            case _ if len(exchanges) > 1:
                del exchanges[place]
    return exchanges


def told(result: SessionResult) -> object:
    """What a result says, without the line and the recording it was found in."""
    findings = [(each.rule, each.severity, each.message, each.path, each.event) for each in result.findings]
    return (result.outcome, result.events, findings, msgspec.json.encode(result.metrics))


def rename(exchanges: list[Exchange], sid: str) -> list[Exchange]:
    """The exchanges as those of another session and another visitor."""

    def renamed(exchange: Exchange) -> Exchange:
        old = exchange.session
        if old is None:
            return exchange
        content = exchange.request.content().replace(visitor_of(old).encode(), visitor_of(sid).encode())
        return msgspec.structs.replace(exchange, session=sid, request=exchange.request.with_content(content))

    return list(map(renamed, exchanges))


def record(exchanges: list[Exchange], ranks: Mapping[str | None, float] | None = None) -> list[Exchange]:
    """The exchanges in the order in which a proxy records them: as they are answered, by rank where that is at once."""

    def answered(exchange: Exchange) -> tuple[float, float]:
        return (arrival_of(exchange) or 0) + exchange.elapsed_ms, ranks[exchange.session] if ranks else 0

    return sorted(exchanges, key=answered)
