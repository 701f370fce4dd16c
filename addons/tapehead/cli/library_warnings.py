"""Log messages of tapehead and of mitmproxy on stderr, a line each; tracebacks only for internal errors."""

import contextlib
import logging
import time
import traceback
from collections.abc import Iterator

from tapehead.cli.lean_imports import import_fully
from tapehead.cli.messages import warn, warning_in_background
from tapehead.network.open_files import is_shortage, room_for_players

# What calls are checked and stored with, sessions audited, and recordings replayed; and what libraries use then.
_LOADED_LATER = (
    "inspect",
    "textwrap",
    "jsonschema_rs",
    "tapehead.auditor.live_audit",
    "tapehead.recording.pipeline",
    "tapehead.replay.replayer",
)

# A shortage lasts, and is met once a second.
_SHORTAGE_SECONDS = 60

# `CertificateCheck` says it once, and what to do; mitmproxy with each connection.
_TOLD_ELSEWHERE = "Client TLS handshake failed. The client "
# asyncio's function that listens again a second after a shortage, also where the command has stopped meanwhile.
_LISTENS_AGAIN = "_start_serving"


class _LineHandler(logging.Handler):
    def __init__(self, room: str) -> None:
        super().__init__(logging.WARNING)
        self._room = f"; {room}" if room else ""
        self._silent_until = 0.0
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record; with its traceback, if it is one of tapehead's own."""
        if record.exc_info and is_shortage(record.exc_info[1]):
            if time.monotonic() >= self._silent_until:
                self._silent_until = time.monotonic() + _SHORTAGE_SECONDS
                warn(f"{record.exc_info[1]}: new players wait, and calls may fail{self._room}")
        elif record.name.startswith("tapehead"):
            warn(self.format(record))
        elif not (message := record.getMessage()).startswith(_TOLD_ELSEWHERE) and not _is_after_stop(record):
            warn(message)


def _is_after_stop(record: logging.LogRecord) -> bool:
    """Tell whether asyncio failed to listen again, whichever handler logs it: the socket is closed."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, ValueError):
        return False
    return any(frame.f_code.co_name == _LISTENS_AGAIN for frame, _ in traceback.walk_tb(error.__traceback__))


@contextlib.contextmanager
def logging_in_background(connections: int) -> Iterator[None]:
    """Send warnings to stderr in a thread, for commands that players call, and make room for many players.

    Args:
        connections: the number that each player takes: the limit of open files is raised, and where it is met or low,
            a warning says how many players fit.
    """
    with warning_in_background(), logging_to_stderr(room_for_players(connections, _warn_of_few)):
        yield


def _warn_of_few(line: str) -> None:
    """Warn that few files can be open, and load what a run loads later: there may be none left to read a module."""
    warn(line)
    for name in _LOADED_LATER:
        import_fully(name)


@contextlib.contextmanager
def logging_to_stderr(room: str = "") -> Iterator[None]:
    """Send the warnings of all loggers to stderr, a line each; those of too many players with the `room` for them."""
    root = logging.getLogger()
    before = root.handlers.copy()
    # mitmproxy logs there why a server did not start, which the command itself reports.
    logging.getLogger("mitmproxy.addons.proxyserver").disabled = True
    root.handlers[:] = [_LineHandler(room)]
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers[:] = before
