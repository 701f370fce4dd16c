"""A recording on disk that is being written: claimed and locked, mended where a crash cut it short, appended to.

What is appended is there as a whole or not at all: a write that the disk refuses in its middle is taken back. With the
suffix .zst a recording is a stream of zstd frames with a block that ends after each write, so what was written can be
read after a crash as well as plain text can.
"""

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

import zstandard

from tapehead.errors import RecordingError
from tapehead.recording.paths import COMPRESSED_SUFFIX, private
from tapehead.recording.reader import check_recording
from tapehead.recording.zstd_frames import END, MAGIC, whole_extent

# The plain bytes after which a frame ends: what damage to the disk can cost, and what has to be unpacked at once.
FRAME_BYTES = 1_000_000


class _Coder(Protocol):
    """How lines become bytes of the file."""

    is_open: bool

    def encode(self, lines: Sequence[bytes]) -> bytes:
        """The bytes to be appended for some lines."""
        ...

    def resume(self, *, is_open: bool) -> None:
        """Go on behind what the file holds, whose last frame may be unfinished."""
        ...

    def mend(self, file: int) -> None:
        """Look at what somebody else has written, and make its end fit to be gone on behind.

        Raises:
            ValueError: it is of the other kind.
        """
        ...


class _Plain:
    """Lines as they are."""

    is_open = False

    def encode(self, lines: Sequence[bytes]) -> bytes:
        return b"".join(lines)

    def resume(self, *, is_open: bool) -> None:
        """Nothing is ever left open."""

    def mend(self, file: int) -> None:
        """End a line that a crash cut short, so that the next exchange begins on a line of its own."""
        if os.pread(file, len(MAGIC), 0) == MAGIC:
            raise ValueError(f"is compressed; name it so, with {COMPRESSED_SUFFIX} at the end")
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            _write(file, b"\n")


class _Zstd:
    """Lines in zstd frames; a block ends after each call."""

    def __init__(self) -> None:
        self.is_open = False
        self._lead = b""
        self._in_frame = 0
        self._frame: zstandard.ZstdCompressionObj | None = None

    def encode(self, lines: Sequence[bytes]) -> bytes:
        plain = b"".join(lines)
        if self._frame is None:
            self._frame, self._in_frame = zstandard.ZstdCompressor().compressobj(), 0
        encoded = self._lead + self._frame.compress(plain) + self._frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self._in_frame += len(plain)
        if self._in_frame < FRAME_BYTES:
            self.is_open, self._lead = True, b""
            return encoded
        self.resume(is_open=False)
        return encoded + END

    def resume(self, *, is_open: bool) -> None:
        self._frame = None
        self.is_open = is_open
        self._lead = END if is_open else b""

    def mend(self, file: int) -> None:
        """Cut off a block that is not whole, and end the frame and the line, which may be half a one."""
        try:
            extent = whole_extent(lambda offset, size: os.pread(file, size, offset))
        except ValueError as error:
            raise ValueError(f"is not compressed with zstd, as its name says: {error}") from error
        is_torn = extent.end < os.fstat(file).st_size
        if is_torn:
            os.ftruncate(file, extent.end)
        if is_torn or extent.is_open:
            _write(file, (END if extent.is_open else b"") + zstandard.compress(b"\n"))
        self.resume(is_open=False)


