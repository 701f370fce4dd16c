"""Reading of recordings by executors: each item of a recording, with no more than its place depends on."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from tapehead.errors import RecordingError
from tapehead.protocol.clock_reading import read_clocks
from tapehead.protocol.exchange import Entry
from tapehead.protocol.outline import EventOutline, encode_outline, is_plain, outline_of
from tapehead.recording.clock_offsets import ClockComparison
from tapehead.recording.duplicates import content_key
from tapehead.recording.format_versions import BadLine
from tapehead.recording.reader import read_chunks
from tapehead.remote.url_paths import OtherUrlPath
from tapehead.spark.source_files import Opened, pack

_BLOCK_ITEMS = 2000
_BLOCK_BYTES = 1_000_000


class ItemKind(IntEnum):
    """The kinds of packed items.

    A packed item is its kind and its line, and the outline's bytes (EVENT), the whole line (OUTLINED if its outline can
    be read, or else WHOLE), or the reason, and whether the line was cut short (BAD). FAILED has the reason why a file
    cannot be read from there on, and no line.
    """

    EVENT = 0
    OUTLINED = 1
    WHOLE = 2
    BAD = 3
    FAILED = 4


# Instead of a block's number: the clocks in a file.
CLOCKS = -1


class _LinesRead:
    """The line that was read last, and the clocks in all that were read."""

    def __init__(self) -> None:
        self.line: bytes | None = None
        self.clocks = ClockComparison()

    def note(self, lines: Iterator[bytes | None]) -> Iterator[bytes | None]:
        for self.line in lines:
            if self.line and (reading := read_clocks(self.line)):
                self.clocks.add("", reading)
            yield self.line


def pack_items(opened: Opened) -> Iterator[tuple[int, int, bytes]]:
    """Yield the items of a file in blocks, then its clocks: the number of the file, that of the block, and content."""
    file, chunks = opened
    last, block, size, number = _LinesRead(), list[tuple[Any, ...]](), 0, 0
    try:
        for item in read_chunks(OtherUrlPath(file.name), chunks, last.note):
            block.append(_packed(item, last.line or b""))
            size += len(last.line or b"")
            if len(block) >= _BLOCK_ITEMS or size > _BLOCK_BYTES:
                yield file.number, number, pack(block)
                number, size = number + 1, 0
                block.clear()
    except RecordingError as error:
        block.append((int(ItemKind.FAILED), str(error)))
    yield file.number, number, pack(block)
    yield file.number, CLOCKS, pack(last.clocks.samples())


def _packed(item: Entry | BadLine, line: bytes) -> tuple[Any, ...]:
    if isinstance(item, BadLine):
        return int(ItemKind.BAD), item.line, item.reason, item.torn
    outline: EventOutline | None = outline_of(line)
    if outline is None:
        return int(ItemKind.WHOLE), item.line, line
    if is_plain(outline):
        return int(ItemKind.EVENT), item.line, encode_outline(outline, content_key(outline))
    return int(ItemKind.OUTLINED), item.line, line
