"""Actions of commands before a signal ends their process, such as the removal of temporary files."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

# Signals that end a process which does not handle them, without a word.
_ENDING = ("SIGTERM", "SIGHUP", "SIGQUIT")

# Each with the process that it is of: one that was forked has nothing of its own to remove.
_actions: list[tuple[int, Callable[[], None]]] = []


def call_at_signals(action: Callable[[], None]) -> None:
    """Call a function when a signal ends the process that nothing handles; for the main thread of commands."""
    if threading.current_thread() is not threading.main_thread():
        return
    _actions.append((os.getpid(), action))
    for name in _ENDING:
        if (number := getattr(signal, name, None)) and signal.getsignal(number) is signal.SIG_DFL:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, _end)


@contextlib.contextmanager
def called_at_signals(action: Callable[[], None]) -> Iterator[None]:
    """Call a function when a signal ends the process during a `with` block, as `call_at_signals`."""
    call_at_signals(action)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            _actions.remove((os.getpid(), action))


def _end(number: int, _frame: object) -> None:
    for process, action in _actions:
        if process == os.getpid():
            with contextlib.suppress(Exception):  # whatever fails, the others are done, and the process ends
                action()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
