"""The endpoint of a run of tests: a server with a key for each test, and the journal of what came."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING

from tapehead.answers import Engine
from tapehead.errors import TapeheadError, UsageError
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.exchange import Severity
from tapehead.pytest_plugin.late_journal import LateJournal
from tapehead.pytest_plugin.marks import Answers
from tapehead.replay.on_miss import OnMiss
from tapehead.server.uvicorn_server import Server
from tapehead.simulator.endpoint import Simulator
from tapehead.simulator.keyed_engine import KeyedEngine

if TYPE_CHECKING:
    from tapehead.cli.engine_loader import EngineLoader
    from tapehead.journal.journal import Journal
    from tapehead.journal.rows import CallRow, FindingRow, SessionRow
    from tapehead.replay.engine_control import EngineControl
    from tapehead.replay.summary import Miss
    from tapehead.server.asgi import Forward

# The calls of a test, as lines of a recording, and the number of those that could not be kept.
Lines = tuple[list[bytes], int]
SETTLE_SECONDS = 60.0


class SharedEndpoint:
    """An endpoint that runs in threads until it is closed; all methods may be called in any thread.

    Args:
        real: the URL of the real endpoint that answers the tests, to be recorded; None to forward nothing.

    Attributes:
        url: its URL, without a slash at its end.
    """

    def __init__(self, real: str | None = None) -> None:
        errors = InternalErrors()
        self._warnings: list[str] = []
        self._engine = KeyedEngine(Simulator(random_bytes=token_bytes), lock=threading.RLock())
        self._loaded_control: EngineControl | None = None
        self._loader: EngineLoader | None = None
        self._loading = threading.Lock()
        self._is_forwarding = real is not None
        self._tests: dict[str, str] = {}
        self._late = LateJournal(errors, key_of_folder() if real else None)
        forward = forwarder_to(real) if real else None
        self._server = Server(self._engine, capture=self._late.capture, forward=forward, internal_errors=errors).start()
        self.url = self._server.url

    def close(self) -> None:
        """Stop it."""
        self._server.stop()
        self._late.close()

    def begin(self, key: str, answers: Answers) -> str:
        """Begin a test with a key, and return the URL for its player.

        Raises:
            TapeheadError: a recording cannot be read, or a fault is invalid.
        """
        if self._is_forwarding:
            from tapehead.simulator.forwarding_engine import ForwardingEngine

            self._engine.replace(ForwardingEngine(), key)
        elif answers.replay:
            from tapehead.recording.paths import input_path

            self._control().load(list(map(input_path, answers.replay)), key, answers.on_miss)
        for fault in answers.faults:
            self._control().add_fault(fault, key)
        return f"{self.url}/k/{key}"

    def claim(self, recording: str, test: str) -> None:
        """Note that a test is recorded to a file, which no other test may be: the last one would be all that is left.

        Raises:
            UsageError: another one is.
        """
        first = self._tests.setdefault(recording, test)
        if first != test:
            raise UsageError(f"'{recording}' is recorded by '{first}' already; name another recording for '{test}'")

    def end(self, key: str) -> Lines:
        """End a test, forget its calls, and return them."""
        try:
            return self.lines(key)
        finally:
            self._control().reset(key)
            self._engine.forget(key)
            self._late.forget(key)

    def lines(self, key: str) -> Lines:
        """Return the calls that came so far, as lines of a recording, and how many more there were.

        Raises:
            TapeheadError: they are not processed in time.
        """
        from tapehead.journal.row_filter import RowFilter

        came = self._late.count(key)
        journal = self._late.journal()
        if not journal.settle(SETTLE_SECONDS):
            raise TapeheadError(f"the calls so far were not processed in {SETTLE_SECONDS:.0f} s; run fewer at a time")
        lines = journal.lines(RowFilter(key=key))
        return lines, max(0, came - len(lines))

    def sessions(self, key: str) -> "list[SessionRow]":
        """Return the sessions in the order in which they began, once `lines` has told that no call is missing."""
        from tapehead.journal.row_filter import RowFilter

        return self._late.journal().sessions(RowFilter(key=key))

    def misses(self, key: str) -> "tuple[list[Miss], list[str]]":
        """Return the first calls that the recordings do not have, and the names of recordings by their numbers."""
        return self._control().misses(key), list(self._loader.names) if self._loader else []

    def strays(self, since: str) -> "list[CallRow]":
        """Return the calls without a valid key that came since a time, UTC in ISO 8601."""
        from tapehead.journal.row_filter import RowFilter

        return [row for row in self._late.journal().calls(RowFilter(key="")) if row.started >= since]

    def wait(self, key: str, text: str, timeout_seconds: float, after: int = 0) -> bool:
        """Wait for a condition, and return whether it came to hold.

        Args:
            key: the key of the test.
            text: the condition; findings count as `errors` has them.
            timeout_seconds: the longest time to wait.
            after: the number of the call of this test after which events or calls count.

        Raises:
            UsageError: there is no such condition, or it does not go with `after`.
        """
        from tapehead.journal.conditions import parse_condition
        from tapehead.journal.row_filter import RowFilter

        journal, condition = self._late.journal(), parse_condition(text, key=key)
        if condition.kind == "findings":
            return self._wait_for_errors(journal, key, condition.count, timeout_seconds)
        if after:
            journal.settle(timeout_seconds)
            rows = journal.calls(RowFilter(key=key, limit=after))
            condition = journal.after(condition, rows[-1].number if rows else 0)
        return journal.wait(condition, timeout_seconds)

    def errors(self, key: str) -> "list[FindingRow]":
        """Return the errors of a test but those that only show its own faults."""
        from tapehead.journal.row_filter import RowFilter
        from tapehead.pytest_plugin.asked_faults import shows_fault

        journal = self._late.journal()
        calls = {row.number: row.answered for row in journal.calls(RowFilter(key=key))}
        found = journal.findings(RowFilter(key=key, severity=Severity.ERROR))
        return [row for row in found if not shows_fault(row.rule, calls.get(row.call or 0))]

    def _wait_for_errors(self, journal: "Journal", key: str, count: int, timeout_seconds: float) -> bool:
        deadline, changed = time.monotonic() + timeout_seconds, threading.Event()
        unsubscribe = journal.subscribe(changed.set)
        try:
            while True:
                changed.clear()
                journal.settle(max(0.0, deadline - time.monotonic()))
                found = len(self.errors(key))
                if found >= count if count else not found and self._late.count(key):
                    return True
                left = deadline - time.monotonic()
                if left <= 0 or journal.is_closed or not changed.wait(left):
                    return False
        finally:
            unsubscribe()

    def add_fault(self, key: str, text: str) -> None:
        """Inject another fault into the answers from now on.

        Raises:
            UsageError: it is invalid, or there are too many.
        """
        self._control().add_fault(text, key)

    def _control(self) -> "EngineControl":
        with self._loading:
            if self._loaded_control is None:
                from tapehead.replay.engine_control import EngineControl
                from tapehead.replay.summary import ReplayTotals

                self._loaded_control = EngineControl(self._engine, ReplayTotals(), [], self._load)
            return self._loaded_control

    def _load(self, paths: Sequence[str | Path], on_miss: OnMiss | None) -> Engine:
        with self._loading:  # each worker has a thread, and what one has loaded the others need not read again
            if self._loader is None:
                from tapehead.cli.engine_loader import EngineLoader
                from tapehead.cli.offline_run import EngineSettings

                self._loader = EngineLoader(EngineSettings(), self._warnings.append, self._warnings.append)
            engine = self._loader.load(paths, on_miss)
            self._loader.forget_unplayed([engine, *self._engine.roots()])
            return engine


def forwarder_to(real: str) -> "Forward":
    """Return what answers from the real endpoint at a URL."""
    from tapehead.server.forwarding import Forwarder

    return Forwarder(real)


def key_of_folder() -> bytes:
    """Return the key of the pseudonyms in recordings of the current folder, which are the same in each run.

    Raises:
        RecordingError: it can neither be read nor created.
    """
    from tapehead.recording.pseudonym_keys import pseudonym_key

    return pseudonym_key(Path.cwd())
