"""The file in which the hashes of sessions' identifiers are kept for the next run, beside the pseudonyms' key."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from tapehead.files import open_regular, write_all
from tapehead.recording.pseudonym_keys import key_path, sync_folder
from tapehead.redaction.session_identifiers import RECORD_BYTES, SessionIdentifiers

# Read at once.
_PIECE_BYTES = 32_768 * RECORD_BYTES
# A pipe that nobody reads is an error at once.
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)


class IdentifierFile:
    """Storage of the hashes for one directory of recordings: a file, and the one before it, which was full.

    A failure never stops a recording: it is warned of once, and later records are tried all the same. But a file
    that lacks a record is removed: a session would count as one whose identifiers are all known.

    Args:
        directory: the directory of the recordings.
        warn: called with one line about a file that cannot be read or written.
    """

    def __init__(self, directory: Path, warn: Callable[[str], None]) -> None:
        path = key_path(directory)
        self._path = path.parent.with_name("identifiers") / path.name
        self._name = os.fspath(self._path)
        self._older = self._path.with_suffix(".older")
        self._warn = warn
        self._has_failed = False
        # Set after a write and unset before the disk is asked, so that what is added meanwhile is confirmed next time.
        self._is_unconfirmed = self._are_names_unconfirmed = False

    def open(self, key: bytes) -> SessionIdentifiers:
        """Return the hashes of earlier runs, to which those of this one are added in the file."""
        identifiers = SessionIdentifiers(key, self._append)
        for path in (self._older, self._path):
            try:
                with open_regular(path) as file:
                    for piece in iter(lambda: file.read(_PIECE_BYTES), b""):
                        identifiers.load(piece)
            except FileNotFoundError:
                pass
            except OSError as error:
                self._fail("read", path, error)
        return identifiers

    def _append(self, records: bytes, is_next: bool) -> None:
        try:
            if is_next and self._path.exists():
                self._path.replace(self._older)
            # Opened each time: another recorder may have begun the next file.
            try:
                file = os.open(self._name, _APPEND, 0o600)
            except FileNotFoundError:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                file = os.open(self._name, _APPEND, 0o600)
            try:
                size = os.fstat(file).st_size
                # What was cut short, by a crash or a full disk, must not shift what follows.
                write_all(file, bytes(-size % RECORD_BYTES) + records)
                self._are_names_unconfirmed |= not size
                self._is_unconfirmed = True
            finally:
                os.close(file)
        except OSError as error:
            self._remove(error)

    def sync(self) -> None:
        """Have the disk confirm what was added since the last time; in any thread.

        A session of which the disk has the first hashes alone would count as one whose identifiers are all known.
        """
        if not self._is_unconfirmed:
            return
        are_names, self._is_unconfirmed, self._are_names_unconfirmed = self._are_names_unconfirmed, False, False
        for path in (self._older, self._path) if are_names else (self._path,):
            try:
                file = open_regular(path)
            except FileNotFoundError:  # another recorder has begun the next file, or removed this one
                continue
            except OSError:  # no descriptor: it is tried again
                self._are_names_unconfirmed |= are_names
                self._is_unconfirmed = True
                continue
            with file:
                try:
                    os.fdatasync(file.fileno())
                except OSError as error:
                    self._remove(error)
        if are_names:
            sync_folder(self._path.parent)

    def _remove(self, error: OSError) -> None:
        self._fail("write", self._path, error)
        for path in (self._path, self._older):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _fail(self, what: str, path: Path, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._warn(
                f"cannot {what} '{path}': {error.strerror}; in sessions that continue after a restart, all that "
                "might identify a person will be masked"
            )
