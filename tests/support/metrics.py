"""Sessions for the tests of metrics, written as rows, and their metrics.

In a row, the first number is seconds since the session's start, the second one the playhead.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from tapehead.demo.timelines import Step, bodies
from tapehead.metrics.assumptions import parse_assumptions
from tapehead.metrics.calculator import calculate
from tapehead.protocol.events import Event
from tapehead.protocol.routes import Call

Params = Mapping[str, Any]
START_MS = 1_700_000_000_000
NOTHING: Params = MappingProxyType({})


POD = {"media.ad.podIndex": 1, "media.ad.podSecond": 10}
AD = {"media.ad.id": "ad", "media.ad.podPosition": 1}


def event(event_type: str | None, playhead: float | None, ts: int | None, **more: Any) -> Event:
    """An event that arrived at once."""
    ms = float(START_MS)
    call = Call.SESSION if event_type == "sessionStart" else Call.EVENT
    return Event(
        index=0, type=event_type, playhead=playhead, ts=ts, arrived_ms=ms, answered_ms=ms, call=call, sid="sid", **more
    )


def at(seconds: float, event_type: str, playhead: float | None = 0, params: Params = NOTHING, **more: Any) -> Event:
    """An event `seconds` after the session's start; keyword arguments are quality values without `media.qoe.`."""
    quality = {f"media.qoe.{key}": value for key, value in more.items()}
    return event(event_type, playhead, START_MS + round(seconds * 1000), params=params, quality=quality)


def start(**params: Any) -> Event:
    """A sessionStart with 100 seconds of content; keyword arguments are params without `media.`."""
    named = {f"media.{key.replace('__', '.')}": value for key, value in params.items()}
    return at(0, "sessionStart", 0, {"media.length": 100, "media.contentType": "vod", **named})


def state(name: str) -> Params:
    """The params of a stateStart or stateEnd."""
    return {"media.state.name": name}


def of(*events: Event, assume: str = "") -> dict[str, Any]:
    """The metrics of a session; `assume` has settings with blanks between them."""
    return calculate(events, parse_assumptions(assume.split()))


def of_timeline(timeline: tuple[Step, ...], assume: str = "") -> dict[str, Any]:
    """The metrics of a documented timeline."""
    return of(*map(_event_of, bodies(timeline, START_MS)), assume=assume)


def _event_of(body: dict[str, Any]) -> Event:
    time = body["playerTime"]
    parts = {"params": body.get("params", {}), "quality": body.get("qoeData", {})}
    return event(body["eventType"], time["playhead"], time["ts"], **parts)


def pre_roll(begin: float, end: float) -> tuple[Event, ...]:
    """A break with one ad, watched to its end."""
    return (
        at(begin, "adBreakStart", 0, {"media.ad.podSecond": 0}),
        at(begin, "adStart", 0, AD),
        at(end, "adComplete"),
        at(end, "adBreakComplete"),
    )


class Case(NamedTuple):
    """A session, and the values it comes to; with `assume`, settings that it is measured with."""

    name: str
    events: tuple[Event, ...]
    expected: dict[str, Any]
    assume: str = ""


def case(name: str, *events: Event, assume: str = "", **expected: Any) -> Any:
    return pytest.param(Case(name, events, expected, assume), id=f"{name} {assume}".strip())


def check(given: Case) -> None:
    values = of(*given.events, assume=given.assume)

    assert {key: values[key] for key in given.expected} == given.expected
