"""The file that is being written, kept up with: a new one when it is full, and when somebody took it away.

A full recording is renamed, with the time (UTC) between its name and its suffix, so that the one being written always
has the name that was said, and names in alphabetical order are in order of time.
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
    """One recording in one file after the other.

    Args:
        file: the file to begin with.
        rotation: when a new one is begun.
        warn: prints a line, in any thread.

    Attributes:
        removed: how many exchanges were in files that somebody removed.
    """

    def __init__(self, file: RecordingFile, rotation: Rotation, warn: Callable[[str], None]) -> None:
        self.path = file.path
        self.removed = 0
        self._file: RecordingFile | None = file
        self._rotation = rotation
        self._warn = warn
        self._begin()

    def _begin(self) -> None:
        self._appended = 0
        self._since = time.monotonic()

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines: all of them or none.

        Raises:
            OSError: the disk does not take them.
            RecordingError: there is no file, and none can be made.
        """
        self._keep_up()
        if self._file is None:
            self._file = RecordingFile(self.path, append=True)
            self._begin()
        self._file.append(lines)
        self._appended += len(lines)

    def _keep_up(self) -> None:
        """Let go of a file that somebody took away, or that is full."""
        if self._file and self._file.is_moved:
            self._leave(self._file)
        elif self._file and self._is_full(self._file):
            self._rotate(self._file)

    def _leave(self, file: RecordingFile) -> None:
        if file.is_removed:
            self.removed += self._appended
            what = f"was removed, and with it {self._appended} exchanges of this run"
        else:
            what = "was moved away"
        self._warn(f"{self.path} {what}; the recording goes on in a new file of that name")
        self._let_go(file)

    def _let_go(self, file: RecordingFile) -> None:
        self._file = None
        with contextlib.suppress(OSError):  # what was appended is there; only the end of a frame may be missing
            file.close()

    def _is_full(self, file: RecordingFile) -> bool:
        size, seconds = self._rotation.size, self._rotation.seconds
        if not self._appended:
            return False
        return bool((size and file.size >= size) or (seconds and time.monotonic() - self._since >= seconds))

    def _rotate(self, file: RecordingFile) -> None:
        try:
            self.path.rename(_full_name(self.path))
        except OSError as error:
            self._warn(f"cannot rename {self.path}, which is full: {error.strerror}; the recording goes on in it")
            self._rotation = Rotation()
        else:
            self._let_go(file)

    def sync(self) -> None:
        """Have the disk confirm what was written.

        Raises:
            OSError: it does not.
        """
        if self._file:
            self._file.sync()

    def handle(self) -> int | None:
        """A descriptor of the file, for somebody who closes it; None while there is no file."""
        return self._file.handle() if self._file else None

    def discard_if_empty(self) -> None:
        """Remove the file again if there is nothing in it."""
        if self._file:
            self._file.discard_if_empty()

    def close(self) -> None:
        """Close the file; appending is over."""
        if self._file:
            self.removed += self._appended if self._file.is_removed else 0
            self._let_go(self._file)


def _full_name(path: Path) -> Path:
    name = path.with_suffix("") if path.suffix == COMPRESSED_SUFFIX else path
    return path.with_name(f"{name.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}{path.name.removeprefix(name.stem)}")
