"""Sessions for the tests of metrics, written as rows, and what the meter makes of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tapehead.assumptions import parse_assumptions
from tapehead.meter import measure
from tapehead.timelines import Step, bodies

Params = Mapping[str, Any]
START_MS = 1_700_000_000_000
NOTHING: Params = MappingProxyType({})


class Happening(NamedTuple):
    """An event as the meter sees it."""

    type: str | None
    playhead: float | None
    ts: int | None
    params: Params = NOTHING
    quality: Params = NOTHING


def at(seconds: float, event_type: str, playhead: float | None = 0, params: Params = NOTHING, **more: Any) -> Happening:
    """An event `seconds` after the session's start; keyword arguments are quality values without `media.qoe.`."""
    quality = {f"media.qoe.{key}": value for key, value in more.items()}
    return Happening(event_type, playhead, START_MS + round(seconds * 1000), params, quality)


def start(**params: Any) -> Happening:
    """A sessionStart with 100 seconds of content; keyword arguments are params without `media.`."""
    named = {f"media.{key.replace('__', '.')}": value for key, value in params.items()}
    return at(0, "sessionStart", 0, {"media.length": 100, "media.contentType": "vod", **named})


def state(name: str) -> Params:
    """The params of a stateStart or stateEnd."""
    return {"media.state.name": name}


def of(*events: Happening, assume: str = "") -> dict[str, Any]:
    """The metrics of a session; `assume` has settings with blanks between them."""
    return measure(events, parse_assumptions(assume.split()))


def of_timeline(timeline: tuple[Step, ...], assume: str = "") -> dict[str, Any]:
    """The metrics of a documented timeline."""
    return of(*map(_happening, bodies(timeline, START_MS)), assume=assume)


def _happening(body: dict[str, Any]) -> Happening:
    time = body["playerTime"]
    return Happening(body["eventType"], time["playhead"], time["ts"], body.get("params", {}), body.get("qoeData", {}))
