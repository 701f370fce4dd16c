"""Many players at once, on plain sockets: each plays a session whose every recorded answer says which it is."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import orjson

from support.exchanges import BREAK, CHAPTER, event, exchange, request, response, sent, start_with
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.routes import location_of, sid_of_location

# Playhead, type, params. The events of a burst are in flight together; each session plays all bursts.
Move = tuple[float, str, dict[str, Any]]
BURSTS: tuple[tuple[Move, ...], ...] = (
    ((0, "play", {}), (0, "stateStart", {"media.state.name": "mute"}), (0, "chapterStart", CHAPTER)),
    ((10, "ping", {}),),
    ((12, "adBreakStart", BREAK), (12, "adStart", {"media.ad.id": "ad-1"}), (12, "play", {})),
    ((12, "adComplete", {}), (12, "adStart", {"media.ad.id": "ad-2"}), (14, "play", {}), (16, "play", {})),
    ((16, "adSkip", {}), (16, "adBreakComplete", {}), (18, "pauseStart", {}), (20, "pauseStart", {})),
    ((20, "ping", {}), (22, "bufferStart", {}), (24, "play", {}), (26, "play", {}), (28, "play", {})),
    ((28, "chapterComplete", {}), (30, "sessionEnd", {})),
    ((31, "play", {}),),
)
EVENTS = [move for burst in BURSTS for move in burst]
LATE = len(EVENTS) - 1
_ENDS = list(itertools.accumulate(map(len, BURSTS)))
_PLACES = [range(end - len(burst), end) for burst, end in zip(BURSTS, _ENDS, strict=True)]
SPACING = 2.0


def answer_of(number: int, nth: int) -> dict[str, int]:
    """Return the body of the recorded answer to an event: the numbers of its session and of the event."""
    return {"session": number, "event": nth}


def distinct_recording(sessions: int, takes: int = 2) -> list[Exchange]:
    """Sessions whose answers all differ; each content is recorded `takes` times. The last answer is a 410."""
    return [each for number in range(sessions) for each in _distinct_session(number, f"clip-{number // takes}")]


def _distinct_session(number: int, media: str) -> list[Exchange]:
    sid, began = f"recorded-{number}", number * 100.0
    start = request(start_with({"media.id": media}, began))
    opened = response(201, [("Location", location_of(sid)), ("X-Session", str(number))])
    events = [
        sent(sid, body_of(nth, began), began + nth, _distinct(410 if nth == LATE else 200, number, nth))
        for nth in range(len(EVENTS))
    ]
    return [exchange(start, opened, began), *events]


def _distinct(status: int, number: int, nth: int) -> Any:
    return response(status, [("Content-Type", "application/json")], orjson.dumps(answer_of(number, nth)))


def body_of(nth: int, began: float) -> dict[str, Any]:
    """The nth event of a session that began `began` seconds after the tests' now."""
    playhead, event_type, params = EVENTS[nth]
    return event(event_type, playhead, began + (nth + 1) * SPACING, params or None)


class Received(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    content: bytes


class ConnectionPool:
    """At most `most` connections to one server, handed to whoever has something to say."""

    def __init__(self, port: int, most: int) -> None:
        self._port = port
        self._free: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None] = asyncio.LifoQueue()
        for _ in range(most):
            self._free.put_nowait(None)

    async def post(self, path: str, body: bytes) -> Received:
        """Send one body, and its answer."""
        line = await self._free.get() or await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = line
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: example.hb-api.omtrdc.net\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        told = await _read(reader)
        self._free.put_nowait(line)
        return told

    async def close(self) -> None:
        """Close those that are open."""
        while not self._free.empty():
            line = self._free.get_nowait()
            if line:
                line[1].close()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Received(int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def connections_to(port: int, most: int) -> AsyncIterator[ConnectionPool]:
    """Connections to a server on loopback."""
    lines = ConnectionPool(port, most)
    try:
        yield lines
    finally:
        await lines.close()


class SimulatedPlayer:
    """A player that notes every answer that is not its own.

    Attributes:
        wrong: what was answered instead of what was recorded.
        sid: its session.
        follows: the number of the recorded session that answers it.
    """

    def __init__(self, number: int, media: str) -> None:
        self.wrong: list[str] = []
        self.sid = ""
        self.follows = -1
        self._began = number * 17.0
        self._media = media
        self._random = random.Random(number)

    async def open(self, lines: ConnectionPool) -> None:
        """Open the session."""
        told = await lines.post("/api/v1/sessions", orjson.dumps(start_with({"media.id": self._media}, self._began)))
        self.sid = sid_of_location(told.headers["location"]) or ""
        self.follows = int(told.headers["x-session"])

    async def burst(self, lines: ConnectionPool, events: Sequence[int]) -> None:
        """Send some events at once, in any order."""
        shuffled = self._random.sample(events, len(events))
        await asyncio.gather(*(self.send(lines, nth) for nth in shuffled))

    async def send(self, lines: ConnectionPool, nth: int) -> None:
        """Send the nth event."""
        told = await lines.post(f"/api/v1/sessions/{self.sid}/events", orjson.dumps(body_of(nth, self._began)))
        wanted = (410 if nth == LATE else 200, orjson.dumps(answer_of(self.follows, nth)))
        if (told.status, told.content) != wanted:
            self.wrong.append(f"session {self.follows} event {nth}: {told.status} {told.content.decode()}")

    async def play(self, lines: ConnectionPool, first: int = 0, end: int = len(EVENTS)) -> None:
        """Play a session from its `first` event to before its `end`, burst after burst."""
        if not self.sid:
            await self.open(lines)
        for burst in _PLACES:
            await self.burst(lines, [nth for nth in burst if first <= nth < end])


async def play_all(port: int, viewers: Sequence[SimulatedPlayer], most: int) -> None:
    """All viewers at once."""
    async with connections_to(port, most) as lines:
        await asyncio.gather(*(viewer.play(lines) for viewer in viewers))
