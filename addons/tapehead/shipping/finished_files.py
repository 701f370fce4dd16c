"""The finished files of a recording that rotates, and the note beside each of them that was shipped."""

import errno
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from tapehead.errors import RecordingError
from tapehead.files import open_private
from tapehead.recording.recording_file import lock
from tapehead.recording.rotation import stem_of

# The time in the name of a full file; one that continued under such a name has two.
_TIMES = r"(-\d{8}T\d{6}\.\d{6}Z)+"
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


class ShippedNote(msgspec.Struct, frozen=True, kw_only=True):
    """The note beside a file that was shipped.

    Attributes:
        url: the object, without credentials.
        size: its size in bytes.
        sha256: its checksum, in hexadecimal digits.
        time: when it was verified, in ISO 8601.
    """

    url: str
    size: int
    sha256: str
    time: str


def note_path(path: Path) -> Path:
    """Return the path of the note beside a file; it is hidden, and no recording by its suffix."""
    return path.with_name(f".{path.name}.shipped")


def is_shipped(path: Path, size: int, folder: str) -> bool:
    """Return whether a file has a note that it was shipped to a folder.

    Args:
        path: the file.
        size: its size in bytes; with another one in the note, it has changed since.
        folder: the URL of the folder in the store; a note of another one says nothing.
    """
    try:
        note = msgspec.json.decode(note_path(path).read_bytes(), type=ShippedNote)
    except (OSError, msgspec.MsgspecError):  # a note that cannot be read costs a look into the store
        return False
    return note.size == size and note.url.rpartition("/")[0] == folder.rstrip("/")


def write_note(path: Path, note: ShippedNote) -> None:
    """Write the note beside a file, as a whole or not at all.

    Raises:
        OSError: the disk does not take it.
    """
    target = note_path(path)
    unfinished = target.with_name(f"{target.name}.new")
    try:
        with open(unfinished, "wb", opener=open_private) as file:
            file.write(msgspec.json.encode(note) + b"\n")
        unfinished.replace(target)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


class FinishedFiles:
    """The files of a recording that are full, as they appear in its folder.

    Args:
        out: the path of the recording.
        folder: the URL of the folder in the store that they are shipped to.
        delete: whether files are removed once they are verified, so that none is done as long as it is there.
    """

    def __init__(self, out: Path, folder: str, *, delete: bool = False) -> None:
        self._out = out
        self._folder = folder
        self._delete = delete
        stem = stem_of(out)
        self._form = re.compile(f"{re.escape(stem)}{_TIMES}{re.escape(out.name.removeprefix(stem))}")
        self._known: set[str] = set()

    def find_new(self) -> list[Path]:
        """Return the files that were not there the last time and are not shipped, the oldest first."""
        try:
            names = set(os.listdir(self._out.parent))  # noqa: PTH208 - names are enough
        except OSError:  # the folder may come with the recording, or come back
            return []
        added = sorted(name for name in names - self._known if self._form.fullmatch(name))
        self._known = names
        return [path for name in added if not self._is_done(path := self._out.with_name(name))]

    def _is_done(self, path: Path) -> bool:
        try:
            size = path.stat().st_size
        except OSError:
            size = 0
        if not size:  # its name is taken before a full file gets it
            self._known.discard(path.name)
            return True
        return not self._delete and is_shipped(path, size, self._folder)


class LockedFile:
    """A finished file, open for reading, locked so that nothing else writes or ships it; in a `with` block.

    Attributes:
        path: its path.
        file: the open file.

    Raises:
        BlockingIOError: another process writes or ships it.
        OSError: it cannot be opened.
        RecordingError: it is not a regular file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = _open(path)
        try:
            if not stat.S_ISREG(os.fstat(self.file.fileno()).st_mode):
                raise RecordingError(f"'{path}' is not a regular file")
            lock(self.file.fileno())
        except BaseException:
            self.file.close()
            raise

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return os.fstat(self.file.fileno()).st_size

    @property
    def own_path(self) -> Path:
        """A path to the open file itself, whatever has its name meanwhile; its name where the system has no such."""
        path = Path(f"/dev/fd/{self.file.fileno()}")
        return path if path.exists() else self.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def _open(path: Path) -> BinaryIO:
    """Open a file so that it can be locked: over a network, that needs one that could be written."""
    try:
        return path.open("r+b", buffering=0)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
    return path.open("rb", buffering=0)
