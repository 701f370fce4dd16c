"""Evaluation by executors: each exchange goes to the one that has its part, which evaluates it as `--jobs` does."""

import heapq
import marshal
import mmap
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tapehead.auditor.divided_audit import NotDivisibleError, Step
from tapehead.errors import RecordingError
from tapehead.files import TemporaryRows
from tapehead.protocol.exchange import FORMAT_VERSION, Entry, encode
from tapehead.recording.clock_offsets import ClockOffset, Recorder, correct_clock
from tapehead.recording.format_versions import parse_line
from tapehead.recording.reader import stored_lines
from tapehead.recording.unpacking import StreamError
from tapehead.reports.audit.result_rows import AuditSetup, PartRows, UndividedRows
from tapehead.spark.division import BlockPlace, LineSteps
from tapehead.spark.source_files import Opened, pack

# Bytes of exchanges that are sent to a part at once, and results that are sent back at once.
_SENT_BYTES, _SENT_RESULTS = 64_000, 200
# Stands for the results of a part whose sessions cannot be evaluated without the others.
NOT_DIVISIBLE = b""
_CURRENT = b'{"tapehead":%d,' % FORMAT_VERSION


class Evaluation(NamedTuple):
    """The options and the division of an audit, as executors need them to evaluate sessions.

    Attributes:
        setup: the options of the audit.
        blocks: as in `Division`.
        counts: as in `Division`.
        offsets: the offsets of recorders' clocks.
        times_name: the name of the file with the times, as Spark sends it.
        steps_name: the name of the file with the steps.
        is_whole: whether one part has everything.
        has_pages: whether pages show timelines and bodies, for which one part has everything.
    """

    setup: AuditSetup
    blocks: Mapping[str, Sequence[BlockPlace]]
    counts: Sequence[int]
    offsets: Mapping[Recorder, ClockOffset]
    times_name: str
    steps_name: str
    is_whole: bool
    has_pages: bool


def send_lines(evaluation: Evaluation, opened: Opened) -> Iterator[tuple[int, bytes]]:
    """Yield the steps of a recording's lines, with their exchanges, in blocks for each part.

    Raises:
        RecordingError: the recording is another one than when its items were read.
    """
    file, chunks = opened
    steps = LineSteps(_path_of(evaluation.steps_name), evaluation.blocks.get(file.name, ()))
    waiting: dict[int, list[tuple[int, Step]]] = {}
    sizes: dict[int, int] = {}
    with suppress(StreamError):  # told when its items were read
        for number, line in enumerate(stored_lines(chunks), 1):
            own = steps.of(number)
            if not own:
                continue
            content = _content_of(line or b"", number, file.name, evaluation.offsets)
            for _, part, order, before, session, sid, after in own:
                step = before, session, sid, after, file.name, number, content
                waiting.setdefault(part, []).append((order, step))
                sizes[part] = sizes.get(part, 0) + len(content)
                if sizes[part] > _SENT_BYTES:
                    sizes[part] = 0
                    yield part, marshal.dumps(sorted(waiting.pop(part)))
    if steps.left:
        raise RecordingError(f"'{file.name}' was changed while it was audited; audit again")
    for part, left in waiting.items():
        yield part, marshal.dumps(sorted(left))


def _content_of(line: bytes, number: int, name: str, offsets: Mapping[Recorder, ClockOffset]) -> bytes:
    """Return a line as this version writes it, with the time by the reference's clock."""
    if not offsets and line.startswith(_CURRENT) and line.count(b'"tapehead"') == 1:
        return line
    try:
        entry = Entry(number, parse_line(line), name)
    except ValueError as error:
        raise RecordingError(f"'{name}' was changed while it was audited; audit again") from error
    return encode(correct_clock(entry, offsets).exchange)


def evaluate_parts(evaluation: Evaluation, blocks: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """Yield the packed results of the part that has all these blocks; NOT_DIVISIBLE if it cannot be evaluated.

    Raises:
        RecordingError: steps are missing.
    """
    received = _ReceivedSteps()
    part = 0
    for part, content in blocks:  # noqa: B007 - the last one's; all have the same
        received.add(content)
    if not received.count:
        return
    if received.count != evaluation.counts[part]:
        raise RecordingError("recordings were changed while they were audited; audit again")
    if evaluation.is_whole:
        results = UndividedRows(evaluation.setup, evaluation.has_pages).follow(received.in_order())
    else:
        results = PartRows(evaluation.setup).follow(_times(evaluation.times_name), received.in_order())
    waiting: list[Any] = []
    try:
        for numbered in results:
            waiting.append(numbered)
            if len(waiting) >= _SENT_RESULTS:
                yield pack(waiting)
                waiting.clear()
    except NotDivisibleError:
        yield NOT_DIVISIBLE
    yield pack(waiting)


class _ReceivedSteps:
    """The steps of a part, in a temporary file if they are many.

    Attributes:
        count: the number of steps.
    """

    def __init__(self) -> None:
        self._rows = TemporaryRows(lambda _error: None)
        # The first step of each block, and its row.
        self._firsts: list[tuple[int, int]] = []
        self.count = 0

    def add(self, content: bytes) -> None:
        """Take a block of steps, each with its number, in order."""
        steps = marshal.loads(content)  # noqa: S302 - from this audit's processes
        self.count += len(steps)
        self._firsts.append((steps[0][0], len(self._rows)))
        self._rows.append(content)

    def in_order(self) -> Iterator[Step]:
        """Yield the steps in the order of their numbers; blocks are read when their first step is due."""
        heap: list[tuple[int, int, Step, Iterator[tuple[int, Step]]]] = []
        for first, row in sorted(self._firsts):
            while heap and heap[0][0] < first:
                yield _next_of(heap)
            steps = iter(marshal.loads(self._rows[row]))  # noqa: S302 - from this audit's processes
            number, step = next(steps)
            heapq.heappush(heap, (number, row, step, steps))
        while heap:
            yield _next_of(heap)


def _next_of(heap: list[tuple[int, int, Step, Iterator[tuple[int, Step]]]]) -> Step:
    _, row, step, steps = heap[0]
    following = next(steps, None)
    if following is None:
        heapq.heappop(heap)
    else:
        heapq.heapreplace(heap, (*following[:1], row, following[1], steps))
    return step


def _times(name: str) -> Sequence[float]:
    """Return the times of all exchanges, of which those are read that are asked for."""
    with Path(_path_of(name)).open("rb") as file:
        try:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)).cast("d")
        except ValueError:  # it is empty
            return array("d")


def _path_of(name: str) -> str:
    """Return the path of a file that Spark has sent."""
    from pyspark import SparkFiles

    return SparkFiles.get(name)
