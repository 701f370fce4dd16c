"""The endpoint of a run of tests: a server with a key for each test, and the journal of what came."""

from collections.abc import Sequence
from pathlib import Path
from secrets import token_bytes
from threading import RLock
from typing import TYPE_CHECKING

from tapehead.answers import Engine
from tapehead.errors import TapeheadError, UsageError
from tapehead.internal_errors import InternalErrors
from tapehead.pytest_plugin.late_journal import LateJournal
from tapehead.pytest_plugin.marks import Answers
from tapehead.replay.on_miss import OnMiss
from tapehead.server.uvicorn_server import Server
from tapehead.simulator.endpoint import Simulator
from tapehead.simulator.keyed_engine import KeyedEngine

if TYPE_CHECKING:
    from tapehead.cli.engine_loader import EngineLoader
    from tapehead.journal.rows import SessionRow
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
        self._engine = KeyedEngine(Simulator(random_bytes=token_bytes), lock=RLock())
        self._loaded_control: EngineControl | None = None
        self._loader: EngineLoader | None = None
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
            self._control().load(answers.replay, key, answers.on_miss)
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

    def misses(self, key: str) -> "list[Miss]":
        """Return the first calls that the recordings do not have."""
        return self._control().misses(key)

    def wait(self, key: str, condition: str, timeout_seconds: float) -> bool:
        """Wait for a condition, and return whether it came to hold.

        Raises:
            UsageError: there is no such condition.
        """
        from tapehead.journal.waiting import parse_condition

        return self._late.journal().wait(parse_condition(condition, key=key), timeout_seconds)

    def add_fault(self, key: str, text: str) -> None:
        """Inject another fault into the answers from now on.

        Raises:
            UsageError: it is invalid, or there are too many.
        """
        self._control().add_fault(text, key)

    def _control(self) -> "EngineControl":
        if self._loaded_control is None:
            from tapehead.replay.engine_control import EngineControl
            from tapehead.replay.summary import ReplayTotals

            self._loaded_control = EngineControl(self._engine, ReplayTotals(), [], self._load)
        return self._loaded_control

    def _load(self, paths: Sequence[str], on_miss: OnMiss | None) -> Engine:
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
