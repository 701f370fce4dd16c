"""The differences between two recordings as data."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from tapehead.auditor.results import SessionResult
from tapehead.metrics.catalog import METRICS
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event
from tapehead.protocol.keys import PARAMS
from tapehead.protocol.parameters import PARAMETERS
from tapehead.rules.catalog import RULES


class Change(StrEnum):
    """The kinds of differences; the values are those of the JSON report."""

    EVENT_MISSING = "event-missing"
    EVENT_ADDED = "event-added"
    EVENT_MOVED = "event-moved"
    PARAMETER_ADDED = "parameter-added"
    PARAMETER_REMOVED = "parameter-removed"
    PARAMETER_CHANGED = "parameter-changed"
    PARAMETER_RETYPED = "parameter-retyped"
    STATUS_CHANGED = "status-changed"
    PING_RHYTHM = "ping-rhythm"
    PINGS_MISSING = "pings-missing"
    PINGS_ADDED = "pings-added"
    METRIC_CHANGED = "metric-changed"
    FINDING_NEW = "finding-new"
    FINDING_GONE = "finding-gone"


class Verdict(StrEnum):
    """The result of comparing a session with the other recording."""

    SAME = "same"
    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a diff.

    Attributes:
        tolerance: how far playheads, durations and offsets may be apart, in seconds.
        ignore: names or glob patterns of parameters, event types, metrics and rules that are not compared.
        on_match: called with each of them that matches something in the recordings.
    """

    tolerance: float = 1.0
    ignore: tuple[str, ...] = ()
    on_match: Callable[[str], None] | None = None

    def ignores(self, *names: str) -> bool:
        """Return whether any of the names of a parameter, event, metric or rule is ignored."""
        if not self.ignore:
            return False
        found = [pattern for pattern in self.ignore if any(fnmatchcase(name, pattern) for name in names)]
        if self.on_match:
            for pattern in found:
                self.on_match(pattern)
        return bool(found)

    def unmatched(self, matched: Container[str]) -> list[str]:
        """Return the names and patterns that match nothing that there is, as typos do, and are not among `matched`."""
        parameters = [name for each in PARAMETERS for name in (each.key, f"{PARAMS}.{each.key}")]
        known = (*parameters, *EVENT_TYPES, *RULES, *(metric.key for metric in METRICS))
        left = [pattern for pattern in self.ignore if pattern not in matched]
        return [pattern for pattern in left if not any(fnmatchcase(name, pattern) for name in known)]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One difference.

    Attributes:
        change: its kind.
        message: its description, in one clause without the place.
        name: an event's name, a parameter's path, a metric's key, a rule's id; or the phase of the playback
            while pings go out.
        base, new: the values on either side; None where there is none.
        base_event, new_event: the event on either side, where it is about one.
    """

    change: Change
    message: str
    name: str
    base: Any = None
    new: Any = None
    base_event: Event | None = None
    new_event: Event | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A line of two timelines side by side: an event on one side or on both, and the pings that follow it.

    Attributes:
        base, new: the event on either side.
        base_pings, new_pings: how many pings follow on either side before the next row that has an event there.
        differences: the differences of its events.
    """

    base: Event | None
    new: Event | None
    base_pings: int = 0
    new_pings: int = 0
    differences: tuple[Difference, ...] = ()


class SessionDiff(msgspec.Struct, frozen=True, kw_only=True):
    """The differences between a session and its counterpart.

    Attributes:
        verdict: the result of the comparison.
        base, new: the session on either side; one of them is None where it has no counterpart.
        differences: in the order events, parameters, statuses, pings, metrics, findings.
        notes: remarks on changes that are no difference, one line each.
        rows: both timelines, side by side.
    """

    verdict: Verdict
    base: SessionResult | None
    new: SessionResult | None
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()

    @property
    def session(self) -> SessionResult:
        """The session that names the pair: the new one, if there is one."""
        session = self.new or self.base
        assert session is not None  # noqa: S101 - a pair has at least one session
        return session


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """The differences between two recordings.

    Attributes:
        sessions: in the order of the base; then those that are new.
        outside: the differences between the findings of calls outside any session.
        verdicts: how many sessions have each verdict.
        changes: how many differences of each kind there are, also outside of sessions.
    """

    sessions: Sequence[SessionDiff]
    outside: tuple[Difference, ...]
    verdicts: Mapping[Verdict, int]
    changes: Mapping[Change, int]

    @property
    def same(self) -> bool:
        """True if there is no difference at all."""
        return not self.outside and self.count(Verdict.SAME) == len(self.sessions)

    def count(self, verdict: Verdict) -> int:
        """Return how many sessions have a verdict."""
        return self.verdicts.get(verdict, 0)

    def all_differences(self) -> Iterable[Difference]:
        """Yield the differences of all sessions, and those outside."""
        yield from self.outside
        for session in self.sessions:
            yield from session.differences