class RecordingFile:
    """A recording open for appending, by this process alone.

    Args:
        path: the file; its directory is made if need be, the file gets mode 0600. Compressed if it ends in .zst.
        append: whether a recording that is there may be added to.
        overwrite: whether it may be replaced, which is done with the first exchange. With neither, the file must not
            be there, or be empty.

    Raises:
        RecordingError: it cannot be opened, another process writes it, or what is there is no recording.
    """

    def __init__(self, path: Path, *, append: bool = False, overwrite: bool = False) -> None:
        self.path = path
        self._coder: _Coder = _Zstd() if path.suffix == COMPRESSED_SUFFIX else _Plain()
        self._made: Path | None = None
        self._refused = False
        try:
            self._made = _make_directory(path.parent)
            self._file = private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            self._claim(append=append, overwrite=overwrite)
        except IsADirectoryError as error:
            raise RecordingError(f"{path} is a directory; name a file in it") from error
        except OSError as error:
            raise RecordingError(f"cannot write {path}: {error.strerror}") from error

    def _claim(self, *, append: bool, overwrite: bool) -> None:
        try:
            _lock(self._file, self.path)
            self.size = os.fstat(self._file).st_size
            self._replaces = bool(self.size) and overwrite
            if self.size:
                self._check(may_be_there=append or overwrite)
        except (OSError, RecordingError):
            os.close(self._file)
            raise

    def _check(self, *, may_be_there: bool) -> None:
        """Make sure that what is there is a recording that may be added to or replaced."""
        if not may_be_there:
            raise RecordingError(f"{self.path} exists; say --append to add to it, --overwrite to replace it")
        check_recording(self.path)
        if not self._replaces:
            self._mend()

    def _mend(self) -> None:
        try:
            self._coder.mend(self._file)
        except ValueError as error:
            raise RecordingError(f"{self.path} {error}") from error
        self.size = os.fstat(self._file).st_size

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines, each with its newline: all of them or none.

        Raises:
            OSError: the disk does not take them.
            RecordingError: somebody else wrote into the file.
        """
        self._prepare()
        was_open = self._coder.is_open
        encoded = self._coder.encode(lines)
        try:
            _write(self._file, encoded)
        except OSError:
            self._refused = True
            self._coder.resume(is_open=was_open)
            with contextlib.suppress(OSError):  # the next write tries again
                self._take_back()
            raise
        self.size += len(encoded)

    def _prepare(self) -> None:
        """Bring the file to where it stood after the last write."""
        if self._replaces:  # only now, since until here the run may have failed
            os.ftruncate(self._file, 0)
            self._replaces, self.size = False, 0
        if self._refused:
            self._take_back()
        if os.fstat(self._file).st_size != self.size:
            self._mend()

    def _take_back(self) -> None:
        """Cut off what a refused write has left."""
        os.ftruncate(self._file, self.size)
        self._refused = False

    def sync(self) -> None:
        """Have the disk confirm what was written.

        Raises:
            OSError: it does not.
        """
        os.fdatasync(self._file)

    def handle(self) -> int:
        """A file descriptor of its own, for somebody who closes it."""
        return os.dup(self._file)

    @property
    def is_moved(self) -> bool:
        """Whether the path leads to this file no more: it was renamed, removed or replaced."""
        try:
            return not os.path.samestat(self.path.stat(), os.fstat(self._file))
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:  # the path cannot be looked at; the file may still be written
            return False

    @property
    def is_removed(self) -> bool:
        """Whether no path leads to this file any more."""
        return os.fstat(self._file).st_nlink == 0

    def discard_if_empty(self) -> None:
        """Remove the file again if there is nothing in it, and the directory if it was made for it."""
        if not os.fstat(self._file).st_size:
            self.path.unlink(missing_ok=True)
            if self._made:
                self._made.rmdir()

    def close(self) -> None:
        """End what is unfinished, have the disk confirm it, and close the file; appending is over.

        Raises:
            OSError: the disk refuses; the file is closed all the same.
        """
        try:
            if self._coder.is_open and not self._refused:
                _write(self._file, END)
            self.sync()
        finally:
            os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _make_directory(path: Path) -> Path | None:
    """Make a directory; its path if it was not there."""
    try:
        path.mkdir(parents=True)
    except FileExistsError as error:
        if path.is_dir():
            return None
        raise NotADirectoryError(error.errno, f"{path} is no directory") from error
    return path


def _lock(file: int, path: Path) -> None:
    """Keep other processes from writing; the lock ends with the file's last descriptor, and so with this process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RecordingError(f"another process records into {path}; name another file") from error


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]
