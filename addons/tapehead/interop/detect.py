"""Detection of a file's format by its content, and unpacking of packed files."""

import codecs
import sys
from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector
from tapehead.interop.har import read_har
from tapehead.protocol.content_coding import CodingError, decode_content
from tapehead.recording.paths import STDIN, name_of, unreadable
from tapehead.recording.zstd_frames import MAGIC

# The largest size of a packed file's content, in bytes.
MOST_UNPACKED = 1024 * 1024 * 1024
_START_BYTES = 512
# The first bytes of packed files: people pack HAR with gzip, mitmproxy with zlib (.zhar).
_PACKED = {b"\x1f\x8b": "gzip", MAGIC: "zstd"} | {bytes([0x78, level]): "deflate" for level in (0x01, 0x5E, 0x9C, 0xDA)}


class PeekableFile:
    """A file whose first bytes are known before they are read.

    Attributes:
        start: those bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.start = self._rest = file.read(_START_BYTES)
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, or fewer at the end; all without a size."""
        if size >= 0:
            piece, self._rest = self._rest[:size], self._rest[size:]
            return piece or self._file.read(size)
        rest, self._rest = self._rest, b""
        if not self._file.seekable():
            return rest + self._file.read()
        # Past the buffer, or else all of it would be in memory twice.
        raw: BinaryIO = getattr(self._file, "raw", self._file)
        raw.seek(self._file.tell() - len(rest))
        return raw.read()


def read_file(path: Path, collector: CallCollector, warn: Callable[[str], None]) -> None:
    """Collect the calls of a HAR or flow file, packed or not; `-` is stdin.

    Raises:
        RecordingError: the file cannot be read, or is neither.
    """
    name = name_of(path)
    try:
        with nullcontext(sys.stdin.buffer) if path == STDIN else path.open("rb") as opened:
            file = PeekableFile(opened)
            coding = next((coding for magic, coding in _PACKED.items() if file.start.startswith(magic)), None)
            if coding:
                file = PeekableFile(BytesIO(decode_content(file.read(), coding, MOST_UNPACKED)))
            start = file.start.removeprefix(codecs.BOM_UTF8).lstrip()
            if start[:1] in (b"{", b"["):
                read_har(name, file.read(), collector)
            elif start[:1].isdigit():
                from tapehead.interop.flow_files import read_flow_file

                read_flow_file(name, file, collector, warn)
            elif file.start:
                raise RecordingError(f"{name} is neither a HAR file nor a flow file of mitmproxy")
            else:
                raise RecordingError(f"{name} is empty; save the traffic again")
    except CodingError as error:
        raise RecordingError(f"{name} is packed and cannot be unpacked: {error}; save it again") from error
    except OSError as error:
        raise unreadable(path, error, "*.har") from error
