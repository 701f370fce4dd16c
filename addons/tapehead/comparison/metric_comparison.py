"""The metrics of two sessions as Adobe would report them, compared.

Theory. Flags, counts and texts have to be equal. Durations are sums of spans whose ends may each be off by the
tolerance. What pings alone carry, the time after the last landmark and the playhead there, is as coarse as their
cadence. Measured quality is never compared; the parameters show whether it is reported at all. A metric that follows
from another one is a difference only where that one differs. The progress of live content is the time of the day.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from tapehead.auditor.results import SessionResult
from tapehead.comparison.differences import Scope
from tapehead.comparison.event_alignment import find_start, is_ping
from tapehead.comparison.payload_comparison import same_value
from tapehead.comparison.ping_cadence import GAP, TimedSteps, phase_of
from tapehead.metrics.calculator import calculate
from tapehead.metrics.catalog import METRICS, Unit
from tapehead.protocol.events import is_live
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
        unit: its unit.
        base, new: its values; None where there is none.
    """

    key: str
    unit: Unit
    base: Any
    new: Any


def compare_metrics(
    base: SessionResult, new: SessionResult, timed: tuple[TimedSteps, TimedSteps], scope: Scope
) -> list[MetricDifference]:
    """Return the metrics of two sessions that differ; none, if one of them has none at all.

    Args:
        base: one session.
        new: the other one.
        timed: their steps with times.
        scope: what counts as a difference.
    """
    before, after = metrics_in_scope(base, scope), metrics_in_scope(new, scope)
    if not before or not after:
        return []
    slack = end_slack(*timed)
    ignores_reach = not reach_differs(base, new, scope.tolerance + slack)
    found, others = {}, flatten(after)
    for key, one in flatten(before).items():
        if key not in others or key in MEASURED or (ignores_reach and key.startswith(_REACH)):
            continue
        unit, other = _UNITS[key.split(": ")[-1]], others[key]
        if not same_metric(unit, one, other, 2 * scope.tolerance + slack):
            found[key] = MetricDifference(key, unit, one, other)
    return [
        difference
        for key, difference in found.items()
        if _FOLLOWS.get(key, key) in found and not scope.ignores(key, key.split(": ")[-1])
    ]


def metrics_in_scope(session: SessionResult, scope: Scope) -> Mapping[str, Any]:
    """Return a session's metrics, without the effects of ignored events."""
    kept = [step.event for step in session.steps if not scope.ignores(step.event.type or "")]
    return session.metrics if not session.metrics or len(kept) == len(session.steps) else calculate(kept)


def same_metric(unit: Unit, one: Any, other: Any, limit: float) -> bool:
    """Return whether two values of a metric agree; durations may be `limit` seconds and one per cent apart."""
    if one is None or other is None:
        return one is other
    if unit == "seconds":
        return bool(abs(one - other) <= limit + _SHARE * max(one, other))
    return same_value(one, other)


def flatten(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of the session, and those of its ads, chapters and states by name and number."""
    flat = {key: value for key, value in metrics.items() if key not in ("ads", "chapters", "states")}
    for family in ("ad", "chapter"):
        numbers: Counter[str] = Counter()
        for row in metrics[f"{family}s"]:
            name = str(row[family])
            numbers[name] += 1
            label = f"{family} {name}" + (f" #{numbers[name]}" if numbers[name] > 1 else "")
            flat |= {f"{label}: {key}": row[key] for key in row if key.startswith(family) and key != family}
    for name, row in metrics["states"].items():
        flat |= {f"state {name}: {key}": value for key, value in row.items()}
    return flat


def reach_differs(base: SessionResult, new: SessionResult, limit: float) -> bool:
    """Return whether the playhead came further in one session, or the content is longer."""
    starts = find_start(base.steps), find_start(new.steps)
    if any(map(is_live, starts)):
        return False
    lengths = [start.number(MEDIA_LENGTH) if start else None for start in starts]
    one, other = (
        max((step.event.playhead for step in session.steps if step.event.playhead is not None), default=0.0)
        for session in (base, new)
    )
    return lengths[0] != lengths[1] or abs(one - other) > limit


def end_slack(base: TimedSteps, new: TimedSteps) -> float:
    """Return by how many seconds the sessions' ends may differ, since only pings show where they are."""

    def tail(timed: TimedSteps) -> float:
        """The seconds from the last landmark to the last event."""
        pairs = zip(reversed(timed.steps), reversed(timed.times), strict=True)
        last = next((time for step, time in pairs if not is_ping(step.event)), None)
        return timed.times[-1] - last if last is not None else 0.0

    intervals = (timed.interval(phase_of(timed.steps[-1].after)) if timed.steps else 0.0 for timed in (base, new))
    return min(abs(tail(base) - tail(new)), GAP * max(intervals))
