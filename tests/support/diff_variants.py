"""Recordings for the tests of the diff: a session with everything in it, and ways to alter it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from support.sessions import BEGIN_MS, Timeline, ad, run
from tapehead.comparison.compare import diff
from tapehead.comparison.differences import Change, Diff, Scope
from tapehead.protocol.exchange import Exchange, encode

CHAPTER = {"media.chapter.index": 1, "media.chapter.offset": 0, "media.chapter.length": 70}
NAMED = CHAPTER | {"media.chapter.friendlyName": "One"}


class Act(NamedTuple):
    """An event of the session: when, what, and what else it takes."""

    second: float
    type: str
    params: dict[str, Any] | None = None
    more: Mapping[str, Any] = MappingProxyType({})


ACTS = (
    Act(0, "adBreakStart"),
    Act(0, "adStart", ad(1)),
    *(Act(second, "ping") for second in (1, 2, 3, 4)),
    Act(5, "adComplete"),
    Act(5, "adStart", ad(2)),
    *(Act(second, "ping") for second in (6, 7, 8, 9)),
    Act(10, "adComplete"),
    Act(10, "adBreakComplete"),
    Act(10, "play", None, {"qoeData": {"media.qoe.bitrate": 800_000}}),
    Act(11, "chapterStart", NAMED),
    *(Act(second, "ping") for second in (20, 30, 40, 50)),
    Act(55, "stateStart", {"media.state.name": "mute"}),
    Act(58, "stateEnd", {"media.state.name": "mute"}),
    *(Act(second, "ping") for second in (60, 70)),
    Act(75, "chapterComplete"),
    Act(80, "sessionComplete"),
)


def play(acts: Iterable[Act] = ACTS, sid: str = "s1", begin_ms: float = BEGIN_MS, **params: Any) -> list[Exchange]:
    """A session of these acts; keyword arguments are params of the sessionStart without `media.`."""
    timeline = Timeline(sid=sid, begin_ms=begin_ms).start(**params)
    for act in acts:
        timeline.at(act.second, act.type, act.params, **act.more)
    return timeline.exchanges


def without(*types: str, number: int | None = None) -> list[Act]:
    """The acts without all of some types, or without one of them, by its number."""
    found = [place for place, act in enumerate(ACTS) if act.type in types]
    dropped = set(found if number is None else [found[number]])
    return [act for place, act in enumerate(ACTS) if place not in dropped]


def altered(event_type: str, params: dict[str, Any] | None = None, number: int = 0, **more: Any) -> list[Act]:
    """The acts with other params, or other parts, of one event."""
    place = [place for place, act in enumerate(ACTS) if act.type == event_type][number]
    acts = list(ACTS)
    acts[place] = acts[place]._replace(params=params or acts[place].params, more={**acts[place].more, **more})
    return acts


def with_act(*more: Act) -> list[Act]:
    """The acts with some more."""
    return sorted([*ACTS, *more], key=lambda act: act.second)


def compare(base: Sequence[Exchange], new: Sequence[Exchange], **scope: Any) -> Diff:
    """The diff of two recordings."""
    return diff(run(base), run(new), Scope(**scope))


def told(found: Diff, *changes: Change) -> list[tuple[str, str]]:
    """Return the changes of a diff, or those of some kinds, with the names of what they are about."""
    return [(each.change, each.name) for each in found.all_differences() if not changes or each.change in changes]


def write(path: Path, exchanges: Iterable[Exchange]) -> Path:
    """A recording at `path`."""
    path.write_bytes(b"".join(map(encode, exchanges)))
    return path
