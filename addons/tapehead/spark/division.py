"""The division of an audit into parts, in files that executors get: what each line of a recording is for."""

import marshal
from array import array
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tapehead.auditor.arrival_order import sort_by_arrival
from tapehead.auditor.divided_audit import divide
from tapehead.protocol.exchange import Entry
from tapehead.spark.source_files import pack, unpack

_BATCH_BYTES, _BATCH_EXCHANGES = 16_000_000, 2000
_BLOCK_LINES = 2000

# What an executor does with a line of a recording: the line; the part; the number of the step in its part; then a step
# without recording, line and content: the number of exchanges before, session, its id, and what came after.
LineStep = tuple[int, int, int, int, int | None, str | None, bool | None]


class BlockPlace(NamedTuple):
    """A block of line steps in a file: where it begins, its length, and the lowest line in it."""

    start: int
    length: int
    first_line: int


class Division(NamedTuple):
    """A divided audit.

    Attributes:
        parts: the number of parts.
        times_path: a file with the times of all exchanges, an array of doubles.
        steps_path: a file with the steps of the lines of all recordings, in blocks.
        blocks: the blocks of each recording by its name.
        ends: packed steps that belong to no line, each with its part.
        counts: the number of steps of each part.
    """

    parts: int
    times_path: Path
    steps_path: Path
    blocks: dict[str, list[BlockPlace]]
    ends: list[tuple[int, bytes]]
    counts: list[int]


class _DivisionWriter:
    """Writer of the steps of an audit into files as they come; a context manager, at whose end the files are closed."""

    def __init__(self, folder: Path, parts: int) -> None:
        # Executors get the files by their names, and take no second file of one name.
        self._times, self._steps = (folder / f"{folder.name}-{name}" for name in ("times", "steps"))
        self._times_file, self._steps_file = self._times.open("wb"), self._steps.open("wb")
        self._waiting: dict[str, list[LineStep]] = {}
        self._blocks: dict[str, list[BlockPlace]] = {}
        self._ends: list[list[tuple[int, tuple[int, int, int]]]] = [[] for _ in range(parts)]
        self._packed_ends: list[tuple[int, bytes]] = []
        self.counts = [0] * parts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._times_file.close()
        self._steps_file.close()

    def add_times(self, times: bytes) -> None:
        self._times_file.write(times)

    def add_line(self, part: int, recording: str, line: int, step: tuple[Any, ...]) -> None:
        waiting = self._waiting.setdefault(recording, [])
        waiting.append((line, part, self.counts[part], *step))
        self.counts[part] += 1
        if len(waiting) >= _BLOCK_LINES:
            self._write(recording, waiting)

    def add_end(self, part: int, step: tuple[int, int, int]) -> None:
        self._ends[part].append((self.counts[part], step))
        self.counts[part] += 1
        if len(self._ends[part]) >= _BLOCK_LINES:
            self._pack_ends(part)

    def _pack_ends(self, part: int) -> None:
        self._packed_ends.append((part, marshal.dumps(self._ends[part])))
        self._ends[part].clear()

    def _write(self, recording: str, waiting: list[LineStep]) -> None:
        content = pack(waiting)
        place = BlockPlace(self._steps_file.tell(), len(content), min(step[0] for step in waiting))
        self._steps_file.write(content)
        self._blocks.setdefault(recording, []).append(place)
        waiting.clear()

    def finish(self) -> Division:
        for recording, waiting in self._waiting.items():
            if waiting:
                self._write(recording, waiting)
        for part, ends in enumerate(self._ends):
            if ends:
                self._pack_ends(part)
        return Division(len(self.counts), self._times, self._steps, self._blocks, self._packed_ends, self.counts)


def divide_into_parts(entries: Iterable[Entry], parts: int, folder: Path) -> Division:
    """Divide an audit by sessions.

    Args:
        entries: the exchanges, which may be outlines, as for `audit`.
        parts: the number of parts.
        folder: an empty folder, for the files of the division; of a name that no other division of the audit has.

    Raises:
        NotDivisibleError: one audit has to read all exchanges.
        OSError: the files cannot be written.
    """
    passed = 0
    with _DivisionWriter(folder, parts) as writer:
        for (times, steps), _ in divide(entries, parts, _BATCH_BYTES, _BATCH_EXCHANGES):
            for part, own in enumerate(steps):
                for step in own:
                    if len(step) == 3:
                        writer.add_end(part, (passed + step[0], step[1], step[2]))
                    else:
                        before, number, sid, after, recording, line, _ = step
                        writer.add_line(part, recording, line, (passed + before, number, sid, after))
            writer.add_times(times)
            passed += len(times) // array("d").itemsize
        return writer.finish()


def leave_undivided(entries: Iterable[Entry], shown: set[tuple[str, int]], folder: Path) -> Division:
    """Return the division of an audit into one part, which has all exchanges in order of arrival.

    Args:
        entries: the exchanges, which may be outlines, as for `audit`.
        shown: the exchanges whose bodies a page shows, each by recording and line; those that are done are removed.
        folder: as for `divide_into_parts`.
    """
    with _DivisionWriter(folder, 1) as writer:
        for entry in sort_by_arrival(entries):
            place = entry.recording, entry.line
            writer.add_line(0, *place, (0, 0, None, place in shown))
            shown.discard(place)
        return writer.finish()


class LineSteps:
    """The steps of the lines of a recording, which is read from its first line on.

    Args:
        path: the file with the steps.
        places: the places of the recording's blocks in it.
    """

    def __init__(self, path: str, places: Iterable[BlockPlace]) -> None:
        self._path = path
        self._places = sorted(places, key=lambda place: place.first_line, reverse=True)
        self._steps: dict[int, list[LineStep]] = {}

    def of(self, line: int) -> list[LineStep]:
        """Return the steps of a line; of one that comes after those that were asked for."""
        while self._places and self._places[-1].first_line <= line:
            place = self._places.pop()
            with Path(self._path).open("rb") as file:
                file.seek(place.start)
                for step in unpack(file.read(place.length)):
                    self._steps.setdefault(step[0], []).append(tuple(step))
        return self._steps.pop(line, [])

    @property
    def left(self) -> int:
        """The number of lines and blocks that were not asked for."""
        return len(self._steps) + len(self._places)
