"""Uploads of finished files: each under a name with its checksum, verified, and never again once it is there.

As the name of an object follows from the content, an upload whose answer was lost is found by the next try, files of
several machines never replace each other, and no order of crashes stores a file twice.
"""

import contextlib
import errno
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tapehead.errors import RecordingError
from tapehead.recording.rotation import stem_of
from tapehead.remote.stores import ObjectStore
from tapehead.remote.urls import ObjectUrl
from tapehead.shipping.finished_files import LockedFile, ShippedNote, is_shipped, note_path, write_note

_PIECE_BYTES = 4_000_000
_NAME_DIGITS = 12


class UnreadableFileError(Exception):
    """The error of a finished file that cannot be read, whatever the store does."""


class Checksums(NamedTuple):
    """The size of some content in bytes, and its checksums."""

    size: int
    sha256: str
    md5: str


class Uploader:
    """An uploader to one folder of a store.

    Args:
        store: the store.
        folder: the folder in it.
        delete: whether files are removed once they are verified.
    """

    def __init__(self, store: ObjectStore, folder: ObjectUrl, *, delete: bool = False) -> None:
        self._store = store
        self._folder = folder
        self._delete = delete

    def check(self) -> None:
        """Check that the store answers and has the bucket.

        Raises:
            OSError: it does not.
        """
        self._store.info(self._folder._replace(key=""))

    def ship(self, path: Path) -> bool:
        """Upload a file unless it is there, verify it, and note that beside it; return False while a process writes it.

        Raises:
            UnreadableFileError: the file cannot be read.
            OSError: the store does not take it.
        """
        with contextlib.ExitStack() as stack:
            try:
                locked = stack.enter_context(LockedFile(path))
                # By another process, meanwhile; what is to be removed is verified once more.
                if not self._delete and is_shipped(path, locked.size, str(self._folder)):
                    return True
                sums = checksums_of(_pieces(locked.file))
            except BlockingIOError:
                return False
            except (OSError, RecordingError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise UnreadableFileError(f"cannot read '{path}': {reason}") from error
            target = self._folder.below(object_name(path.name, sums))
            if not self._has(target, sums):
                locked.file.seek(0)  # on macOS, what is opened by its descriptor begins where that one is
                self._store.put_new_file(target, locked.own_path)
                if not self._has(target, sums):
                    raise OSError(errno.EIO, f"the store does not have what was sent as '{target}'")
            self._finish(path, target, sums)
        return True

    def _finish(self, path: Path, url: ObjectUrl, sums: Checksums) -> None:
        """Note that a file is in the store, or remove it if that is wanted."""
        if self._delete:
            with contextlib.suppress(OSError):  # the next start finds the object, and tries again
                path.unlink()
                note_path(path).unlink(missing_ok=True)
            return
        note = ShippedNote(url=str(url), size=sums.size, sha256=sums.sha256, time=datetime.now(UTC).isoformat())
        # Without a note, the next start finds the object in the store.
        with contextlib.suppress(OSError):
            write_note(path, note)

    def _has(self, target: ObjectUrl, sums: Checksums) -> bool:
        """Return whether the store has an object of this content."""
        try:
            found = self._store.info(target)
        except FileNotFoundError:
            return False
        if found.is_folder or found.size != sums.size:
            return False
        if found.md5 == sums.md5:
            return True
        # Stores that encrypt, and uploads in parts, have no checksum of the content.
        starts = range(0, sums.size, _PIECE_BYTES)
        return checksums_of(self._store.read(target, start, start + _PIECE_BYTES) for start in starts) == sums


def checksums_of(pieces: Iterable[bytes]) -> Checksums:
    """Return the size and the checksums of some content."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    for piece in pieces:
        sha256.update(piece)
        md5.update(piece)
        size += len(piece)
    return Checksums(size, sha256.hexdigest(), md5.hexdigest())


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def object_name(name: str, sums: Checksums) -> str:
    """Return the name of the object for a file: the file's, with the beginning of the checksum before its suffixes."""
    stem = stem_of(Path(name))
    return f"{stem}-{sums.sha256[:_NAME_DIGITS]}{name.removeprefix(stem)}"
