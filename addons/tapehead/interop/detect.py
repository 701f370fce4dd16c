"""Detection of a file's format by its content, and unpacking of packed files."""

import codecs
import re
import stat
import sys
import zipfile
from collections.abc import Callable
from contextlib import nullcontext, suppress
from enum import Enum, auto
from functools import partial
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from tapehead.errors import RecordingError
from tapehead.interop.attachments import (
    MOST_OF_MEMBER,
    MOST_OF_MEMBERS,
    ArchiveFolder,
    Folder,
    har_members,
    open_archive,
)
from tapehead.interop.collector import CallCollector
from tapehead.interop.har import no_attachments, read_har
from tapehead.interop.har_bodies import Attachments
from tapehead.interop.unsupported_formats import unsupported_format
from tapehead.recording.documents import utf_16_of
from tapehead.recording.paths import STDIN, name_of, unreadable
from tapehead.recording.unpacking import StreamError, UnpackedFile, unpack
from tapehead.recording.zstd_frames import MAGIC
from tapehead.remote.url_paths import UrlPath
from tapehead.text import count_of

# The largest HAR or zip file, and the largest HAR in a packed file, in bytes: all of it is in memory.
MOST_BYTES = 1024 * 1024 * 1024
MOST_UNPACKED = 256 * 1024 * 1024
_START_BYTES, _PIECE_BYTES = 512, 1024 * 1024
# The first bytes of packed files: people pack HAR with gzip, mitmproxy with zlib (.zhar).
_PACKED = {b"\x1f\x8b": "gzip", MAGIC: "zstd"} | {bytes([0x78, level]): "deflate" for level in (0x01, 0x5E, 0x9C, 0xDA)}
_ZIP = b"PK\x03\x04"
_HAR = re.compile(rb'\s*\{\s*"log"\s*:|\s*\{.*"log"\s*:\s*\{', re.DOTALL)
_RECORDING = re.compile(rb'\s*\[?\s*\{\s*"tapehead"\s*:')
# A dictionary of mitmproxy: its length, then the length of its first key, and that key.
_FLOWS = re.compile(rb"\d{1,12}:\d{1,3}:[a-z_]+[;,]")
SAVE_HAR = "save the traffic as HAR, in a browser's developer tools with Network > Export HAR"
_NO_HAR = f"'{{name}}' is a zip file without a HAR file in it; {SAVE_HAR}"


class Format(Enum):
    """Formats that are read."""

    HAR = auto()
    FLOWS = auto()
    RECORDING = auto()


class PeekableFile:
    """A file whose first bytes are known before they are read.

    Args:
        file: the file.
        most: the number of bytes that `read_whole` returns at most.

    Attributes:
        start: those bytes.
    """

    def __init__(self, file: BinaryIO, most: int = MOST_BYTES) -> None:
        self.start = self._rest = file.read(_START_BYTES)
        self._file = file
        self._most = most

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer at the end."""
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece or self._file.read(size)

    def read_whole(self) -> bytes:
        """Return all of it.

        Raises:
            StreamError: it is too large.
        """
        content = BytesIO()
        while piece := self.read(_PIECE_BYTES):
            if content.tell() + len(piece) > self._most:
                raise StreamError(f"it has more than {self._most:,} bytes")
            content.write(piece)
        return content.getvalue()


def coding_of(start: bytes) -> str | None:
    """Return the content coding with which a file is packed; None if it is not."""
    return next((coding for magic, coding in _PACKED.items() if start.startswith(magic)), None)


def format_of(start: bytes) -> Format | None:
    """Return the format of a file that begins so, unpacked; None for any other."""
    text = _in_utf_8(start)
    if _RECORDING.match(text):
        return Format.RECORDING
    if _HAR.match(text):
        return Format.HAR
    return Format.FLOWS if _FLOWS.match(text) else None


def peek(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked; none of what is no file, or cannot be read."""
    start = b""
    with suppress(OSError, ValueError):
        if path == STDIN:
            # Only what is there: it stays for those who read.
            buffer = sys.stdin.buffer
            start = buffer.peek(_START_BYTES) if hasattr(buffer, "peek") else cast(BytesIO, buffer).getvalue()
        elif isinstance(path, UrlPath):
            start = path.read_start(_START_BYTES)
        elif stat.S_ISREG(path.stat().st_mode):
            with path.open("rb") as file:
                start = file.read(_START_BYTES)
    start = start[:_START_BYTES]
    if coding := coding_of(start):
        with suppress(StreamError):
            return next(filter(None, unpack(coding, [start])), b"")[:_START_BYTES]
    return start


