"""Room for new connections: when idle ones are closed, how many, and how often it is told."""

import asyncio
import logging
import resource

import pytest

from tapehead.network import connection_reserve
from tapehead.network.connection_reserve import ConnectionReserve, has_room

FITTING = 160
WANTED = FITTING // 16


class Connections:
    """Open connections, of which some are idle, and how many were to be closed each time."""

    def __init__(self, idle: int) -> None:
        self.opened = 0
        self.idle = idle
        self.wanted: list[int] = []
        self.reserve = ConnectionReserve(lambda: self.opened, self.close_idle)

    def close_idle(self, wanted: int) -> int:
        self.wanted.append(wanted)
        closed = min(wanted, self.idle)
        self.opened -= closed
        self.idle -= closed
        return closed

    async def open(self, count: int) -> None:
        for _ in range(count):
            self.opened += 1
            self.reserve.add()


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_reserve, "connections_that_fit", lambda: FITTING)


def test_idle_ones_are_closed_once_few_more_fit() -> None:
    connections = Connections(idle=2000)
    asyncio.run(connections.open(FITTING - WANTED))
    assert connections.wanted == []
    asyncio.run(connections.open(1))
    assert connections.wanted == [WANTED + 1]
    asyncio.run(connections.open(1000))
    assert connections.opened <= FITTING - WANTED


def test_nothing_is_closed_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_reserve, "connections_that_fit", lambda: None)
    connections = Connections(idle=1000)
    asyncio.run(connections.open(1000))
    assert connections.wanted == []


def test_it_is_told_once_a_minute_with_all_that_were_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    connections = Connections(idle=1000)
    with caplog.at_level(logging.WARNING):
        asyncio.run(connections.open(500))
        assert [record.getMessage().partition(" for")[0] for record in caplog.records] == [
            f"closed {WANTED + 1} idle connections"
        ]
        now += 60
        asyncio.run(connections.open(500))
    (_, second) = caplog.records
    # 500 were opened in the first minute, and some more until the second line.
    assert int(second.getMessage().split()[1]) >= 500 - FITTING


def test_room_is_made_again_while_there_is_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """None was idle when the last one came."""
    monkeypatch.setattr(connection_reserve, "AGAIN_SECONDS", 0.01)
    connections = Connections(idle=0)

    async def wait() -> None:
        await connections.open(FITTING)
        connections.idle = FITTING
        await asyncio.sleep(0.2)

    asyncio.run(wait())
    assert connections.opened == FITTING - 2 * WANTED


def test_room_is_what_can_be_opened() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1000, limits[1]), limits[1]))
    try:
        assert has_room(1)
        assert not has_room(1000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
