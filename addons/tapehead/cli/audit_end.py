"""The end of a run whose audit takes a while: progress on a terminal, and a second signal that ends it."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tapehead.cli.terminal import Screen
from tapehead.journal.audit_thread import OnWait
from tapehead.text import count_of

FIRST_SECONDS, NEXT_SECONDS = 1.0, 5.0


@contextmanager
def audit_end(screen: Screen | None, give_up: Callable[[], None]) -> Iterator[OnWait]:
    """Have SIGINT and SIGTERM end the audit instead of the process.

    Args:
        screen: where progress is shown, if it is a terminal; None to show none.
        give_up: ends the audit without the calls that wait.
    """
    due = time.monotonic() + FIRST_SECONDS

    def show(waiting: int) -> None:
        nonlocal due
        if screen and screen.width and waiting and time.monotonic() >= due:
            due = time.monotonic() + NEXT_SECONDS
            screen.show(f"auditing the last {count_of(waiting, 'call')}; press Ctrl-C to end without them")

    with on_signal(give_up):
        yield show


@contextmanager
def on_signal(action: Callable[[], None]) -> Iterator[None]:
    """Have SIGINT and SIGTERM call a function instead of ending the process."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda _number, _frame: action())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
