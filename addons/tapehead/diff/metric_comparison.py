"""What Adobe would report of two sessions, compared.

Theory. Flags, counts and texts have to be equal. Durations are sums of spans whose ends may each be off by the
tolerance. What pings alone carry, the time after the last landmark and the playhead there, is as coarse as their
rhythm. Measured quality is never compared; whether it is reported at all, the parameters tell. What follows from
another metric is a difference only where that one differs. The progress of live content is the time of the day.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tapehead.audit.results import SessionResult
from tapehead.diff.differences import Scope
from tapehead.diff.event_alignment import is_ping
from tapehead.diff.payload_comparison import same_value
from tapehead.diff.ping_cadence import GAP, TimedSteps, situation_of
from tapehead.metrics.calculator import calculate
from tapehead.metrics.catalog import METRICS, Unit
from tapehead.protocol.events import Event, is_live
from tapehead.protocol.keys import MEDIA_LENGTH

MEASURED = frozenset(
    {
        "time_to_start",
        "average_bitrate",
        "average_bitrate_bucket",
        "dropped_frames",
        "dropped_frame_impacted_streams",
        # The playhead of a stall is measured, too, and how long it stood still is known by pings only.
        "stall_events",
        "stall_impacted_streams",
        "total_stalling_duration",
    }
)
_FOLLOWS = {"estimated_streams": "media_time_spent", "average_minute_audience": "content_time_spent"}
# Metrics that depend on how far the playhead came.
_REACH = ("progress_", "content_segment")
_SHARE = 0.01

_UNITS: dict[str, Unit] = {metric.key: metric.unit for metric in METRICS}


class MetricDifference(NamedTuple):
    """A metric that differs.

    Attributes:
        key: the metric's; of one ad, chapter or state after its name, such as `state mute: total_duration`.
        unit: what it is measured in.
        base, new: its values; None where there is none.
    """

    key: str
    unit: Unit
    base: Any
    new: Any


def compare_metrics(
    base: SessionResult, new: SessionResult, tracks: tuple[TimedSteps, TimedSteps], scope: Scope
) -> list[MetricDifference]:
    """The metrics of two sessions that differ; none, if one of them has none at all.

    Args:
        base: one session.
        new: the other one.
        tracks: their steps with times.
        scope: what counts.
    """
    before, after = _metrics_of(base, scope), _metrics_of(new, scope)
    if not before or not after:
        return []
    slack = _slack(*tracks)
    drifts = list(_drifts(_flatten(before), _flatten(after), 2 * scope.tolerance + slack))
    if not _reach_differs(base, new, scope.tolerance + slack):
        drifts = [drift for drift in drifts if not drift.key.startswith(_REACH)]
    differing = {drift.key for drift in drifts}
    return [
        drift
        for drift in drifts
        if _FOLLOWS.get(drift.key, drift.key) in differing and not scope.ignores(drift.key, drift.key.split(": ")[-1])
    ]


def _metrics_of(session: SessionResult, scope: Scope) -> Mapping[str, Any]:
    """A session's metrics, without what ignored events do."""
    kept = [step.event for step in session.steps if not scope.ignores(step.event.type or "")]
    return session.metrics if not session.metrics or len(kept) == len(session.steps) else calculate(kept)


def _drifts(before: Mapping[str, Any], after: Mapping[str, Any], limit: float) -> Iterator[MetricDifference]:
    for key, one in before.items():
        if key not in after or key in MEASURED:
            continue
        unit, other = _UNITS[key.split(": ")[-1]], after[key]
        if not _agree(unit, one, other, limit):
            yield MetricDifference(key, unit, one, other)


def _agree(unit: Unit, one: Any, other: Any, limit: float) -> bool:
    if one is None or other is None:
        return one is other
    if unit == "seconds":
        return bool(abs(one - other) <= limit + _SHARE * max(one, other))
    return same_value(one, other)


def _flatten(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of the session, and those of its ads, chapters and states by name and number."""
    flat = {key: value for key, value in metrics.items() if key not in ("ads", "chapters", "states")}
    for family, naming in (("ad", "ad"), ("chapter", "chapter")):
        seen: dict[str, int] = {}
        for row in metrics[f"{family}s"]:
            name = str(row[naming])
            seen[name] = seen.get(name, 0) + 1
            label = f"{family} {name}" + (f" #{seen[name]}" if seen[name] > 1 else "")
            flat |= {f"{label}: {key}": row[key] for key in row if key.startswith(family) and key != naming}
    for name, row in metrics["states"].items():
        flat |= {f"state {name}: {key}": value for key, value in row.items()}
    return flat


def _reach_differs(base: SessionResult, new: SessionResult, limit: float) -> bool:
    """Whether the playhead came further in one session, or the content is longer."""
    starts = _start(base), _start(new)
    if any(map(is_live, starts)):
        return False
    lengths = [start.number(MEDIA_LENGTH) if start else None for start in starts]
    return lengths[0] != lengths[1] or abs(_furthest(base) - _furthest(new)) > limit


def _furthest(session: SessionResult) -> float:
    return max((step.event.playhead for step in session.steps if step.event.playhead is not None), default=0.0)


def _start(session: SessionResult) -> Event | None:
    return next((step.event for step in session.steps if step.event.type == "sessionStart"), None)


def _slack(base: TimedSteps, new: TimedSteps) -> float:
    """By how many seconds the sessions' ends may differ, since only pings tell where they are."""
    rhythm = max(_last_interval(base), _last_interval(new))
    return min(abs(_tail(base) - _tail(new)), GAP * rhythm)


def _last_interval(track: TimedSteps) -> float:
    return track.interval(situation_of(track.steps[-1].after)) if track.steps else 0.0


def _tail(track: TimedSteps) -> float:
    """The seconds from the last landmark to the last event."""
    pairs = zip(reversed(track.steps), reversed(track.times), strict=True)
    last = next((time for step, time in pairs if not is_ping(step.event)), None)
    return track.times[-1] - last if last is not None else 0.0
