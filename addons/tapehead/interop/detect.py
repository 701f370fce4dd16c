"""Files that other tools have saved, told apart by what is in them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector
from tapehead.interop.har import read_har
from tapehead.protocol.content_coding import CodingError, decode_content
from tapehead.recording.paths import STDIN, name_of, unreadable
from tapehead.recording.zstd_frames import MAGIC

# What a packed file may unpack to, in bytes.
MOST_UNPACKED = 1024 * 1024 * 1024
_START_BYTES = 512
_BOM = b"\xef\xbb\xbf"
# How packed files begin: HAR is packed with gzip by people, and with zlib by mitmproxy (.zhar).
_PACKED = {b"\x1f\x8b": "gzip", MAGIC: "zstd"} | {bytes([0x78, level]): "deflate" for level in (0x01, 0x5E, 0x9C, 0xDA)}


def read_file(path: Path, sieve: CallCollector, warn: Callable[[str], None]) -> None:
    """Put what a file holds through a sieve.

    Args:
        path: a HAR or a flow file, packed or not; `-` for stdin.
        sieve: what takes the calls.
        warn: takes a line about what is wrong with the file.

    Raises:
        RecordingError: it cannot be read.
    """
    try:
        with _open(path) as file:
            _read(name_of(path), PeekableFile(file), sieve, warn)
    except OSError as error:
        raise unreadable(path, error, "*.har") from error


class PeekableFile:
    """A file whose first bytes are known before they are read.

    Attributes:
        start: those bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.start = self._rest = file.read(_START_BYTES)
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or fewer at the end; all without a size."""
        if size < 0:
            return self._read_all()
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece or self._file.read(size)

    def _read_all(self) -> bytes:
        rest, self._rest = self._rest, b""
        if not self._file.seekable():
            return rest + self._file.read()
        # Past the buffer, or else all of it would be in memory twice.
        raw: BinaryIO = getattr(self._file, "raw", self._file)
        raw.seek(self._file.tell() - len(rest))
        return raw.read()


def _read(name: str, file: PeekableFile, sieve: CallCollector, warn: Callable[[str], None]) -> None:
    coding = next((coding for magic, coding in _PACKED.items() if file.start.startswith(magic)), None)
    if coding:
        file = _unpack(name, file, coding)
    start = file.start.removeprefix(_BOM).lstrip()
    if start[:1] in (b"{", b"["):
        read_har(name, file.read(), sieve)
    elif start[:1].isdigit():
        from tapehead.interop.flow_files import read_flow_file

        read_flow_file(name, file, sieve, warn)
    elif file.start:
        raise RecordingError(f"{name} is neither a HAR nor a flow file of mitmproxy; save the traffic as one of them")
    else:
        raise RecordingError(f"{name} is empty; save the traffic again")


def _unpack(name: str, file: PeekableFile, coding: str) -> PeekableFile:
    try:
        return PeekableFile(BytesIO(decode_content(file.read(), coding, MOST_UNPACKED)))
    except CodingError as error:
        raise RecordingError(f"{name} is packed and cannot be unpacked: {error}; save it again") from error


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    if path == STDIN:
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        yield file
