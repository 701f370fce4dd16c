"""Recordings that executors have read: their items, kept in a temporary file of this process."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tapehead.errors import RecordingError
from tapehead.files import TemporaryRows
from tapehead.protocol.exchange import Entry
from tapehead.protocol.outline import decode_outline, outline_of
from tapehead.recording.clock_offsets import ClockComparison
from tapehead.recording.format_versions import BadLine, parse_line
from tapehead.recording.paths import FoundInputs, name_of
from tapehead.spark.reading import CLOCKS, ItemKind
from tapehead.spark.source_files import SourceFile, unpack


class FetchedFiles:
    """The items of some recordings, as executors send them.

    Args:
        inputs: the recordings.
        files: the same recordings as executors read them, in the same order.
        on_error: called with the reason, once, if a temporary file cannot be written.
    """

    def __init__(self, inputs: FoundInputs, files: Iterable[SourceFile], on_error: Callable[[OSError], None]) -> None:
        self._inputs = inputs
        self.files = list(files)
        self._numbers = {file.path: number for number, file in enumerate(inputs.files)}
        self._rows = TemporaryRows(on_error)
        # By file: the rows of its blocks.
        self._blocks = [array("L") for _ in self.files]
        # By file: the row of its clocks.
        self._clocks: dict[int, int] = {}

    def add(self, blocks: Iterable[tuple[int, int, bytes]]) -> None:
        """Take blocks of items, as `pack_items` yields them, all of a file at once."""
        for number, block, content in sorted(blocks, key=lambda block: block[:2]):
            if block == CLOCKS:
                self._clocks[number] = len(self._rows)
            else:
                self._blocks[number].append(len(self._rows))
            self._rows.append(content)

    def find_inputs(self, _paths: object, _warn: object) -> FoundInputs:
        """Return the recordings."""
        return self._inputs

    def items(self, path: Path) -> Iterator[Entry | BadLine]:
        """Yield the entries and the bad lines of a recording, in order.

        Raises:
            RecordingError: it cannot be read.
        """
        name = name_of(path)
        for kind, *rest in self._packed(path):
            match kind:
                case ItemKind.EVENT:
                    yield Entry(rest[0], decode_outline(rest[1]), name)
                case ItemKind.OUTLINED:
                    yield Entry(rest[0], outline_of(rest[1]) or parse_line(rest[1]), name)
                case ItemKind.WHOLE:
                    yield Entry(rest[0], parse_line(rest[1]), name)
                case ItemKind.BAD:
                    yield BadLine(*rest)
                case _:
                    raise RecordingError(rest[0])

    def compare_clocks(self, path: Path, comparison: ClockComparison) -> None:
        """Have a comparison take the clocks in the lines of a recording."""
        if (row := self._clocks.get(self._numbers[path])) is not None:
            comparison.add_samples(name_of(path), unpack(self._rows[row]))

    def _packed(self, path: Path) -> Iterator[list[Any]]:
        blocks = self._blocks[self._numbers[path]]
        if not blocks:
            raise RecordingError(
                f"Spark did not read '{name_of(path)}', as files whose names begin with '.' or '_'; rename it"
            )
        for row in blocks:
            yield from unpack(self._rows[row])
