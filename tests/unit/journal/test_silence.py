"""Waits for silence last while a call is in flight, and look again when it ends, not before."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from support.exchanges import event, opened, sent, start
from tapehead.journal.conditions import Condition, parse_condition
from tapehead.journal.journal import Journal
from tapehead.protocol.exchange import encode

Wait = Callable[[Journal, Condition, float], bool]
WAYS: dict[str, Wait] = {
    "thread": Journal.wait,
    "loop": lambda *given: asyncio.run(Journal.wait_async(*given)),
}
CONDITIONS = ["quiet:0", "findings:0"]


class InFlight:
    """One call of the key `one` that is in flight."""

    def __init__(self) -> None:
        self.on_end: Callable[[], object] = lambda: None
        self.is_in_flight = True
        self.asked = threading.Semaphore(0)
        self.count = 0

    def has_call(self, key: str | None, sid: str | None) -> bool:
        assert sid is None
        self.count += 1
        self.asked.release()
        return self.is_in_flight and key in (None, "one")

    def end(self) -> None:
        self.is_in_flight = False
        self.on_end()


def journal_with_a_call() -> tuple[Journal, InFlight]:
    journal, calls = Journal(), InFlight()
    journal.follow(calls)
    for exchange in (opened("s1", start()), sent("s1", event("play"))):
        journal.add(exchange, encode(exchange))
    return journal, calls


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", CONDITIONS)
def test_a_wait_for_silence_ends_with_the_call_in_flight(text: str, way: str) -> None:
    journal, calls = journal_with_a_call()
    held: list[bool] = []
    waiting = threading.Thread(target=lambda: held.append(WAYS[way](journal, parse_condition(text), 30)))
    waiting.start()
    assert calls.asked.acquire(timeout=30)
    assert held == []
    calls.end()
    waiting.join(60)

    assert held == [True]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", CONDITIONS)
def test_a_wait_for_silence_does_not_look_again_while_nothing_changes(text: str, way: str) -> None:
    journal, calls = journal_with_a_call()

    assert not WAYS[way](journal, parse_condition(text), 0.5)
    assert calls.count == 2  # at the beginning and at the end
    assert WAYS[way](journal, parse_condition("calls:2"), 0.5)
    assert calls.count == 2
