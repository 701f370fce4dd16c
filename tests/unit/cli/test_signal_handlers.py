"""Signal handlers wait for no lock: the thread that they interrupt may hold it."""

import signal
import threading

import pytest

from tapehead.cli.live_table import LiveTable
from tapehead.cli.terminal import Screen
from tapehead.cli.view_run import Signals


@pytest.mark.parametrize("handle", [LiveTable._suspend, LiveTable._continue])
def test_a_handler_of_the_table_sets_no_event(handle: object, monkeypatch: pytest.MonkeyPatch) -> None:
    table = LiveTable("record", Screen())
    monkeypatch.setattr(table._thread, "is_alive", lambda: True)

    def refuse() -> None:
        raise AssertionError("it waits for the lock of an event")

    monkeypatch.setattr(table._changed, "set", refuse)
    handle(table, 0, None)  # type: ignore[operator]
    assert table._is_suspended or table._is_continued


def test_a_signal_is_kept_for_the_thread_that_waits_for_it_later() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    try:
        with (signals := Signals([signal.SIGUSR1])):
            signal.raise_signal(signal.SIGUSR1)
            waiting = threading.Thread(target=signals.wait)
            waiting.start()
            waiting.join(30)
            assert not waiting.is_alive()
    finally:
        signal.signal(signal.SIGUSR1, before)
