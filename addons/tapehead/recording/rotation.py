"""A recording file that rotates by size or age, and that begins anew when it was moved away.

A full file is renamed, with the time (UTC) between its name and its suffix, so that the file being written always has
the given name, and names in alphabetical order are in order of time.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tapehead.recording.paths import COMPRESSED_SUFFIX
from tapehead.recording.recorder_settings import Rotation
from tapehead.recording.recording_file import RecordingFile


class RotatingFile:
    """A recording in one file after the other.

    Args:
        file: the first file.
        rotation: the limits of a file.
        warn: called with one line about each problem, in any thread.

    Attributes:
        path: the path of the file being written.
        removed: the number of exchanges in files that were removed.
    """

    def __init__(self, file: RecordingFile, rotation: Rotation, warn: Callable[[str], None]) -> None:
        self.path = file.path
        self.removed = 0
        self._file: RecordingFile | None = file
        self._rotation = rotation
        self._warn = warn
        self._appended, self._since = 0, time.monotonic()

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines: all of them or none.

        Raises:
            OSError: the disk does not take them.
            RecordingError: there is no file, and none can be created.
        """
        if self._file and self._file.is_moved:
            event = "was moved away"
            if self._file.is_removed:
                self.removed += self._appended
                event = f"was removed, and with it {self._appended} exchanges of this run"
            self._warn(f"{self.path} {event}; the recording continues in a new file of that name")
            self._close_file(self._file)
        elif self._file and self._is_full(self._file):
            try:
                self.path.rename(full_path(self.path))
            except OSError as error:
                self._warn(f"cannot rename {self.path}, which is full: {error.strerror}; the recording continues in it")
                self._rotation = Rotation()
            else:
                self._close_file(self._file)
        if self._file is None:
            self._file = RecordingFile(self.path, append=True)
            self._appended, self._since = 0, time.monotonic()
        self._file.append(lines)
        self._appended += len(lines)

    def _close_file(self, file: RecordingFile) -> None:
        self._file = None
        with contextlib.suppress(OSError):  # what was appended is there; only the end of a frame may be missing
            file.close()

    def _is_full(self, file: RecordingFile) -> bool:
        size, seconds = self._rotation.size, self._rotation.seconds
        if not self._appended:
            return False
        return bool((size and file.size >= size) or (seconds and time.monotonic() - self._since >= seconds))

    def sync(self) -> None:
        """Have the disk confirm what was written.

        Raises:
            OSError: it does not.
        """
        if self._file:
            self._file.sync()

    def handle(self) -> int | None:
        """Return a new descriptor of the file, which the caller closes; None while there is no file."""
        return self._file.handle() if self._file else None

    def discard_if_empty(self) -> None:
        """Remove the file if it is empty."""
        if self._file:
            self._file.discard_if_empty()

    def close(self) -> None:
        """Close the file; appending is over."""
        if self._file:
            self.removed += self._appended if self._file.is_removed else 0
            self._close_file(self._file)


def full_path(path: Path) -> Path:
    """Return the new path of a file that is full: with the time before its suffixes."""
    name = path.with_suffix("") if path.suffix == COMPRESSED_SUFFIX else path
    return path.with_name(f"{name.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}{path.name.removeprefix(name.stem)}")
