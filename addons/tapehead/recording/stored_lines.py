"""The lines of a recording that stay in its file, and are read again when they are needed."""

import codecs
import os
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tapehead.errors import RecordingError
from tapehead.protocol.exchange import Entry, Exchange, decode
from tapehead.recording.documents import is_appendable
from tapehead.recording.format_versions import convert, version_of
from tapehead.recording.paths import name_of
from tapehead.recording.unpacking import recording_coding

# More than decides about the form of a recording.
_SAMPLE_BYTES = 16 * 1024


class StoredLines:
    """The places of a recording's lines, with a check of each: twelve bytes a line.

    The file stays open, so that one that is removed or replaced is read as it was.

    Args:
        path: the recording: a plain file in which each exchange has a line.
        correct: returns an entry as the reader yields it, with the time by another clock.

    Raises:
        OSError: the file cannot be opened.
    """

    _file = -1  # also where it cannot be opened

    def __init__(self, path: Path, correct: Callable[[Entry], Entry]) -> None:
        self._name = name_of(path)
        self._correct = correct
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._ends = array("Q", [0])
        self._checks = array("I")

    def __del__(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)

    def note(self, lines: Iterable[bytes | None]) -> Iterator[bytes | None]:
        """Yield the lines of the recording, and note their places, up to one that is too long to be read."""
        add_end, add_check, checksum = self._ends.append, self._checks.append, zlib.crc32
        lines, end = iter(lines), 0
        for line in lines:
            if line is None:
                yield None
                break
            end += len(line)
            add_end(end)
            add_check(checksum(line))
            yield line
        yield from lines

    def has(self, line: int) -> bool:
        """Return whether the place of a line is known."""
        return line <= len(self._checks)

    def read(self, line: int) -> Exchange:
        """Return the exchange in a line.

        Raises:
            RecordingError: the file was changed, or cannot be read.
        """
        start, end = self._ends[line - 1], self._ends[line]
        try:
            content = os.pread(self._file, end - start, start)
        except OSError as error:
            raise RecordingError(f"cannot read '{self._name}': {error.strerror}") from error
        if zlib.crc32(content) != self._checks[line - 1]:
            raise RecordingError(f"'{self._name}' was changed while it is replayed, line {line} or before; start again")
        return self._correct(Entry(line, decode(convert(content, version_of(content))), self._name)).exchange


def has_stored_lines(path: Path) -> bool:
    """Return whether a file is one in which each exchange has a line, plain and in UTF-8."""
    try:
        if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file may raise
            return False
        with path.open("rb", buffering=0) as file:
            start = file.read(_SAMPLE_BYTES)
    except OSError:  # reported once it is read
        return False
    return is_appendable(start) and not (recording_coding(start) or start.startswith(codecs.BOM_UTF8))
