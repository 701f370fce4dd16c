"""The counts of a run in several processes: how a worker reports them, and how its parent adds them up.

A report has the counts of one process so far, so that a later one replaces it, but for what was replayed: of that,
which may be a place in a recording for each call, it has what has changed.
"""

import itertools
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tapehead.internal_errors import InternalErrors
from tapehead.network.offline_guard import OfflineAttempts
from tapehead.protocol.routes import Call, Route
from tapehead.recording.calls_elsewhere import CallsElsewhere

if TYPE_CHECKING:
    from tapehead.replay.summary import ReplayCounts, ReplayTotals

# How often a worker reports counts that have changed, at most.
REPORT_SECONDS = 1.0


class WorkerCounts(msgspec.Struct, kw_only=True):
    """The counts of a process so far, without what it replayed.

    Attributes:
        elsewhere: what came instead of calls, and the number of calls.
        internal_errors: failures of tapehead itself.
        unmatched: the number of requests to the endpoint that are no calls.
        lost: the number of calls that could not be handed to the recording process.
        faults: the number of answers that a fault changed.
        refused_clients: connections that the client filter refused.
        offline: connections and look-ups that were refused.
    """

    elsewhere: CallsElsewhere = msgspec.field(default_factory=CallsElsewhere)
    internal_errors: int = 0
    unmatched: int = 0
    lost: int = 0
    faults: int = 0
    refused_clients: int = 0
    offline: OfflineAttempts = msgspec.field(default_factory=OfflineAttempts)

    def add(self, other: "WorkerCounts") -> None:
        """Add the counts of another process."""
        self.elsewhere.add_all(other.elsewhere)
        self.internal_errors += other.internal_errors
        self.unmatched += other.unmatched
        self.lost += other.lost
        self.faults += other.faults
        self.refused_clients += other.refused_clients
        self.offline.add(other.offline)


class WorkerReport(NamedTuple):
    """A report of the counts of a process.

    Attributes:
        process: the number of the process within the run.
        calls, starts, faults: as in `WorkerCounts`.
        replayed: what was replayed since its last report; None if nothing was.
        counts: all of its counts; None where the others are left for a later report.
    """

    process: int
    calls: int
    starts: int
    faults: int
    replayed: "ReplayCounts | None"
    counts: WorkerCounts | None


class CountReporter:
    """A maker of the reports of a worker.

    Args:
        process: the number of its process.
        counts: returns the counts so far.
        totals: what it replays; None if it does not.

    Attributes:
        handed_over: a call that is being handed over, where it is counted only once it is answered.
    """

    def __init__(self, process: int, counts: Callable[[], WorkerCounts], totals: "ReplayTotals | None" = None) -> None:
        self._process = process
        self._counts = counts
        self._totals = totals
        self._last = b""
        self.handed_over: Route | None = None
        if totals:
            totals.take_changes()

    def report_call(self) -> WorkerReport:
        """Return the report that goes with a call."""
        return self._report(self._counts(), self._take_replayed())._replace(counts=None)

    def report_all(self) -> WorkerReport:
        """Return a report of everything."""
        return self._report(self._counts(), self._take_replayed())

    def report_changes(self) -> WorkerReport | None:
        """Return a report of everything, if anything has changed since the last one of this kind."""
        counts, replayed = self._counts(), self._take_replayed()
        packed = pickle.dumps(counts)
        if packed == self._last and replayed is None:
            return None
        self._last = packed
        return self._report(counts, replayed)

    def _take_replayed(self) -> "ReplayCounts | None":
        return self._totals.take_changes() if self._totals else None

    def _report(self, counts: WorkerCounts, replayed: "ReplayCounts | None") -> WorkerReport:
        calls, starts = counts.elsewhere.calls, counts.elsewhere.starts
        if self.handed_over:
            calls += self.handed_over.call is not Call.PREFLIGHT
            starts += self.handed_over.call is Call.SESSION
        return WorkerReport(self._process, calls, starts, counts.faults, replayed, counts)


class CountCollector:
    """The sum of the counts of all processes of a run, those that have died as well; in the parent.

    Args:
        internal_errors: those of the run, which grow by those of the workers.
        totals: what all of them replay; None if they do not.
    """

    def __init__(self, internal_errors: InternalErrors, totals: "ReplayTotals | None" = None) -> None:
        self._internal_errors = internal_errors
        self._totals = totals
        self._latest: dict[int, WorkerCounts] = {}
        self._processes = itertools.count(1)

    def next_process(self) -> int:
        """Return the number of a process that is going to start."""
        return next(self._processes)

    def take(self, report: WorkerReport) -> None:
        """Take a report, in one thread at a time."""
        if report.replayed and self._totals:
            for sums in (self._totals.run, self._totals.shown):
                sums.add(report.replayed)
        before = self._latest.get(report.process) or WorkerCounts()
        counts = report.counts or before
        counts.elsewhere.calls, counts.elsewhere.starts = report.calls, report.starts
        counts.faults = report.faults
        self._internal_errors.count += counts.internal_errors - before.internal_errors
        self._latest[report.process] = counts

    def total(self) -> WorkerCounts:
        """Return the sum of all."""
        total = WorkerCounts()
        for counts in list(self._latest.values()):
            total.add(counts)
        return total
