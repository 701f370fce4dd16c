"""Parameters that are no difference of their own, but change a metric that is one.

A parameter may differ and stay unsaid: its seconds are within the tolerance, or it is ignored. A metric that it
changes would then differ without a reason. So the metrics of the new session are calculated once more with the value
that the base has: a metric that then comes out as in the base differs because of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import structs

from tapehead.auditor.results import SessionResult
from tapehead.comparison.differences import Scope
from tapehead.comparison.metric_comparison import MetricDifference, flatten
from tapehead.comparison.payload_comparison import NEVER_COMPARED, KeyDifference, compare_key, same_value
from tapehead.metrics.calculator import calculate
from tapehead.protocol.events import Event
from tapehead.protocol.keys import PARAMS

_STRICT = Scope(tolerance=0)


class Effect(NamedTuple):
    """A parameter that changes metrics: the events on either side, its values, and the metrics' keys."""

    base: Event
    new: Event
    key: KeyDifference
    metrics: list[str]


def find_effects(
    new: SessionResult, pairs: Iterable[tuple[Event, Event]], metrics: Sequence[MetricDifference], scope: Scope
) -> Iterator[Effect]:
    """Yield the parameters that are no difference, and because of which metrics differ.

    Args:
        new: the new session.
        pairs: its events with their counterparts in the base.
        metrics: the metrics that differ.
        scope: what counts as a difference.
    """
    if not metrics:
        return
    events = [step.event for step in new.steps if not scope.ignores(step.event.type or "")]
    for base, event in pairs:
        for key in unlisted_keys(base, event, scope):
            name = key.path.partition(".")[2]
            params = {held: value for held, value in event.params.items() if held != name}
            params |= {name: base.params[name]} if name in base.params else {}
            altered = structs.replace(event, params=params)
            others = flatten(calculate(altered if each is event else each for each in events))
            changed = (metric.key for metric in metrics if same_value(metric.base, others.get(metric.key)))
            if explained := list(changed):
                yield Effect(base, event, key, explained)


def unlisted_keys(base: Event, new: Event, scope: Scope) -> Iterator[KeyDifference]:
    """Yield the parameters that differ and are not listed; as notes those that are ignored."""
    for key in sorted({*base.params, *new.params} - NEVER_COMPARED):
        is_ignored = scope.ignores(key, f"{PARAMS}.{key}")
        if is_ignored or not any(compare_key(PARAMS, key, base.params, new.params, scope)):
            for found in compare_key(PARAMS, key, base.params, new.params, _STRICT):
                yield found._replace(is_note=is_ignored)
