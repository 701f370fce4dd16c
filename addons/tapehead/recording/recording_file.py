"""A recording file open for appending: locked, repaired where a crash cut it short, appended to.

A write is there as a whole or not at all: one that the disk refuses halfway is undone. Lines that another program cuts
off meanwhile are counted. With the suffix .zst a recording is a stream of zstd frames with a block that ends after each
write, so that it can be read after a crash as plain text can.
"""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from tapehead.errors import RecordingError
from tapehead.files import create_folder, open_private, write_all
from tapehead.recording.existing_recording import check_recording, count_exchanges, count_lines
from tapehead.recording.paths import COMPRESSED_SUFFIX, GZIP_SUFFIX
from tapehead.recording.zstd_frames import END, MAGIC, Extent, whole_extent

# The plain bytes after which a frame ends: the most that damage to the disk can cost, or has to be unpacked at once.
FRAME_BYTES = 1_000_000
# The bytes at both ends of what was appended by which it is recognised.
_KNOWN_BYTES = 64


class PlainEncoding:
    """Encoding of lines as they are, and the base of the other one.

    Attributes:
        is_open: whether the bytes so far end within a frame.
    """

    is_open = False

    def encode(self, lines: Sequence[bytes]) -> bytes:
        """Return the bytes to be appended for some lines."""
        return b"".join(lines)

    def resume(self, *, is_open: bool) -> None:
        """Continue after the file's content, whose last frame may be unfinished."""

    def intact_size(self, file: int) -> int:
        """Return the size of what can be read of a file."""
        return os.fstat(file).st_size

    def repair(self, file: int) -> None:
        """Repair the end of a file that another process has written, so that it can be appended to.

        A line that a crash cut short ends, so that the next exchange begins on a line of its own.

        Raises:
            ValueError: it has the other encoding.
        """
        if os.pread(file, len(MAGIC), 0) == MAGIC:
            raise ValueError(f"is compressed; its name has to end in {COMPRESSED_SUFFIX}")
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            write_all(file, b"\n")


