"""Days in half an hour: a hundred players through tapehead record, with its memory, descriptors and latency watched.

cd tests && python -m bench.soak --minutes 30
"""

import argparse
import asyncio
import contextlib
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from support.exchanges import event, start_with
from support.processes import Command, running
from tapehead.protocol.exchange import Entry
from tapehead.protocol.routes import location_of, sid_of_location
from tapehead.recording.reader import read_recording

PINGS = 30
# Of all sessions, how many end in the middle of a call.
ABORTED = 0.05
# Seconds that connections have to close in the end.
SETTLING = 10


class Sample(NamedTuple):
    """Measurements of one stretch of time: memory in MB, open descriptors, calls, and latencies in milliseconds."""

    minute: float
    memory: float
    descriptors: int
    calls: int
    median: float
    slowest: float


class Soaked(NamedTuple):
    """The result: answers that players got and that are recorded, open descriptors before and after all of it."""

    samples: list[Sample]
    answered: int
    recorded: int
    before: int
    after: int
    code: int


class Player:
    """Plays sessions, each on a connection of its own, a call every `pace` seconds."""

    def __init__(self, port: int, number: int, pace: float, took: list[float]) -> None:
        self._port = port
        self._chance = random.Random(number)
        self._pace = pace
        self._took = took

    async def play(self, until: float) -> None:
        """Play until a time on the clock of the loop."""
        await asyncio.sleep(self._chance.uniform(0, self._pace))
        while time.monotonic() < until:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            with contextlib.closing(writer):
                await self._session(reader, writer, until)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, until: float) -> None:
        now = time.time()
        body = start_with({"media.id": f"clip-{self._chance.randrange(50)}"})
        answer = await self._call(reader, writer, "/api/v1/sessions", body)
        location = next(line for line in answer.splitlines() if line.lower().startswith("location:"))
        path = f"{location_of(sid_of_location(location.partition(': ')[2]) or '')}/events"
        for nth in range(PINGS):
            if time.monotonic() > until:
                return
            await asyncio.sleep(self._pace)
            if self._chance.random() < ABORTED / PINGS:
                writer.write(b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
                return
            ping = event("ping", nth * 10)
            ping["playerTime"]["ts"] = int((now + nth * self._pace) * 1000)
            await self._call(reader, writer, path, ping)
        await self._call(reader, writer, path, event("sessionEnd", PINGS * 10))

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: object) -> str:
        content = orjson.dumps(body)
        head = f"POST {path} HTTP/1.1\r\nHost: example.hb-api.omtrdc.net\r\nContent-Type: application/json\r\n"
        began = time.perf_counter()
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self._took.append((time.perf_counter() - began) * 1000)
        assert answer.startswith(("HTTP/1.1 201", "HTTP/1.1 204")), answer
        return answer


def _descriptors(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


async def _settle(process: int, before: int) -> int:
    """The open descriptors once connections had some time to close."""
    patience = time.monotonic() + SETTLING
    while _descriptors(process) > before and time.monotonic() < patience:
        await asyncio.sleep(0.1)
    return _descriptors(process)


def _look(process: int, minute: float, took: list[float]) -> Sample:
    status = Path(f"/proc/{process}/status").read_text()
    memory = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
    descriptors = _descriptors(process)
    ordered = sorted(took) or [0.0]
    slowest = ordered[int(len(ordered) * 0.99)]
    return Sample(minute, memory, descriptors, len(took), statistics.median(ordered), slowest)


async def _soak(proxy: Command, players: int, pace: float, minutes: float, stretches: int) -> Soaked:
    took: list[float] = []
    samples: list[Sample] = []
    began, process = time.monotonic(), proxy.process.pid
    before = _descriptors(process)
    load = [Player(proxy.port, number, pace, took).play(began + minutes * 60) for number in range(players)]
    playing = asyncio.gather(*load)
    for nth in range(1, stretches + 1):
        await asyncio.sleep(max(0.0, began + nth * minutes * 60 / stretches - time.monotonic() - 0.2))
        samples.append(_look(process, (time.monotonic() - began) / 60, took))
        _show(samples[-1])
        took.clear()
    await playing
    answered = sum(sample.calls for sample in samples) + len(took)
    return Soaked(samples, answered, 0, before, await _settle(process, before), 0)


def _recorded(folder: Path) -> int:
    """Count the answers in the recordings in a folder."""
    items = (item for path in folder.glob("soak*") for item in read_recording(path))
    return sum(1 for item in items if isinstance(item, Entry) and item.exchange.response)


def _show(sample: Sample) -> None:
    print(
        f"{sample.minute:6.1f} min {sample.memory:8.1f} MB {sample.descriptors:5} descriptors"
        f" {sample.calls:7} calls {sample.median:7.1f} ms {sample.slowest:7.1f} ms (99%)",
        flush=True,
    )


def _conclude(samples: Sequence[Sample]) -> None:
    """Compare the second quarter, when it is warm, with the last."""
    quarter = max(1, len(samples) // 4)
    warm, last = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    for name, unit in (("memory", "MB"), ("descriptors", ""), ("median", "ms"), ("slowest", "ms")):
        before, after = (statistics.median(getattr(each, name) for each in part) for part in (warm, last))
        print(f"{name:<12} {before:8.1f} -> {after:8.1f} {unit}")


def main(argv: Sequence[str] | None = None) -> Soaked:
    """Soak, and print what was seen."""
    parser = argparse.ArgumentParser(description="a hundred players through tapehead record")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--players", type=int, default=100)
    parser.add_argument("--pace", type=float, default=1.0, help="seconds between the calls of a player")
    parser.add_argument("--stretches", type=int, default=30, help="how often to look")
    told = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory() as folder,
        running("serve", "-q") as endpoint,
        running("record", "-q", "--to", endpoint.url, "--out", f"{folder}/soak.jsonl.zst", "--rotate", "4MB") as proxy,
    ):
        soaked = asyncio.run(_soak(proxy, told.players, told.pace, told.minutes, told.stretches))
        soaked = soaked._replace(code=proxy.stop(), recorded=_recorded(Path(folder)))
        print(proxy.lines[-1])
    _conclude(soaked.samples)
    print(f"{soaked.answered:,} calls answered, {soaked.recorded:,} recorded")
    print(f"{soaked.before} descriptors before, {soaked.after} after")
    return soaked


if __name__ == "__main__":
    main()
