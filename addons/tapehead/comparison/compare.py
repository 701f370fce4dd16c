"""The diff of two recordings: the differences between their sessions.

Sessions are paired by content and player, their events by type, name and playhead. Values that change from run to run
(clocks, ids, versions, measured quality, the number of pings) are no difference. Whether there is any does not depend
on which recording comes first.
"""

from collections.abc import Iterable, Iterator

from tapehead.auditor.results import Outcome, SessionFinding, SessionResult
from tapehead.comparison.difference_messages import describe_effect, describe_metric
from tapehead.comparison.differences import Change, Diff, Difference, Scope, SessionDiff, Verdict
from tapehead.comparison.event_comparison import EventComparison
from tapehead.comparison.metric_comparison import compare_metrics
from tapehead.comparison.parameter_effects import find_effects
from tapehead.comparison.ping_cadence import TimedSteps
from tapehead.comparison.ping_comparison import compare_pings
from tapehead.comparison.session_pairing import Pair, pair_sessions
from tapehead.rules.pings import PING_FLOOD, PING_GAP
from tapehead.rules.timestamps import EQUAL_TIMESTAMPS
from tapehead.rules.values import CLOCK_SKEW

# Rules about clocks and the number of pings: chance breaks them, or the cadence shows it.
CHANCE = frozenset(rule.id for rule in (PING_GAP, PING_FLOOD, CLOCK_SKEW, EQUAL_TIMESTAMPS))

_WHOLE_EVENTS = (Change.EVENT_MISSING, Change.EVENT_ADDED, Change.EVENT_MOVED)


def diff(base: Iterable[SessionResult], new: Iterable[SessionResult], scope: Scope | None = None) -> Diff:
    """Compare two recordings by the audit's results, with the metrics of `tapehead.metrics.calculator.calculate`.

    Args:
        base: the results of the recording to compare with.
        new: the results of the other one.
        scope: what counts as a difference; the defaults, if None.
    """
    scope = scope or Scope()
    before, after = list(base), list(new)
    ones, others = ([result for result in side if result.outcome is not Outcome.NONE] for side in (before, after))
    outside_before, outside_after = (
        [finding for result in side if result.outcome is Outcome.NONE for finding in result.findings]
        for side in (before, after)
    )
    return Diff(
        sessions=tuple(compare_sessions(pair, scope) for pair in pair_sessions(ones, others, scope)),
        outside=tuple(compare_findings(outside_before, outside_after, scope)),
    )


def compare_sessions(pair: Pair, scope: Scope) -> SessionDiff:
    """Compare two sessions that belong together: their events, pings, metrics and findings."""
    base, new = pair
    if base is None:
        return SessionDiff(verdict=Verdict.ADDED, base=None, new=new)
    if new is None:
        return SessionDiff(verdict=Verdict.MISSING, base=base, new=None)
    events, timed = EventComparison(base, new, scope), (TimedSteps(base.steps), TimedSteps(new.steps))

    def rank(difference: Difference) -> int:
        """First whole events, then parameters, then answers."""
        return 0 if difference.change in _WHOLE_EVENTS else 2 if difference.change is Change.STATUS_CHANGED else 1

    differing = compare_metrics(base, new, timed, scope)
    effects = find_effects(new, events.pairs(), differing, scope)
    listed, notes = list(events.differences), list(events.notes)
    for effect in effects:
        message = describe_effect(effect.key, effect.metrics)
        if effect.key.is_note:
            notes.append(f"{effect.key.path}: {message}")
        else:
            listed.append(
                Difference(
                    change=effect.key.change,
                    message=message,
                    name=effect.key.path,
                    base=effect.key.base,
                    new=effect.key.new,
                    base_event=effect.base,
                    new_event=effect.new,
                )
            )
    metrics = (
        Difference(
            change=Change.METRIC_CHANGED,
            message=describe_metric(metric),
            name=metric.key,
            base=metric.base,
            new=metric.new,
        )
        for metric in differing
    )
    differences = (
        *sorted(listed, key=rank),
        *compare_pings(*timed, events.anchors(), scope),
        *metrics,
        *compare_findings(base.findings, new.findings, scope),
    )
    return SessionDiff(
        verdict=Verdict.CHANGED if differences else Verdict.SAME,
        base=base,
        new=new,
        differences=differences,
        notes=tuple(dict.fromkeys(notes)),
        rows=tuple(events.rows()),
    )


def compare_findings(
    base: Iterable[SessionFinding], new: Iterable[SessionFinding], scope: Scope
) -> Iterator[Difference]:
    """Yield the rules that are broken on one side only, each with the first place; of a parameter, by its path."""

    def by_rule(findings: Iterable[SessionFinding]) -> dict[tuple[str, str], SessionFinding]:
        first: dict[tuple[str, str], SessionFinding] = {}
        for finding in findings:
            path = finding.path.rpartition("].")[2] if finding.path.startswith("[") else finding.path
            key = path.partition(".")[2]
            if finding.rule not in CHANCE and not scope.ignores(finding.rule, path, key):
                first.setdefault((finding.rule, path), finding)
        return first

    before, after = by_rule(base), by_rule(new)
    for name, finding in after.items():
        if name not in before:
            message = f"{finding.severity}: {finding.message}"
            yield Difference(change=Change.FINDING_NEW, message=message, name=finding.rule, new=finding.path)
    for name, finding in before.items():
        if name not in after:
            message = f"{finding.severity}: {finding.message}"
            yield Difference(change=Change.FINDING_GONE, message=message, name=finding.rule, base=finding.path)