def is_archive(path: Path, start: bytes) -> bool:
    """Return whether a file that begins so is a zip file with HAR files in it."""
    if not start.startswith(_ZIP) or unsupported_format(path.name, b""):
        return False
    if path == STDIN:
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(har_members(archive))
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def read_file(path: Path, collector: CallCollector, warn: Callable[[str], None]) -> set[Path]:
    """Collect the calls of a HAR or flow file, packed or not, or of a zip file with HAR files; `-` is stdin.

    Returns:
        The files beside it that are parts of it.

    Raises:
        RecordingError: the file cannot be read, or is none of these.
    """
    name = name_of(path)
    folder = Folder(path.parent) if path != STDIN else None
    collector.start_file(name)
    coding = None
    try:
        with nullcontext(sys.stdin.buffer) if path == STDIN else path.open("rb") as opened:
            file = PeekableFile(opened)
            if coding := coding_of(file.start):
                packed = iter(partial(file.read, _PIECE_BYTES), b"")
                file = PeekableFile(BufferedReader(UnpackedFile(coding, packed)), MOST_UNPACKED)
            if file.start.startswith(_ZIP) and not unsupported_format(name, b""):
                _read_archive(name, file.read_whole(), collector, warn)
            else:
                _read_plain(name, file, collector, warn, folder.read if folder else no_attachments)
    except StreamError as error:
        if coding:
            raise RecordingError(f"'{name}' is packed and cannot be unpacked: {error}; save it again") from error
        raise RecordingError(f"'{name}' cannot be read: {error}; save less traffic at once") from error
    except OSError as error:
        raise unreadable(path, error, "*.har") from error
    return folder.attached if folder else set()


def _read_archive(name: str, data: bytes, collector: CallCollector, warn: Callable[[str], None]) -> None:
    with open_archive(name, data) as archive:
        members = har_members(archive)
        if not members:
            raise RecordingError(_NO_HAR.format(name=name))
        if sum(archive.getinfo(member).file_size for member in members) > MOST_OF_MEMBERS:
            raise RecordingError(f"'{name}' unpacks to more than {MOST_OF_MEMBERS:,} bytes; save less traffic at once")
        broken: list[RecordingError] = []
        for member in members:
            collector.start_member(member)
            folder = ArchiveFolder(archive, member)
            try:
                read_har(f"{name}/{member}", _in_utf_8(_har_of(folder, name, member)), collector, folder.read)
            except RecordingError as error:
                broken.append(error)
            if folder.damaged:
                files = count_of(len(folder.damaged), "file")
                warn(f"{name}: {files} with a wrong checksum ({min(folder.damaged)}), used all the same")
        if len(broken) == len(members):
            raise broken[0]
        for each in broken:
            warn(str(each))


def _har_of(folder: ArchiveFolder, name: str, member: str) -> bytes:
    if (data := folder.read_member(member)) is None:
        raise RecordingError(f"'{name}/{member}' is damaged, or larger than {MOST_OF_MEMBER:,} bytes; save it again")
    return data


def _read_plain(
    name: str, file: PeekableFile, collector: CallCollector, warn: Callable[[str], None], attachments: Attachments
) -> None:
    start = _in_utf_8(file.start).lstrip()
    if advice := advice_on(name, file.start):
        raise RecordingError(advice)
    if start[:1] in (b"{", b"["):
        read_har(name, _in_utf_8(file.read_whole()), collector, attachments)
    elif start[:1].isdigit():
        from tapehead.interop.flow_files import read_flow_file

        read_flow_file(name, file, collector, warn)
    elif file.start:
        raise RecordingError(f"'{name}' is neither a HAR file nor a flow file of mitmproxy; {SAVE_HAR}")
    else:
        raise RecordingError(f"'{name}' is empty; save the traffic again")


def advice_on(name: str, start: bytes) -> str | None:
    """Return what to do with a file that cannot be read, by its name and beginning; None if they do not tell."""
    format_ = format_of(start)
    if format_:
        return None
    if unsupported := unsupported_format(name, start):
        return f"'{name}' is {unsupported.name}, which tapehead does not read; {unsupported.advice}"
    if start.startswith(_ZIP):
        return _NO_HAR.format(name=name)
    return None


def is_text_of_no_kind(start: bytes) -> bool:
    """Return whether a file that begins so can be none of the formats that are read."""
    return bool(start) and _in_utf_8(start).lstrip()[:1] not in (b"{", b"[")


def _in_utf_8(data: bytes) -> bytes:
    """Return text in UTF-8 without a byte order mark."""
    encoding = utf_16_of(data)
    return data.decode(encoding, "replace").encode() if encoding else data.removeprefix(codecs.BOM_UTF8)
