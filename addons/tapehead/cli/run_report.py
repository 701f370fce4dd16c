"""The summary of a run of replay or serve: as JSON, in lines for people, and whether the run has failed."""

from collections.abc import Container

import msgspec

from tapehead.cli.run_journal import AuditSummary
from tapehead.counts import Count, Ordinal
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.summary import ReplaySummary, summary_lines
from tapehead.text import count_of, escape_controls

VERSION = 1


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """The summary as JSON.

    Attributes:
        version: the version of this format.
        recordings: the files, by the numbers that misses and unused exchanges carry.
        fingerprint: tells what was recorded in them from other recordings.
        on_miss: how calls that are not in the recordings were answered.
        replay: hits, misses and unused exchanges; None for a simulation.
        calls: the number of calls that were answered, without preflights.
        session_starts: the number of those that open sessions.
        faults: how many answers a fault changed.
        refused: requests to the endpoint that are no collection call.
        internal_errors: failures of tapehead itself; "failures" in JSON.
        offline_attempts: connections and look-ups that were refused; 0 where misses are forwarded.
        audit: the verdict of the audit; None without one.
    """

    version: Ordinal
    recordings: tuple[str, ...]
    fingerprint: str
    on_miss: OnMiss
    replay: ReplaySummary | None
    calls: Count
    session_starts: Count
    faults: Count
    refused: Count
    internal_errors: Count = msgspec.field(name="failures")
    offline_attempts: Count
    audit: AuditSummary | None = None

    def has_failed(self, *, is_strict: bool, needs_calls: bool) -> bool:
        """Return whether the exit code is 1, as after internal errors or attempts to leave the machine.

        Args:
            is_strict: whether misses and unused exchanges count.
            needs_calls: whether it counts that there was no call.
        """
        if self.offline_attempts or self.internal_errors or (needs_calls and not self.calls):
            return True
        if self.replay is None or not (is_strict or self.on_miss is OnMiss.ERROR):
            return False
        return bool(self.replay.misses or self.refused or (is_strict and self.replay.unused))

    def lines(self, shown: Container[str] = ()) -> list[str]:
        """Return it in lines for people, but for attempts to leave the machine and for lines that were shown before."""
        summary = self.replay
        lines = [escape_controls(line) for line in summary_lines(summary, self.recordings)] if summary else []
        rewrites = (escape_controls(each.explain()) for each in (summary.rewritten if summary else ()))
        lines += [line for line in rewrites if line not in shown]
        if not summary and self.calls:
            lines.append(f"answered {count_of(self.calls, 'call')}: {count_of(self.session_starts, 'session start')}")
        if self.faults:
            lines.append(f"faults injected: {self.faults}")
        if self.refused:
            requests = count_of(self.refused, "other request")
            lines.append(f"refused {requests} to the endpoint: no Media Collection call")
        if self.internal_errors:
            lines.append(f"{count_of(self.internal_errors, 'internal error')}: see the log")
        return lines
