"""The diff of two recordings: the differences between their sessions.

Sessions are paired by content and player, their events by type, name and playhead. Values that change from run to run
(clocks, ids, versions, measured quality, the number of pings) are no difference. Whether there is any does not depend
on which recording comes first.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from msgspec import structs

from tapehead.auditor.results import Outcome, SessionFinding, SessionResult
from tapehead.comparison.difference_messages import describe_effect, describe_metric
from tapehead.comparison.differences import Change, Diff, Difference, Scope, SessionDiff, Verdict
from tapehead.comparison.event_comparison import EventComparison
from tapehead.comparison.late_metrics import settle_metrics, with_metrics
from tapehead.comparison.metric_comparison import compare_metrics
from tapehead.comparison.parameter_effects import find_effects
from tapehead.comparison.ping_cadence import TimedSteps
from tapehead.comparison.ping_comparison import compare_pings
from tapehead.comparison.session_digest import digest_of
from tapehead.comparison.session_pairing import Begun, Pair, begun, pair_sessions
from tapehead.rules.pings import PING_FLOOD, PING_GAP
from tapehead.rules.timestamps import EQUAL_TIMESTAMPS
from tapehead.rules.values import CLOCK_SKEW

# Rules about clocks and the number of pings: chance breaks them, or the cadence shows it.
CHANCE = frozenset(rule.id for rule in (PING_GAP, PING_FLOOD, CLOCK_SKEW, EQUAL_TIMESTAMPS))

# Findings by rule and path.
FirstFindings = dict[tuple[str, str], SessionFinding]

_WHOLE_EVENTS = (Change.EVENT_MISSING, Change.EVENT_ADDED, Change.EVENT_MOVED)


class Store(Protocol):
    """A place for objects, of which each comes back by its number: a list, or one that takes less memory."""

    def append(self, item: Any, /) -> None:
        """Add an object; its number is how many there were before."""

    def __getitem__(self, number: int, /) -> Any: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


class RecordedSessions:
    """The sessions of a recording: in memory what sorts, pairs and sums them up, in a store the rest.

    Args:
        results: the audit's results.
        scope: what counts as a difference.
        new_store: returns a store; None if sessions are kept as they are.

    Attributes:
        begun: what sorts and pairs each session.
        outside: the findings of calls outside any session, one for each rule and path.
    """

    def __init__(self, results: Iterable[SessionResult], scope: Scope, new_store: Callable[[], Store] | None) -> None:
        self.begun: list[Begun] = []
        self.outside: FirstFindings = {}
        self._heads, self._sessions = (new_store() if new_store else [] for _ in range(2))
        self._digests: list[bytes | None] = []
        self._late = bytearray()
        for each in results:
            if each.outcome is Outcome.NONE:
                add_findings(each.findings, scope, self.outside)
                continue
            result, is_late = settle_metrics(each)
            self._late.append(is_late)
            self.begun.append(begun(result, scope))
            self._sessions.append(result)
            # What is ignored has to be looked for in all sessions.
            can_be_same = new_store and not scope.ignore
            self._digests.append(digest_of(result, is_late=is_late) if can_be_same else None)
            if can_be_same:
                self._heads.append(without_events(result))

    def session(self, number: int | None) -> SessionResult | None:
        """Return the session of a number; None for none."""
        if number is None:
            return None
        session: SessionResult = self._sessions[number]
        return with_metrics(session) if self._late[number] else session

    def find_same(self, number: int | None, other: "RecordedSessions", counterpart: int | None) -> SessionDiff | None:
        """Return the comparison with a session of another recording if their digests are equal; else None."""
        if number is None or counterpart is None:
            return None
        digest = self._digests[number]
        if digest is None or digest != other._digests[counterpart]:
            return None
        return SessionDiff(verdict=Verdict.SAME, base=self._heads[number], new=other._heads[counterpart])


def diff(
    base: Iterable[SessionResult],
    new: Iterable[SessionResult],
    scope: Scope | None = None,
    new_store: Callable[[], Store] | None = None,
    *,
    timelines: bool = True,
) -> Diff:
    """Compare two recordings by the audit's results, measured with `calculate` or `LateMetrics`.

    Args:
        base: the results of the recording to compare with.
        new: the results of the other one.
        scope: what counts as a difference; the defaults, if None.
        new_store: returns a store for the sessions, which then lack the events of those that are the same; if None,
            all stay in memory.
        timelines: whether sessions that differ in the stores keep their events.
    """
    scope = scope or Scope()
    before, after = (RecordedSessions(results, scope, new_store) for results in (base, new))
    sessions: Any = new_store() if new_store else []
    outside = tuple(compare_findings(before.outside, after.outside))
    verdicts, changes = Counter[Verdict](), Counter(difference.change for difference in outside)
    for one, other in pair_sessions(before.begun, after.begun):
        compared = before.find_same(one, after, other)
        if compared is None:
            compared = compare_sessions(Pair(before.session(one), after.session(other)), scope)
            if new_store and not (timelines and compared.verdict is not Verdict.SAME):
                sides = (side and without_events(side) for side in (compared.base, compared.new))
                compared = structs.replace(compared, base=next(sides), new=next(sides), rows=())
        verdicts[compared.verdict] += 1
        changes.update(difference.change for difference in compared.differences)
        sessions.append(compared)
    return Diff(sessions=sessions, outside=outside, verdicts=verdicts, changes=changes)


def without_events(session: SessionResult) -> SessionResult:
    """Return a session without its events, findings and metrics, which take nearly all of its memory."""
    return structs.replace(session, steps=(), findings=[], metrics={})


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
        *compare_findings(*(add_findings(side.findings, scope, {}) for side in (base, new))),
    )
    return SessionDiff(
        verdict=Verdict.CHANGED if differences else Verdict.SAME,
        base=base,
        new=new,
        differences=differences,
        notes=tuple(dict.fromkeys(notes)),
        rows=tuple(events.rows()),
    )


def add_findings(findings: Iterable[SessionFinding], scope: Scope, first: FirstFindings) -> FirstFindings:
    """Add to `first` the first finding of each rule; of a parameter, by its path. Return it."""
    for finding in findings:
        path = finding.path.rpartition("].")[2] if finding.path.startswith("[") else finding.path
        key = path.partition(".")[2]
        if finding.rule not in CHANCE and not scope.ignores(finding.rule, path, key):
            first.setdefault((finding.rule, path), finding)
    return first


def compare_findings(base: FirstFindings, new: FirstFindings) -> Iterator[Difference]:
    """Yield the rules that are broken on one side only, each with the first place."""
    for name, finding in new.items():
        if name not in base:
            message = f"{finding.severity}: {finding.message}"
            yield Difference(change=Change.FINDING_NEW, message=message, name=finding.rule, new=finding.path)
    for name, finding in base.items():
        if name not in new:
            message = f"{finding.severity}: {finding.message}"
            yield Difference(change=Change.FINDING_GONE, message=message, name=finding.rule, base=finding.path)
