"""Players that send numbered events, each on a connection of its own, and note which were answered."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from tapehead.protocol.exchange import Entry, Exchange
from tapehead.recording.reader import read_recording
from tapehead.recording.writer import TIMEOUT_SECONDS as WRITER_SECONDS

# Hexadecimal digits as letters, and the characters of a word.
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_WORD = 40


def event_of(number: int, size: int = 0) -> bytes:
    """The body of the event with a number; `size` bytes of metadata, which do not compress well, make it longer.

    They are words, since whatever may identify a person gets a short pseudonym.
    """
    letters = random.Random(number).randbytes(size // 2).hex().translate(_LETTERS)
    words = {f"word{place}": letters[place : place + _WORD] for place in range(0, size, _WORD)}
    metadata = {"number": str(number), **words}
    place = {"playhead": number, "ts": 1_795_401_600_000 + number}
    return orjson.dumps({"eventType": "ping", "playerTime": place, "customMetadata": metadata})


def number_of(exchange: Exchange) -> int:
    """The number of the event in an exchange."""
    return int(orjson.loads(exchange.request.content())["customMetadata"]["number"])


def numbers_in(path: Path) -> list[int]:
    """The numbers of the events in a recording, in order."""
    return [number_of(item.exchange) for item in read_recording(path) if isinstance(item, Entry)]


class LoadGenerator:
    """Players that send events until there are no more, or nobody answers.

    Args:
        port: where to send them.
        numbers: the events' numbers; none for no end.
        size: the bytes of metadata in each.

    Attributes:
        answered: the numbers whose answers came.
        late: those of them whose answers did not wait for their place in the recording, or may not have.
    """

    def __init__(self, port: int, numbers: Iterable[int] | None = None, size: int = 0) -> None:
        self.answered: list[int] = []
        self.late: set[int] = set()
        self._port = port
        self._numbers: Iterator[int] = iter(itertools.count() if numbers is None else numbers)
        self._size = size

    def play(self, players: int = 8) -> None:
        """Play to the end."""
        asyncio.run(self._play_all(players))

    async def _play_all(self, players: int) -> None:
        await asyncio.gather(*(self._play() for _ in range(players)))

    async def _play(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                await self._send_all(reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()

    async def _send_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in self._numbers:
            body = event_of(number, self._size)
            head = f"POST /api/v1/sessions/abc/events HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            sent = time.monotonic()
            writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 204"), answer
            self.answered.append(number)
            if time.monotonic() - sent >= WRITER_SECONDS:
                self.late.add(number)
