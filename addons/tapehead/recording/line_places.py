"""The places of the lines that a run has appended: the files that hold them, and their lines there."""

import threading
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

# Files of which the places are known, the latest ones.
MOST_FILES = 10_000


class Place(NamedTuple):
    """The name of a recording, and the number of a line in it, from 1."""

    recording: str
    line: int


class _Segment(NamedTuple):
    """Lines that follow each other in one file: the number of the first one, and where it is; None if it is gone."""

    first: int
    path: Path | None
    line: int


class LinePlaces:
    """The places of a run's lines, which are numbered from 1 as they are appended; for any thread."""

    def __init__(self) -> None:
        self._segments: list[_Segment] = []
        self._count = 0
        self._lock = threading.Lock()

    def add(self, path: Path, line: int, count: int) -> None:
        """Take lines that were appended to a file, the first of them as its line `line`."""
        with self._lock:
            last = self._segments[-1] if self._segments else None
            if last is None or last.path != path or line != last.line + self._count + 1 - last.first:
                self._segments.append(_Segment(self._count + 1, path, line))
                del self._segments[:-MOST_FILES]
            self._count += count

    def rename(self, old: Path, new: Path) -> None:
        """Take that the latest file got another name."""
        with self._lock:
            for index in reversed(range(len(self._segments))):
                segment = self._segments[index]
                if segment.path != old:
                    break
                self._segments[index] = segment._replace(path=new)

    def remove(self, count: int) -> None:
        """Take that the last `count` lines are gone, or nobody knows where."""
        with self._lock:
            first = self._count + 1 - count
            self._segments = [segment for segment in self._segments if segment.first < first]
            self._segments.append(_Segment(first, None, 0))

    def find(self, number: int) -> Place | None:
        """Return the place of a line; None while it is not appended, or if it is gone."""
        with self._lock:
            index = bisect_right(self._segments, number, key=lambda segment: segment.first) - 1
            if index < 0 or number > self._count:
                return None
            first, path, line = self._segments[index]
        return Place(str(path), line + number - first) if path else None
