"""Paths of journals: the recordings of what running tapeheads have seen, copied where they are read."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tapehead.remote.journal_urls import HOST, JournalUrl, parse_journal_url
from tapehead.remote.url_paths import UrlPath
from tapehead.remote.urls import ObjectUrl, parse_url


class JournalPath(UrlPath):
    """The path of a journal: messages and reports show the URL without its token, and who opens it reads a copy.

    Args:
        journal: the URL with its token.
        problem: why it cannot be read, if that is known.
        copy: the path of its copy; empty if there is none yet.
        notice: what the copy lacks.

    Attributes:
        journal: as above.
    """

    def __init__(self, journal: JournalUrl, problem: OSError | None = None, copy: str = "", notice: str = "") -> None:
        # In the parts of an object's URL, by which paths are compared and shown.
        super().__init__(ObjectUrl("http", f"{HOST}:{journal.port}", ""), None, problem, copy)
        self.journal = journal
        self.notice = notice

    def __reduce__(self) -> tuple[Any, ...]:
        return JournalPath, (self.journal, self._problem, self._copy, self.notice)

    def __truediv__(self, name: object) -> UrlPath:  # type: ignore[override]
        """Return the path of a file that there is not: nothing is beside a journal."""
        missing = FileNotFoundError(errno.ENOENT, "nothing is beside a journal")
        return UrlPath(self.url.below(str(name)), problem=missing)

    @property
    def parent(self) -> "JournalPath":
        """The journal itself, which is in nothing."""
        return self

    @property
    def is_empty(self) -> bool:
        """True if the copy has no call."""
        return bool(self._copy) and not Path(self._copy).stat().st_size

    def fetch(self, on_bytes: Callable[[int], None] = lambda _size: None) -> None:
        """Make the local copy, unless there is one; a failure is told by whoever opens the path."""
        if self._copy or self._problem:
            return
        from tapehead.remote.copies import COPIES
        from tapehead.remote.journal_client import copy_recording

        def write(file: int) -> None:
            if lacks := copy_recording(self.journal, file, on_bytes):
                self.notice = f"'{self}' {lacks}"

        try:
            self._copy = COPIES.write(write)
        except OSError as error:
            self._problem = error

    def read_summary(self) -> bytes:
        """Return the summary of the run so far, as JSON.

        Raises:
            OSError: it cannot be read; `strerror` is part of a sentence.
        """
        from tapehead.remote.journal_client import read_summary

        return read_summary(self.journal)

    def read_start(self, size: int) -> bytes:
        """Return the first bytes of the recording.

        Raises:
            OSError: it cannot be read.
        """
        with self.open("rb") as file:
            return file.read(size)


def path_of_url(text: str) -> UrlPath:
    """Return the path of the recordings that a URL names: of a journal, or in object storage.

    Raises:
        UsageError: it names neither.
    """
    journal = parse_journal_url(text)
    return JournalPath(journal) if journal else UrlPath(parse_url(text))