class ZstdEncoding(PlainEncoding):
    """Encoding of lines in zstd frames; a block ends after each call."""

    def __init__(self) -> None:
        import zstandard  # which few need, and which takes long to load

        self._zstandard = zstandard
        self._lead = b""
        self._in_frame = 0
        self._frame: zstandard.ZstdCompressionObj | None = None

    def encode(self, lines: Sequence[bytes]) -> bytes:
        """Return the bytes of some lines, and of the frame's end once it is full."""
        plain = b"".join(lines)
        if self._frame is None:
            self._frame, self._in_frame = self._zstandard.ZstdCompressor().compressobj(), 0
        encoded = self._lead + self._frame.compress(plain) + self._frame.flush(self._zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self._in_frame += len(plain)
        if self._in_frame < FRAME_BYTES:
            self.is_open, self._lead = True, b""
            return encoded
        self.resume(is_open=False)
        return encoded + END

    def resume(self, *, is_open: bool) -> None:
        """Begin a new frame, after the end of the last one."""
        self._frame = None
        self.is_open = is_open
        self._lead = END if is_open else b""

    def intact_size(self, file: int) -> int:
        """Return the size of the blocks that are whole."""
        return self._extent(file).end

    def _extent(self, file: int) -> Extent:
        try:
            return whole_extent(lambda offset, size: os.pread(file, size, offset))
        except ValueError as error:
            raise ValueError(f"is not compressed with zstd, as its name says: {error}") from error

    def repair(self, file: int) -> None:
        """Cut off a block that is not whole, and end the frame and the line, which may be incomplete."""
        extent = self._extent(file)
        is_torn = extent.end < os.fstat(file).st_size
        if is_torn:
            os.ftruncate(file, extent.end)
        if is_torn or extent.is_open:
            write_all(file, (END if extent.is_open else b"") + self._zstandard.compress(b"\n"))
        self.resume(is_open=False)


class RecordingFile:
    """A recording open for appending, by this process alone.

    Args:
        path: the file, compressed if it ends in .zst; its folder is created if missing, the file has mode 0600.
        append: whether an existing recording may be added to.
        overwrite: whether it may be replaced, which happens with the first exchange. With neither, the file must not
            exist, or be empty.
        parents: whether the folders that its folder is in are created, too.

    Attributes:
        path: the file.
        size: its size in bytes.
        appended: the number of lines that were appended and are in it.
        on_loss: called when another program cut off its end or overwrote it, with which of them, and the number of
            appended lines that this costs.

    Raises:
        RecordingError: it cannot be opened, its name is that of a file packed with gzip, another process writes it, or
            it is not a recording.
    """

    def __init__(self, path: Path, *, append: bool = False, overwrite: bool = False, parents: bool = False) -> None:
        if path.suffix == GZIP_SUFFIX:
            raise RecordingError(
                f"cannot record into '{path}': gzip loses what a crash cuts off; name a .jsonl file, and gzip it "
                "afterwards, or use --compress (.zst)"
            )
        self.path = path
        self.appended = 0
        self.on_loss: Callable[[str, int], None] = lambda _action, _lost: None
        self._first = self._last = b""
        self._lines: int | None = None  # not counted
        self._encoding = ZstdEncoding() if path.suffix == COMPRESSED_SUFFIX else PlainEncoding()
        self._created: Path | None = None
        self._refused = False
        try:
            self._created = create_folder(path.parent, parents=parents)
            self._is_new = not path.exists()
            self._file = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            self._lock_and_check(append=append, overwrite=overwrite)
        except IsADirectoryError as error:
            raise RecordingError(f"'{path}' is a directory; name a file in it") from error
        except OSError as error:
            raise RecordingError(f"cannot write '{path}': {error.strerror}") from error

    def _lock_and_check(self, *, append: bool, overwrite: bool) -> None:
        try:
            lock(self._file)
            self.size = os.fstat(self._file).st_size
            self._start = self.size
            self._replaces = bool(self.size) and overwrite
            if not self.size:
                return
            if not (append or overwrite):
                raise RecordingError(f"'{self.path}' exists; pass --append to add to it, or --overwrite to replace it")
            check_recording(self.path)
            if not self._replaces:
                self._repair()
                self._start = self.size
        except (OSError, RecordingError) as error:
            os.close(self._file)
            if isinstance(error, BlockingIOError):
                raise RecordingError(f"another process records into '{self.path}'; name another file") from error
            raise

    def _repair(self) -> None:
        try:
            self._encoding.repair(self._file)
        except ValueError as error:
            raise RecordingError(f"'{self.path}' {error}") from error
        self.size = os.fstat(self._file).st_size

    def append(self, lines: Sequence[bytes]) -> int:
        """Add lines, each with its newline: all of them or none; return the number of the first one in the file.

        Raises:
            OSError: the disk does not take them.
            RecordingError: another process wrote into the file.
        """
        if self._replaces:  # only now, since until here the run may have failed
            os.ftruncate(self._file, 0)
            self._replaces, self.size, self._start, self._lines = False, 0, 0, 0
        self.notice_changes()
        first = self.count_lines() + 1
        was_open = self._encoding.is_open
        encoded = self._encoding.encode(lines)
        try:
            write_all(self._file, encoded)
        except OSError:
            self._refused = True
            self._encoding.resume(is_open=was_open)
            with contextlib.suppress(OSError):  # the next write tries again
                self._undo_write()
            raise
        if not self.appended:
            self._start, self._first = self.size, encoded[:_KNOWN_BYTES]
        self._last = encoded[-_KNOWN_BYTES:]
        self.size += len(encoded)
        self.appended += len(lines)
        self._lines = first - 1 + len(lines)
        return first

    def _undo_write(self) -> None:
        """Cut off the rest of a refused write."""
        if os.fstat(self._file).st_size > self.size:
            os.ftruncate(self._file, self.size)
        self._refused = False

    def notice_changes(self) -> None:
        """Repair the end if another program changed the file, and count what it cut off.

        Raises:
            OSError: the file cannot be read or repaired.
            RecordingError: it is no longer a recording.
        """
        if self._refused:
            self._undo_write()
        size = os.fstat(self._file).st_size
        is_overwritten = not self._is_known(size)
        if self._replaces or (size == self.size and not is_overwritten):
            return
        self._lines = None
        if size < self.size or is_overwritten:
            kept = 0 if is_overwritten else self._count_appended()
            lost, self.appended = self.appended - kept, kept
            self.size, self._last = -1, b""  # counted, also if the repair has to be tried again
            self.on_loss("overwrote" if is_overwritten else "cut short", lost)
        self._repair()
        self._start = min(self._start, self.size)

    def _is_known(self, size: int) -> bool:
        """Return whether the file still begins, and unless it is shorter, ends with what was appended."""
        if not self.appended or self.size < 0:
            return True
        first = os.pread(self._file, len(self._first), self._start)
        last = os.pread(self._file, len(self._last), self.size - len(self._last)) if size >= self.size else self._last
        return self._first.startswith(first) and last == self._last

    def count_lines(self) -> int:
        """Return the number of lines in the file; 0 if it is going to be replaced."""
        if self._lines is None:
            self._lines = 0 if self._replaces else count_lines(self._file, self.size)
        return self._lines

    def _count_appended(self) -> int:
        """Return the number of exchanges after what was there at the start."""
        with contextlib.suppress(ValueError):
            return count_exchanges(self._file, self._start, self._encoding.intact_size(self._file))
        return 0

    def sync(self) -> None:
        """Have the disk confirm what was written.

        Raises:
            OSError: it does not.
        """
        os.fdatasync(self._file)

    def handle(self) -> int:
        """Return a new descriptor of the file, which the caller closes."""
        return os.dup(self._file)

    @property
    def is_moved(self) -> bool:
        """True if the path no longer leads to this file, which was renamed, removed or replaced."""
        try:
            return not os.path.samestat(self.path.stat(), os.fstat(self._file))
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:  # the path cannot be checked; the file may still be written
            return False

    @property
    def is_removed(self) -> bool:
        """True if no path leads to this file any longer."""
        return os.fstat(self._file).st_nlink == 0

    def discard_if_empty(self) -> bool:
        """Remove the file if it is empty and was not there before, and the directory if it was created for it.

        Returns:
            Whether it was removed.
        """
        if self.appended or os.fstat(self._file).st_size or not self._is_new or self.is_moved:
            return False
        with contextlib.suppress(OSError):  # the directory may have got other files
            self.path.unlink()
            if self._created:
                self._created.rmdir()
        return not self.path.exists()

    def close(self) -> None:
        """End an unfinished frame, have the disk confirm it, and close the file; appending is over.

        Raises:
            OSError: the disk refuses; the file is closed all the same.
        """
        try:
            if self._encoding.is_open and not self._refused:
                write_all(self._file, END)
            self.sync()
        finally:
            with contextlib.suppress(OSError):  # a file system without locks
                unlock(self._file)
            os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def lock(file: int) -> None:
    """Lock an open file for this process.

    The lock is the file's own, and goes with it to another name, unlike one on a file beside it. It ends with the
    file's last descriptor, and so with the process.

    Raises:
        BlockingIOError: another process holds the lock.
        RecordingError: this system has no such locks.
    """
    try:
        import fcntl
    except ImportError as error:
        raise RecordingError("recording needs the file locks of a POSIX system, such as Linux or macOS") from error
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def unlock(file: int) -> None:
    """Unlock a file that `lock` locked, though other descriptors of it are open, as while the disk confirms it."""
    import fcntl

    fcntl.flock(file, fcntl.LOCK_UN)
