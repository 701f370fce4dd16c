"""The findings of a run while it goes on: provisional, confirmed or withdrawn, each with a number that stays.

A finding is the same as long as it is of one rule, at one place of one exchange; its text may change, as with "(2 such
events)", and so may its grade. What was silence before an event came, and is too long a gap now, is the same, too.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence

from tapehead.auditor.results import FindingState, LiveFinding, SessionFinding, SessionResult
from tapehead.rules.catalog import RULES, SESSION_CHECKS
from tapehead.rules.response import REJECTED
from tapehead.rules.several_sessions import SESSION_RESTARTED, STRAY_PINGS
from tapehead.rules.support.event_order import WINDOW_EVENTS, WINDOW_MS
from tapehead.rules.values import CLOCK_SKEW

# The back end's window, and a second for the answers of what came in it.
SETTLED_MS = WINDOW_MS + 1000

_SESSION_RULES = {rule for check in SESSION_CHECKS for rule in check.rules} | {SESSION_RESTARTED, STRAY_PINGS}
# The rules on single exchanges: what they find does not depend on other calls.
_CALL_RULES = frozenset(rule.id for rule in RULES.values() if rule not in _SESSION_RULES and rule is not REJECTED)
_SHOWN_WITH_CALL = _CALL_RULES | {REJECTED.id, CLOCK_SKEW.id}

Place = tuple[str, int]
# The rule, and the path in the body; of several findings of one kind, a number.
_Kind = tuple[Place, str, str]
_Key = tuple[Place, str, str, int]


class _Known:
    """A finding that was told."""

    __slots__ = ("arrived_ms", "events", "finding", "key", "may_go", "number", "observed_ms", "owner", "state")

    def __init__(self, number: int, key: _Key, owner: "KnownFindings", finding: SessionFinding) -> None:
        self.number = number
        self.key = key
        self.owner = owner
        self.finding = finding
        self.state = FindingState.PROVISIONAL
        self.may_go = False
        self.observed_ms = self.arrived_ms = 0.0
        self.events = 0


class KnownFindings:
    """The findings of one session that were told.

    Args:
        session: the session id.

    Attributes:
        is_stale: whether the session is to be evaluated anew, so that none is confirmed before.
        is_over: whether the result of the session is known.
        events: the number of its events so far.
    """

    __slots__ = ("events", "is_over", "is_stale", "numbers", "proven", "session", "silence", "unproven", "waiting")

    def __init__(self, session: str | None) -> None:
        self.session = session
        self.is_stale = self.is_over = False
        self.events = 0
        self.numbers: Counter[_Kind] = Counter()
        self.proven: dict[_Key, _Known] = {}
        self.unproven: dict[_Key, _Known] = {}
        self.silence: _Known | None = None
        self.waiting: dict[int, _Known] = {}


class LiveFindings:
    """The findings of a run, and what changed in them.

    Attributes:
        observed_ms: a clock that goes on with the time that was observed, in milliseconds.
        arrived_ms: when the last call arrived, in milliseconds since 1970.
    """

    def __init__(self) -> None:
        self._number = 0
        self._known: dict[Place, dict[_Key, _Known]] = {}
        self._waiting: OrderedDict[int, _Known] = OrderedDict()
        self._changes: list[LiveFinding] = []
        self.observed_ms = self.arrived_ms = 0.0

    def take_changes(self) -> list[LiveFinding]:
        """Return what changed since this was called last."""
        changes, self._changes = self._changes, []
        return changes

    def update(
        self,
        owner: KnownFindings,
        proven: Sequence[SessionFinding],
        unproven: Iterable[tuple[SessionFinding, bool]],
        silence: SessionFinding | None,
        *,
        anew: bool,
    ) -> None:
        """Take the findings of a session.

        Args:
            owner: the session.
            proven: those proven since the last time; all, if `anew`.
            unproven: the others that hold as it stands, each with whether it may only be confirmed later.
            silence: the finding that the session's silence shows.
            anew: whether the session was evaluated anew.
        """
        unproven = tuple(unproven)
        if owner.is_over or not (anew or proven or unproven or owner.unproven or silence or owner.waiting):
            return
        before = owner.unproven | owner.proven if anew else owner.unproven
        if anew:
            owner.proven, owner.numbers = {}, Counter()
        was_silent, owner.silence, owner.unproven = owner.silence, None, {}
        for finding in proven:
            known = self._note(owner, finding, was_silent, (owner.numbers,), may_go=False)
            owner.proven[known.key] = known
        counted: Counter[_Kind] = Counter()
        numbers = counted, owner.numbers
        for finding, may_go in unproven:
            known = self._note(owner, finding, was_silent, numbers, may_go=may_go)
            owner.unproven[known.key] = known
        if silence:
            owner.silence = known = self._note(owner, silence, None, numbers, may_go=True)
            owner.unproven[known.key] = known
        for key, known in before.items():
            if known.key == key and key not in owner.unproven and key not in owner.proven:
                self._set(known, FindingState.WITHDRAWN)
        for known in list(owner.waiting.values()):
            if owner.events - known.events >= WINDOW_EVENTS or self._is_settled(known):
                self._confirm(known)

    def settle(self, result: SessionResult, places: Iterable[Place]) -> None:
        """Take the result of a session that has these exchanges: all of it is confirmed, and the rest withdrawn."""
        numbers = (Counter[_Kind](),)
        owner = KnownFindings(result.id)
        kept = {self._note(owner, finding, None, numbers, may_go=False).key for finding in result.findings}
        for place in places:
            for key, known in self._known.pop(place, {}).items():
                self._set(known, FindingState.CONFIRMED if key in kept else FindingState.WITHDRAWN)
                known.owner.is_over = True

    def forget(self, owner: KnownFindings) -> None:
        """Withdraw what is provisional of a session that is left out."""
        owner.is_over = True
        for known in [*owner.proven.values(), *owner.unproven.values()]:
            if known.state is FindingState.PROVISIONAL:
                self._set(known, FindingState.WITHDRAWN)
            self._known.pop(known.key[0], None)

    def close(self) -> None:
        """Withdraw what no result has confirmed."""
        for known in [known for at_place in self._known.values() for known in at_place.values()]:
            self._set(known, FindingState.WITHDRAWN)
        self._known.clear()

    def confirm_settled(self) -> None:
        """Confirm what the back end's window has passed for; of a session that is stale, `update` does."""
        while self._waiting and self._is_settled(known := next(iter(self._waiting.values()))):
            del self._waiting[known.number]
            self._confirm(known)

    def _is_settled(self, known: _Known) -> bool:
        passed = max(self.observed_ms - known.observed_ms, self.arrived_ms - known.arrived_ms)
        return passed > SETTLED_MS

    def _confirm(self, known: _Known) -> None:
        if not known.owner.is_stale:
            self._set(known, FindingState.CONFIRMED)

    def _note(
        self,
        owner: KnownFindings,
        finding: SessionFinding,
        was_silent: _Known | None,
        numbers: Sequence[Counter[_Kind]],
        *,
        may_go: bool,
    ) -> _Known:
        """Take a finding; return what is known of it.

        Args:
            owner: the session.
            finding: the finding.
            was_silent: the finding of its silence before that.
            numbers: how many there are of its kind already; the first one counts this one.
            may_go: whether it may only be confirmed later.
        """
        place = finding.recording, finding.line
        kind = place, finding.rule, finding.path
        key = (*kind, sum(each[kind] for each in numbers))
        numbers[0][kind] += 1
        known = self._known.get(place, {}).get(key)
        if known is None and was_silent and was_silent.finding.rule == finding.rule and was_silent.key[0] != place:
            known = was_silent
            del self._known[known.key[0]][known.key]
            known.key = key
            self._date(known)
        if known is None:
            self._number += 1
            known = _Known(self._number, key, owner, finding)
            is_told = False
        elif known.finding == finding and known.may_go == may_go and known.state is not FindingState.WITHDRAWN:
            return known
        else:
            is_told = known.state is not FindingState.WITHDRAWN
        self._known.setdefault(place, {})[key] = known
        self._take(known, finding, may_go=may_go, is_told=is_told)
        return known

    def _take(self, known: _Known, finding: SessionFinding, *, may_go: bool, is_told: bool) -> None:
        """Take the text of a finding that is new, changed, or there again."""
        has_changed = known.finding != finding
        known.finding, known.may_go = finding, may_go
        if not is_told:
            known.state = FindingState.CONFIRMED if finding.rule in _CALL_RULES else FindingState.PROVISIONAL
            self._date(known)
        if not is_told or has_changed:
            self._tell(known)
        self._waiting.pop(known.number, None)
        known.owner.waiting.pop(known.number, None)
        if known.state is FindingState.PROVISIONAL and not may_go:
            self._waiting[known.number] = known.owner.waiting[known.number] = known
            if self._is_settled(known):
                self._confirm(known)

    def _date(self, known: _Known) -> None:
        """Let the back end's window begin now."""
        known.observed_ms, known.arrived_ms, known.events = self.observed_ms, self.arrived_ms, known.owner.events

    def _set(self, known: _Known, state: FindingState) -> None:
        self._waiting.pop(known.number, None)
        known.owner.waiting.pop(known.number, None)
        if known.state is not state:
            known.state = state
            self._tell(known)

    def _tell(self, known: _Known) -> None:
        self._changes.append(
            LiveFinding(
                number=known.number,
                state=known.state,
                session=known.owner.session,
                finding=known.finding,
                of_call=known.finding.rule in _SHOWN_WITH_CALL,
            )
        )
