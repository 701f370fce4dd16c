"""Players that send a call again where it failed, and a recording of them, with failures at all kinds of places."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from support.exchanges import AD, BREAK, event, exchange, request, response, sent, start_with
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.routes import location_of, sid_of_location

# How long a player waits before it sends a call again, in seconds: so long that a busy machine does not matter.
WAIT = 8.0
# Playhead, type, params, and the recorded statuses: 0 for none at all. Of contents, some have all of these, others only
# the last.
Step = tuple[float, str, dict[str, Any], tuple[int, ...]]
EVENTS: tuple[Step, ...] = (
    (0, "play", {}, (204,)),
    (5, "bufferStart", {}, (204,)),
    (5, "play", {}, (204,)),
    (10, "ping", {}, (204,)),
    (12, "adBreakStart", BREAK, (204,)),
    (12, "adStart", AD, (404,)),
    (12, "adComplete", {}, (204,)),
    (12, "adBreakComplete", {}, (204,)),
    (12, "play", {}, (204,)),
    (20, "ping", {}, (503, 204)),
    (30, "ping", {}, (0,)),
    (35, "pauseStart", {}, (400,)),
    (36, "play", {}, (204,)),
    (40, "ping", {}, (204,)),
    (45, "pauseStart", {}, (204,)),
    (46, "play", {}, (500, 204)),
    (60, "sessionComplete", {}, (204,)),
    (60, "sessionEnd", {}, (410,)),
)


def recording(contents: int) -> list[Exchange]:
    """One session of each content, whose every answer says which call it is, and in which one call is sent again."""
    return [each for number in range(contents) for each in _session(number)]


def starts_of(number: int) -> range:
    """The attempts to start the session of a content: 0 fails, 1 opens it."""
    return range(number % 3 != 0, 2)


def events_of(number: int) -> list[Step]:
    """The events of a content."""
    failing = {1: "ping", 2: "play"}.get(number % 3)
    return [(*step, statuses if step[1] == failing else statuses[-1:]) for *step, statuses in EVENTS]  # type: ignore[misc]


def _session(number: int) -> Iterator[Exchange]:
    began, sid = number * 100.0, f"recorded-{number}"
    body = start_with({"media.id": f"clip-{number}"}, began)
    arrived = began
    if len(starts_of(number)) > 1:
        yield exchange(request(body), response(503, [("X-Call", f"{number} start 0")]), arrived)
        arrived += WAIT
    named = [("Location", location_of(sid)), ("X-Call", f"{number} start 1")]
    yield exchange(request(body), response(201, named), arrived)
    delay = arrived - began
    for nth, (playhead, kind, params, statuses) in enumerate(events_of(number)):
        at = began + delay + (nth + 1) * 0.5
        delay_of_call = 0.0
        for attempt, status in enumerate(statuses):
            answer = response(status, [("X-Call", f"{number} {nth} {attempt}")]) if status else None
            yield sent(sid, event(kind, playhead, at, params or None), at + delay_of_call, answer)
            delay_of_call += WAIT


class Answered(NamedTuple):
    """An answer: its status, 0 for none, and which recorded call it is."""

    status: int
    call: str


class RetryingPlayer:
    """A player of one content, who compares each answer with the recorded one.

    Args:
        port: the port that it calls.
        number: the number of its content.
        dropped: the status that it gets where the recording has no answer.

    Attributes:
        wrong: what was answered instead of what was recorded.
    """

    def __init__(self, port: int, number: int, dropped: int) -> None:
        self.wrong: list[str] = []
        self._port = port
        self._number = number
        self._dropped = dropped

    async def play(self) -> None:
        """Play the session."""
        body = start_with({"media.id": f"clip-{self._number}"}) | {"playerTime": {"playhead": 0, "ts": now_ms()}}
        for attempt in starts_of(self._number):
            sid = await self._call(
                "/api/v1/sessions", body, Answered(503 if attempt == 0 else 201, f"{self._number} start {attempt}")
            )
            if attempt == 0:
                await asyncio.sleep(WAIT)
        for nth, (playhead, kind, params, statuses) in enumerate(events_of(self._number)):
            body = event(kind, playhead, 0, params or None) | {"playerTime": {"playhead": playhead, "ts": now_ms()}}
            for attempt, status in enumerate(statuses):
                if attempt:
                    await asyncio.sleep(WAIT)
                call = f"{self._number} {nth} {attempt}"
                expected = Answered(status, call) if status else Answered(self._dropped, "")
                await self._call(f"/api/v1/sessions/{sid}/events", body, expected)

    async def _call(self, path: str, body: dict[str, Any], expected: Answered) -> str:
        first, *lines = await _send(self._port, f"POST {path}", orjson.dumps(body))
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        told = Answered(int(first.split()[1]) if first else 0, headers.get("x-call", ""))
        if told != expected:
            self.wrong.append(f"expected {expected}, got {told}")
        return sid_of_location(headers.get("location")) or ""


async def _send(port: int, what: str, content: bytes) -> list[str]:
    """Send a request, and return the lines of the answer's head; an empty one if there is no answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"{what} HTTP/1.1\r\nHost: collection.example\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        + content
    )
    head, _, _ = (await reader.read()).decode("latin-1").partition("\r\n\r\n")
    writer.close()
    return head.split("\r\n")


def now_ms() -> int:
    return round(time.time() * 1000)


def wait_for_workers(port: int) -> None:
    """Wait until all workers answer: those that still start let calls wait as long as players do."""

    async def ask() -> None:
        await asyncio.gather(*(_send(port, "GET /", b"") for _ in range(50)))

    asyncio.run(ask())


def play_all(port: int, numbers: Sequence[int], dropped: int) -> list[str]:
    """Play contents at once, each by a player of its own; what was answered wrongly."""

    async def play() -> list[str]:
        players = [RetryingPlayer(port, number, dropped) for number in numbers]
        await asyncio.gather(*(player.play() for player in players))
        return [each for player in players for each in player.wrong]

    return asyncio.run(play())
