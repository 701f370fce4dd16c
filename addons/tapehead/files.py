"""Files on disk: read within bounds, written for their owner alone, folders made one level at a time."""

import contextlib
import errno
import os
import stat
import weakref
from array import array
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import IO, BinaryIO

# Bytes of rows that are held in memory before they go to a temporary file.
MOST_HELD = 4_000_000
# What a disk answers that takes no more.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        OSError: it cannot be read, or is a device or a pipe.
        ValueError: the path has a NUL in it.
    """

    def open_at_once(name: str, flags: int) -> int:
        # Opening a pipe without a writer would wait for one.
        opened = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
        mode = os.fstat(opened).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # which has an error of its own
            return opened
        os.close(opened)
        raise OSError(errno.EINVAL, "it is not a regular file")

    return open(path, "rb", opener=open_at_once)


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes.

    Raises:
        OSError: it cannot be read, is a device or a pipe, or is larger.
        ValueError: the path has a NUL in it.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes")
    return content


def open_private(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file with mode 0600, also one that is there, since it may identify people; an opener for `open`."""
    file = os.open(path, flags, 0o600)
    # The owner alone can change it, and file systems without modes do not.
    with contextlib.suppress(OSError):
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
            os.chmod(file if os.chmod in os.supports_fd else path, 0o600)  # noqa: PTH101 - of the file that is open
    return file


def create_folder(path: Path, *, parents: bool = False) -> Path | None:
    """Create a folder, with `parents` also those that it is in; return its path if it was missing.

    Raises:
        OSError: it cannot be created, or the folder that it is in is missing, as after a typo.
    """
    try:
        path.mkdir(parents=parents)
    except FileExistsError as error:
        if path.is_dir():
            return None
        raise NotADirectoryError(error.errno, f"'{path}' is not a directory") from error
    except FileNotFoundError:
        check_folders(path)
        raise
    return path


def check_folders(path: Path) -> None:
    """Check that the folders that a path is in are there.

    Raises:
        FileNotFoundError: one of them is missing.
    """
    if missing := next((each for each in reversed(path.parents) if not each.exists()), None):
        raise FileNotFoundError(errno.ENOENT, f"there is no folder '{missing}'; create it first")


def write_all(file: int, content: bytes) -> None:
    """Write all bytes to a descriptor.

    Raises:
        OSError: not all of them could be written.
    """
    while content:
        content = content[os.write(file, content) :]


class TemporaryRows:
    """Rows of bytes, read back in any order: the latest ones in memory, those before them in a temporary file.

    The file has no name where the system allows that, so that nothing is left of it whatever happens. If it cannot be
    written, all further rows stay in memory.

    Args:
        on_error: called with the reason, once, if the file cannot be written.
        most: how many bytes are held before they go to the file.
    """

    def __init__(self, on_error: Callable[[OSError], None], most: float = MOST_HELD) -> None:
        self._on_error = on_error
        self._most = most
        self._ends = array("Q")
        self._held = bytearray()
        # The number of bytes in the file.
        self._filed = 0
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def append(self, row: bytes) -> None:
        """Take the next row."""
        self._held += row
        self._ends.append(self._filed + len(self._held))
        if len(self._held) > self._most:
            self._move()

    def __getitem__(self, number: int) -> bytes:
        start, end = self._ends[number - 1] if number else 0, self._ends[number]
        if start >= self._filed or not self._file:
            return bytes(self._held[start - self._filed : end - self._filed])
        return os.pread(self._file.fileno(), end - start, start)

    def _move(self) -> None:
        """Move what is held to the file."""
        try:
            if self._file is None:
                import tempfile  # takes as long as the audit of a small recording

                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as the rows
                weakref.finalize(self, self._file.close)
            write_all(self._file.fileno(), bytes(self._held))
        except OSError as error:
            self._most = inf
            self._on_error(error)
            return
        self._filed += len(self._held)
        self._held.clear()
