"""A recording file that rotates by size or age, and that begins anew when it was moved away.

A full file is renamed, with the time (UTC) between its name and its suffix, so that the file being written always has
the given name, and names in alphabetical order are in order of time, also where the clock stands still or goes back.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tapehead.errors import RecordingError
from tapehead.recording.line_places import LinePlaces
from tapehead.recording.paths import COMPRESSED_SUFFIX
from tapehead.recording.recorder_settings import Rotation
from tapehead.recording.recording_file import RecordingFile
from tapehead.text import count_of

_TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"
_TICK = timedelta(microseconds=1)
# Names beyond are none of ours, and would leave no time for later ones.
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


class RotatingFile:
    """A recording in one file after the other.

    Args:
        file: the first file.
        rotation: the limits of a file.
        warn: called with one line about each problem, in any thread.

    Attributes:
        path: the path of the file being written; another one than at first where that cannot be added to any more.
        removed: the number of exchanges in files that were removed, or in parts that were cut off or overwritten.
        is_changed: whether another program cut a file short or overwrote it.
        is_discarded: whether the file was removed at the end, because nothing came into it.
        places: where the lines are.
    """

    def __init__(self, file: RecordingFile, rotation: Rotation, warn: Callable[[str], None]) -> None:
        self.path = self._named = file.path
        self.removed = 0
        self.is_changed = False
        self.is_discarded = False
        self.places = LinePlaces()
        self._file: RecordingFile | None = file
        file.on_loss = self._count_loss
        self._rotation = rotation
        self._warn = warn
        self._since = time.monotonic()
        self._last_full: datetime | None = None
        self._is_stuck = False

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines: all of them or none.

        Raises:
            OSError: the disk does not take them.
            RecordingError: there is no file, and none can be created.
        """
        if self._file and self._file.is_moved:
            event = "was moved away"
            if self._file.is_removed:
                event = f"was removed, and with it {self._file.appended} exchanges of this run"
            self._warn(f"'{self.path}' {event}; the recording continues in a new file of that name")
            self.places.remove(self._file.appended)
            self._close_file(self._file)
        elif self._file and self._is_full(self._file):
            self._begin_anew(self._file)
        file = self._file or self._open_next()
        try:
            first = file.append(lines)
        except RecordingError as error:  # another program wrote something else into it
            self._close_file(file)
            first = self._open_beside(error).append(lines)
        self.places.add(self.path, first, len(lines))

    def _open_next(self) -> RecordingFile:
        """Open a file of the recording's name; of another one if that name has been taken."""
        try:
            # The folder was there, so it is no typo.
            return self._continue_in(RecordingFile(self.path, append=True, parents=True))
        except RecordingError as error:
            if not os.path.lexists(self.path):
                raise
            return self._open_beside(error)

    def _open_beside(self, error: RecordingError) -> RecordingFile:
        """Open a file with the time in its name, because nothing can be added to the one at `path`."""
        try:
            file = self._continue_in(RecordingFile(full_path(self.path, datetime.now(UTC))))
        except RecordingError:
            raise error from None
        self._warn(f"{str(error).removesuffix('; name another file')}; the recording continues in '{file.path}'")
        self.path = file.path
        return file

    def _continue_in(self, file: RecordingFile) -> RecordingFile:
        self._file, self._since = file, time.monotonic()
        file.on_loss = self._count_loss
        return file

    def _begin_anew(self, file: RecordingFile) -> None:
        """Rename a full file, and close it."""
        try:
            self._last_full = rename_full(self.path, self._last_full)
        except OSError as error:
            if not self._is_stuck:
                self._is_stuck = True
                reason = f"cannot rename '{self.path}', which is full: {error.strerror}"
                self._warn(f"{reason}; the recording continues in it until that is possible")
        else:
            self._is_stuck = False
            self.places.rename(self.path, full_path(self.path, self._last_full))
            self._close_file(file)

    def _count_loss(self, action: str, lost: int) -> None:
        self.is_changed = True
        self.removed += lost
        self.places.remove(lost)
        what = f"{count_of(lost, 'exchange')} of this run" if lost else "exchanges of earlier runs"
        done = f"overwrote '{self.path}'" if action == "overwrote" else f"cut '{self.path}' short"
        self._warn(f"another program {done}: {what} LOST; the recording continues in it")

    def _close_file(self, file: RecordingFile) -> None:
        self._file = None
        with contextlib.suppress(OSError, RecordingError):
            file.notice_changes()
        self.removed += file.appended if file.is_removed else 0
        with contextlib.suppress(OSError):  # what was appended is there; only the end of a frame may be missing
            file.close()

    def _is_full(self, file: RecordingFile) -> bool:
        size, seconds = self._rotation.size, self._rotation.seconds
        if not file.appended:
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

    def close(self) -> None:
        """Close the file, and remove it if nothing came into it; appending is over."""
        if self._file:
            with contextlib.suppress(OSError):  # it is left where it is
                self.is_discarded = self._file.discard_if_empty()
            if self._rotation.at_end and self._file.size and not self._file.is_moved:
                self._rename_last()
            self._close_file(self._file)

    def _rename_last(self) -> None:
        """Rename the file being written as a full one, unless its name has a time already."""
        if self.path != self._named:
            return
        try:
            last = full_path(self.path, rename_full(self.path, self._last_full))
        except OSError as error:
            self._warn(f"cannot rename '{self.path}' at the end: {error.strerror}")
            return
        self.places.rename(self.path, last)
        self.path = last


def rename_full(path: Path, last: datetime | None) -> datetime:
    """Rename a file that is full, to a name that no file has and that comes after those of earlier ones.

    Args:
        path: the file.
        last: the time in the latest name; None to look for it.

    Returns:
        The time in the new name, which is later than the clock's where the clock went back.

    Raises:
        OSError: it cannot be renamed; it still has its name.
    """
    time = datetime.now(UTC)
    last = last or max(times_of_full(path), default=None)
    if last and last >= time:
        time = last + _TICK
    while True:
        target = full_path(path, time)
        try:
            # Renaming replaces a file of that name, but this creates none where there is one.
            target.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            time += _TICK
            continue
        try:
            path.rename(target)
        except OSError:
            target.unlink()
            raise
        return time


def full_path(path: Path, time: datetime) -> Path:
    """Return the path of a file that is full: with a time before its suffixes."""
    stem = stem_of(path)
    return path.with_name(f"{stem}-{time:{_TIME_FORMAT}}{path.name.removeprefix(stem)}")


def times_of_full(path: Path) -> Iterator[datetime]:
    """Yield the times in the names of the full files of a recording."""
    stem = stem_of(path)
    form = f"{stem}-".replace("%", "%%") + _TIME_FORMAT + path.name.removeprefix(stem).replace("%", "%%")
    for name in os.listdir(path.parent):  # noqa: PTH208 - names are enough
        with contextlib.suppress(ValueError):  # another file
            time = datetime.strptime(name, form).replace(tzinfo=UTC)
            if time < _LATEST:
                yield time


def stem_of(path: Path) -> str:
    """Return the name of a recording without its suffixes."""
    return (path.with_suffix("") if path.suffix == COMPRESSED_SUFFIX else path).stem
