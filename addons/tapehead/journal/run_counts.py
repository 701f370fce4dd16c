"""Counts of a whole run for monitoring, which no reset of the journal takes back, and which have a bounded size."""

from bisect import bisect_left
from collections import Counter

from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.routes import Call

OTHER, NO_STATUS = "other", "none"
# More than there are, in each severity.
MOST_RULES = 500
# The upper bounds of the histogram's buckets, in seconds.
DURATION_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Types by those of rows in the journal; players may send any number of others.
_TYPES = {name: name for name in EVENT_TYPES} | {f"({call})": str(call) for call in Call}
_STATUSES: dict[int | None, str] = {None: NO_STATUS} | {status: str(status) for status in range(100, 600)}


class RunCounts:
    """The counts of a run; one thread at a time changes them.

    Attributes:
        calls: the number of calls, by type of event and status of the answer.
        outcomes: the number of calls that tapehead answered, by where the answer came from.
        findings: the number of findings that were confirmed, by rule and severity.
        durations: the number of calls in each bucket of `DURATION_BOUNDS`, and above the last.
        seconds: the sum of all durations.
    """

    __slots__ = ("calls", "durations", "findings", "outcomes", "seconds")

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.findings: Counter[tuple[str, str]] = Counter()
        self.durations = [0] * (len(DURATION_BOUNDS) + 1)
        self.seconds = 0.0

    def add_call(self, event_type: str, status: int | None, seconds: float, outcome: str) -> None:
        """Count a call, given its type as in the journal, and the outcome of its answer, empty for an endpoint's."""
        self.calls[_TYPES.get(event_type, OTHER), _STATUSES.get(status, OTHER)] += 1
        self.durations[bisect_left(DURATION_BOUNDS, seconds)] += 1
        self.seconds += seconds
        if outcome:
            self.outcomes[outcome] += 1

    def add_finding(self, rule: str, severity: str) -> None:
        """Count a finding that was confirmed."""
        key = rule, severity
        self.findings[key if key in self.findings or len(self.findings) < MOST_RULES else (OTHER, severity)] += 1

    def copy(self) -> "RunCounts":
        """Return a copy, which does not change."""
        copied = RunCounts()
        copied.calls, copied.outcomes, copied.findings = self.calls.copy(), self.outcomes.copy(), self.findings.copy()
        copied.durations, copied.seconds = list(self.durations), self.seconds
        return copied
