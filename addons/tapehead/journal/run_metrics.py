"""Metrics of tapehead itself in a run, for monitoring: read from counts that are kept anyway, when they are asked for.

They are plain objects, from which `live.operations` makes Prometheus' text format, and `journal.otlp_export` messages
of OpenTelemetry. Names have dots, and neither prefix nor unit; labels have a bounded number of values.
"""

import platform
import time
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec

import tapehead
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.journal.run_counts import DURATION_BOUNDS

Kind = Literal["counter", "gauge", "histogram"]


class Sample(NamedTuple):
    """A value, and the labels that tell it from others of its metric."""

    value: float
    labels: Mapping[str, str] = {}


class Histogram(NamedTuple):
    """Numbers of values by size.

    Attributes:
        bounds: the upper bounds of all buckets but the last.
        counts: the number of values in each bucket alone.
        sum: the sum of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class RunMetric(NamedTuple):
    """A metric with its values.

    Attributes:
        name: its name, such as `audit.backlog_calls`.
        kind: what it is; a counter never falls.
        description: what it counts, one sentence.
        samples: its values.
        unit: `s` or `By`; empty for a number of things.
        histogram: the values of a histogram, in place of samples.
    """

    name: str
    kind: Kind
    description: str
    samples: tuple[Sample, ...] = ()
    unit: str = ""
    histogram: Histogram | None = None


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The health of a run.

    Attributes:
        status: `ok`, or `failing` if something does not work as it should.
        recording: `ok`, `failing` while it cannot be written, `none` where nothing is recorded.
        audit: `ok`, `failing` if it has ended, `none` where calls are not audited.
        backlog: the number of calls that wait for the audit.
        error: what is failing, in one sentence; left out if nothing is.
    """

    status: str
    recording: str
    audit: str
    backlog: int
    error: str = ""


class RunMetrics:
    """The metrics and the health of a run, for any thread.

    Args:
        journal: the calls.
        command: the name of the command.
        internal_errors: the errors of the run.
    """

    def __init__(self, journal: Journal, command: str, internal_errors: InternalErrors) -> None:
        self._journal = journal
        self._internal_errors = internal_errors
        self._build = {"command": command, "python": platform.python_version(), "version": tapehead.__version__}
        self._began = time.monotonic()

    def metrics(self) -> Iterator[RunMetric]:
        """Yield all metrics with their values as of now."""
        yield RunMetric("build_info", "gauge", "The version of tapehead.", (Sample(1, self._build),))
        uptime = time.monotonic() - self._began
        yield RunMetric("uptime", "gauge", "Time since the start.", (Sample(uptime),), "s")
        yield from self._call_metrics()
        yield from self._audit_metrics()
        yield from self._recording_metrics()
        if control := self._journal.control:
            counts = control.run_counts()
            yield _counter("replay.hits", "Calls that were answered from recordings.", counts.hits)
            yield _counter("replay.misses", "Calls that the recordings do not have.", counts.misses)
        yield _counter(
            "internal_errors", "Internal errors of tapehead; traffic continued.", self._internal_errors.count
        )

    def _call_metrics(self) -> Iterator[RunMetric]:
        counts, sessions = self._journal.run_counts()
        calls = (Sample(count, {"type": name, "status": status}) for (name, status), count in counts.calls.items())
        text = (
            "Calls by type of event and status of the answer; without a recording, not those that the audit left out."
        )
        yield RunMetric("calls", "counter", text, tuple(calls))
        durations = Histogram(DURATION_BOUNDS, tuple(counts.durations), counts.seconds)
        text = "Time from the first byte of a call to the end of its answer."
        yield RunMetric("call.duration", "histogram", text, (), "s", durations)
        answers = (Sample(count, {"outcome": outcome}) for outcome, count in counts.outcomes.items())
        yield RunMetric(
            "answers", "counter", "Calls that tapehead answered, by the origin of the answer.", tuple(answers)
        )
        yield _counter("sessions", "Sessions that began, or whose first call in this run came.", sessions)
        found = (Sample(count, {"rule": rule, "severity": grade}) for (rule, grade), count in counts.findings.items())
        yield RunMetric("findings", "counter", "Findings that were confirmed.", tuple(found))

    def _audit_metrics(self) -> Iterator[RunMetric]:
        state = self._journal.audit_state
        if state is None:
            return
        if state.is_wanted:
            running = Sample(int(state.is_running))
            yield RunMetric("audit.running", "gauge", "1 while the audit runs, 0 after it has ended.", (running,))
        waiting = Sample(state.waiting)
        yield RunMetric("audit.backlog_calls", "gauge", "Calls that wait for the audit.", (waiting,))
        yield _counter("audit.left_out_calls", "Calls that the audit could not keep up with.", state.left_out)
        text = "Sessions that the audit could not keep up with."
        yield _counter("audit.left_out_sessions", text, self._journal.left_out_in_run)

    def _recording_metrics(self) -> Iterator[RunMetric]:
        writer = self._journal.writer
        if writer is None:
            return
        writable = Sample(int(not writer.is_down))
        yield RunMetric(
            "recording.writable", "gauge", "1 while the recording can be written, 0 while not.", (writable,)
        )
        yield _counter("recording.exchanges", "Exchanges in the recording.", writer.written)
        yield _counter("recording.lost_exchanges", "Exchanges lost.", writer.lost_so_far)
        text = "Exchanges in the recording that the disk did not confirm."
        yield _counter("recording.unconfirmed_exchanges", text, writer.unconfirmed)
        waiting = Sample(writer.waiting_bytes)
        yield RunMetric("recording.backlog", "gauge", "Bytes waiting to be recorded.", (waiting,), "By")

    def health(self) -> Health:
        """Return the health as of now; it tells nothing of calls, paths or people."""
        writer, audit = self._journal.writer, self._journal.audit_state
        has_ended = bool(audit and audit.is_wanted and not audit.is_running)
        problems = ["the recording cannot be written"] if writer and writer.is_down else []
        problems += ["the audit has ended"] if has_ended else []
        return Health(
            status="failing" if problems else "ok",
            recording="none" if writer is None else "failing" if writer.is_down else "ok",
            audit="failing" if has_ended else "ok" if audit and audit.is_wanted else "none",
            backlog=audit.waiting if audit else 0,
            error=", and ".join(problems),
        )


def _counter(name: str, description: str, value: float) -> RunMetric:
    return RunMetric(name, "counter", description, (Sample(value),))
