"""The calls from one change of the options to the next: their journal, and its recording.

A recording is closed in a thread, since the disk or the audit may take long, and traffic goes on meanwhile. Where the
next one is the same file, calls wait for it in memory.
"""

import contextlib
import threading
from collections.abc import Awaitable, Callable
from os.path import realpath
from pathlib import Path

import msgspec
from mitmproxy import ctx

from tapehead.cli.run_journal import JournalOptions, has_failed, make_journal, summary_lines
from tapehead.errors import TapeheadError
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.journal.journal_run import JournalRun
from tapehead.proxy.addons import RecorderAddon
from tapehead.proxy.flow_findings import FlowFindings
from tapehead.proxy.journal_marks import JournalMarks
from tapehead.recording.capture import CapturedCall
from tapehead.recording.recorder_settings import StoreSettings
from tapehead.text import count_of


class ScriptRun:
    """The calls from one change of the options to the next.

    Args:
        options: the journal and its recording.
        findings: the findings on flows.
        internal_errors: records what fails.
        warn: called with one line about each problem, in any thread.

    Attributes:
        recorder: captures the calls.
        marks: the marks of their flows.
    """

    def __init__(
        self,
        options: JournalOptions,
        findings: FlowFindings,
        internal_errors: InternalErrors,
        warn: Callable[[str], None],
    ) -> None:
        self.recorder = RecorderAddon(self, internal_errors)
        self.marks = JournalMarks(findings, internal_errors)
        self._options = options
        self._internal_errors = internal_errors
        self._warn = warn
        self._run: JournalRun | None = None
        self._thread: threading.Thread | None = None
        # Calls that wait for the recording.
        self._waiting: list[tuple[CapturedCall, int]] = []
        self._room = (options.store or StoreSettings(out=Path())).backlog
        self._lost = 0

    @property
    def out(self) -> Path | None:
        """The recording; None without one."""
        return self._options.store.out if self._options.store else None

    @property
    def journal(self) -> Journal | None:
        """The journal; None before it is open."""
        return self._run.journal if self._run else None

    def writes(self, path: Path | None) -> bool:
        """Return whether a file is the recording."""
        return path is not None and self.out is not None and realpath(path) == realpath(self.out)

    def open(self) -> None:
        """Open the journal and its recording, and store the calls that waited for it.

        Raises:
            TapeheadError: the recording cannot be written, or the settings file has an error in it.
        """
        run = make_journal(self._options, self._warn, self._internal_errors)
        run.thread.start()
        self._run = run
        run.journal.follow(self.recorder)
        self.marks.follow(run.journal)
        for call, size in self._waiting:
            run.put(call, size)
        self._waiting.clear()
        if self._lost:
            self._warn(
                f"{count_of(self._lost, 'exchange')} LOST: too many came before '{self.out}' could be opened again"
            )

    def open_later(self) -> None:
        """Open the journal while traffic goes on; without its recording, if that cannot be written."""
        try:
            self.open()
        except TapeheadError as error:
            self._warn(f"{error}; calls are not recorded")
            self._options = msgspec.structs.replace(self._options, store=None)
            self.open()

    def take_over(self, other: "ScriptRun") -> None:
        """Go on with the calls that are in flight in another run, and with those that wait for its recording."""
        for flow in self.recorder.take_over(other.recorder):
            if order := self.recorder.order_of(flow):
                self.marks.add(order, flow)
        self._waiting, other._waiting = other._waiting, []
        self._lost, self._room = other._lost, self._room - sum(size for _call, size in self._waiting)

    # ---- As the store of the calls ----

    def store(self, call: CapturedCall, size: int) -> Awaitable[None] | None:
        """Store a call; return what its answer has to wait for, until that is done or has taken too long."""
        if self._run:
            return self._run.store(call, size)
        self._wait(call, size)
        return None

    def put(self, call: CapturedCall, size: int) -> None:
        """Store a call soon."""
        if self._run:
            self._run.put(call, size)
        else:
            self._wait(call, size)

    def _wait(self, call: CapturedCall, size: int) -> None:
        if size > self._room:
            self._lost += 1
            return
        self._room -= size
        self._waiting.append((call, size))

    # ---- The end ----

    def end(self, on_end: Callable[["ScriptRun"], None]) -> None:
        """Store the calls in hand, and close the journal in a thread; `on_end` is called on this event loop then."""
        self.recorder.done()
        loop = ctx.master.event_loop

        def close() -> None:
            try:
                if self._run:
                    self._run.close()
            except Exception as error:  # noqa: BLE001 - the next run begins all the same
                self._internal_errors.record("closing the recording", error)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits
                loop.call_soon_threadsafe(on_end, self)

        self._thread = threading.Thread(target=close, name="tapehead-closing", daemon=True)
        self._thread.start()

    def join(self, timeout_seconds: float) -> bool:
        """Wait until the journal is closed; return whether it is."""
        if self._thread:
            self._thread.join(max(0.0, timeout_seconds))
        return self._thread is None or not self._thread.is_alive()

    def conclude(self) -> tuple[list[str], bool]:
        """Show the last findings on flows; return the summary in lines, and whether the run has failed."""
        self.marks.stop()
        return summary_lines(self._run, self._options.fail_on), has_failed(self._run, self._options.fail_on)

    @property
    def missing(self) -> int:
        """The number of calls that never were stored, since the recording could not be opened."""
        return len(self._waiting) + self._lost
