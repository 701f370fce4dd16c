"""The diff: did the tracking change? Two recordings in, what differs between their sessions out.

Sessions are paired by content and player, their events by what they are and where they stand. What changes from run
to run (clocks, ids, versions, measured quality, the number of pings) is no difference. Whether there is any does not
depend on which recording comes first.
"""

from collections.abc import Iterable, Iterator

from tapehead.audit.results import Outcome, SessionFinding, SessionResult
from tapehead.diff.difference_messages import phrase_drift
from tapehead.diff.differences import Change, Diff, Difference, Scope, SessionDiff, Verdict
from tapehead.diff.event_comparison import Comparison
from tapehead.diff.metric_comparison import compare_metrics
from tapehead.diff.ping_cadence import TimedSteps
from tapehead.diff.ping_comparison import ping_differences
from tapehead.diff.session_pairing import Pair, pair_sessions

# Rules about clocks and the number of pings: whether they are broken is chance, or told by the rhythm.
CHANCE = frozenset({"ping-gap", "ping-flood", "clock-skew", "equal-timestamps"})

_EVENTS = (Change.EVENT_MISSING, Change.EVENT_ADDED, Change.EVENT_MOVED)
_ANSWERS = (Change.STATUS_CHANGED,)


def diff(base: Iterable[SessionResult], new: Iterable[SessionResult], scope: Scope | None = None) -> Diff:
    """What differs between two recordings, from what the audit says of each with `tapehead.metrics.meter.measure`.

    Args:
        base: the results of the recording to compare with.
        new: the results of the other one.
        scope: what counts as a difference; the defaults, if None.
    """
    scope = scope or Scope()
    before, after = list(base), list(new)
    pairs = pair_sessions(_sessions(before), _sessions(after), scope)
    outside = compare_findings(_outside(before), _outside(after), scope)
    return Diff(sessions=tuple(_compare(pair, scope) for pair in pairs), outside=tuple(outside))


def _sessions(results: Iterable[SessionResult]) -> Iterator[SessionResult]:
    return (result for result in results if result.outcome is not Outcome.NONE)


def _outside(results: Iterable[SessionResult]) -> list[SessionFinding]:
    return [finding for result in results if result.outcome is Outcome.NONE for finding in result.findings]


def _compare(pair: Pair, scope: Scope) -> SessionDiff:
    base, new = pair
    if base is None:
        return SessionDiff(verdict=Verdict.ADDED, base=None, new=new)
    if new is None:
        return SessionDiff(verdict=Verdict.MISSING, base=base, new=None)
    events, tracks = Comparison(base, new, scope), (TimedSteps(base.steps), TimedSteps(new.steps))
    differences = (
        *sorted(events.differences, key=_rank),
        *ping_differences(*tracks, events.anchors(), scope),
        *_compare_metrics(base, new, tracks, scope),
        *compare_findings(base.findings, new.findings, scope),
    )
    return SessionDiff(
        verdict=Verdict.CHANGED if differences else Verdict.SAME,
        base=base,
        new=new,
        differences=differences,
        notes=tuple(events.notes),
        rows=tuple(events.rows()),
    )


def _rank(difference: Difference) -> int:
    """Where a difference between events stands: first whole events, then parameters, then answers."""
    return 0 if difference.change in _EVENTS else 2 if difference.change in _ANSWERS else 1


def _compare_metrics(
    base: SessionResult, new: SessionResult, tracks: tuple[TimedSteps, TimedSteps], scope: Scope
) -> Iterator[Difference]:
    for drift in compare_metrics(base, new, tracks, scope):
        yield Difference(
            change=Change.METRIC_CHANGED, message=phrase_drift(drift), name=drift.key, base=drift.base, new=drift.new
        )


def compare_findings(
    base: Iterable[SessionFinding], new: Iterable[SessionFinding], scope: Scope
) -> Iterator[Difference]:
    """The rules that are broken on one side only, each with the first place; of a parameter, by its path."""
    before, after = _by_rule(base, scope), _by_rule(new, scope)
    for name, finding in after.items():
        if name not in before:
            yield _finding(Change.FINDING_NEW, finding)
    for name, finding in before.items():
        if name not in after:
            yield _finding(Change.FINDING_GONE, finding)


def _by_rule(findings: Iterable[SessionFinding], scope: Scope) -> dict[tuple[str, str], SessionFinding]:
    found: dict[tuple[str, str], SessionFinding] = {}
    for finding in findings:
        path = finding.path.rpartition("].")[2] if finding.path.startswith("[") else finding.path
        key = path.partition(".")[2]
        if finding.rule not in CHANCE and not scope.ignores(finding.rule, path, key):
            found.setdefault((finding.rule, path), finding)
    return found


def _finding(change: Change, finding: SessionFinding) -> Difference:
    told = f"{finding.severity}: {finding.message}"
    is_new = change is Change.FINDING_NEW
    return Difference(
        change=change,
        message=told,
        name=finding.rule,
        base=None if is_new else finding.path,
        new=finding.path if is_new else None,
    )
