"""Paths of objects in object storage: URLs by their names, and local copies where they are opened."""

import errno
import os
import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tapehead.remote.urls import ObjectUrl
from tapehead.text import count_of

if TYPE_CHECKING:
    from tapehead.remote.stores import StoredObject

# Objects in a row that a store could not be reached for, or failed for, before it is left alone: more than are copied
# at the same time, since those see the same short failure.
MOST_FAILURES = 8


class UrlPath(Path):
    """The path of an object: messages and reports show its URL, and who opens it reads a copy of it.

    The copy is made by `fetch`, or when the path is first opened. Where that fails, opening raises the reason each
    time, an `OSError` whose `strerror` is part of a sentence.

    Args:
        url: the URL.
        found: what a store said of the object; None if it was not asked.
        problem: why it cannot be read, if that is known.
        copy: the path of its copy; empty if there is none yet.
        beside: the paths of objects beside this one that were asked for, by their URLs, so that another process which
            gets this path reads the same of them, whatever has become of the store.

    Attributes:
        url, found: as above.
        notice: a line on what the copy lacks; empty if it has everything.
        is_left: whether the store was not asked for it, since it had failed for others.
    """

    def __init__(
        self,
        url: ObjectUrl,
        found: "StoredObject | None" = None,
        problem: OSError | None = None,
        copy: str = "",
        beside: "dict[ObjectUrl, UrlPath] | None" = None,
    ) -> None:
        super().__init__(f"{url.scheme}:/{url.bucket}/{url.key}")
        self.url = url
        self.found = found
        self.notice = ""
        self.is_left = False
        self._problem = problem
        self._copy = copy
        self._beside = {} if beside is None else beside
        self._start: bytes | None = None

    def __str__(self) -> str:
        return str(self.url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UrlPath) and self.url == other.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __reduce__(self) -> tuple[Any, ...]:
        return UrlPath, (self.url, self.found, self._problem, self._copy, self._beside)

    def __fspath__(self) -> str:
        """Return the path of the local copy.

        Raises:
            OSError: there is none, and none can be made.
        """
        self.fetch()
        if self._problem:
            raise self._problem
        return self._copy

    def __truediv__(self, name: str | os.PathLike[str]) -> "UrlPath":
        """Return the path of an object below this one."""
        url = self.url.below(str(name))
        return self._beside.setdefault(url, UrlPath(url, beside=self._beside))

    @property
    def parent(self) -> "UrlPath":
        """The path of what the object is in."""
        return UrlPath(self.url._replace(key=posixpath.dirname(self.url.key)), beside=self._beside)

    def with_segments(self, *segments: str | os.PathLike[str]) -> Path:  # type: ignore[override]
        """Return a plain path, which names no object."""
        return Path(*segments)

    def resolve(self, strict: bool = False) -> Self:
        """Return the path without `..` in it."""
        if ".." not in self.url.key.split("/"):
            return self
        return type(self)(self.url._replace(key=posixpath.normpath(self.url.key)))

    def is_relative_to(self, other: str | os.PathLike[str]) -> bool:  # type: ignore[override]
        """Return whether the object is below another path, without `..` in it."""
        if not isinstance(other, UrlPath) or self.url._replace(key="") != other.url._replace(key=""):
            return False
        prefix = other.url.key.rstrip("/")
        return ".." not in self.url.key.split("/") and self.url.key.startswith(f"{prefix}/" if prefix else "")

    def is_file(self, **_options: Any) -> bool:
        """Return whether the object can be read."""
        try:
            return bool(os.fspath(self))
        except OSError:
            return False

    def fetch(self, on_bytes: Callable[[int], None] = lambda _size: None) -> None:
        """Make the local copy, unless there is one; a failure is told by whoever opens the path."""
        if self._copy or self._problem:
            return
        from tapehead.remote.copies import COPIES
        from tapehead.remote.stores import open_store

        try:
            self.found = self.found or open_store(self.url).info(self.url)
            if self.found.is_folder:
                raise IsADirectoryError(errno.EISDIR, "it is a folder")
            self._copy = COPIES.copy(self.found, on_bytes)
        except OSError as error:
            self._problem = error

    @property
    def store(self) -> ObjectUrl:
        """The URL of the bucket, or of the journal."""
        return self.url._replace(key="")

    @property
    def problem(self) -> OSError | None:
        """Why the object cannot be read, as far as that is known."""
        return self._problem

    def leave(self, problem: OSError) -> None:
        """Have whoever opens the path told of a problem, without a question to the store, unless there is a copy."""
        if not self._copy:
            self._problem = self._problem or problem
            self.is_left = True

    def read_start(self, size: int) -> bytes:
        """Return the first bytes of the object, of which no copy is made.

        Raises:
            OSError: it cannot be read.
        """
        if self._copy:
            with Path(self._copy).open("rb") as file:
                return file.read(size)
        if self._problem:
            raise self._problem
        if self._start is None or len(self._start) < size:
            from tapehead.remote.stores import open_store

            self._start = open_store(self.url).read(self.url, 0, size)
        return self._start[:size]


class OtherUrlPath(Path):
    """A URL of a scheme that is not read here, but may be by another engine, written as it was given."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url

    def __str__(self) -> str:
        return self.url

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OtherUrlPath) and self.url == other.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __reduce__(self) -> tuple[Any, ...]:
        return OtherUrlPath, (self.url,)

    def __truediv__(self, name: str | os.PathLike[str]) -> "OtherUrlPath":
        """Return the URL of what is below this one."""
        return OtherUrlPath(f"{self.url.rstrip('/')}/{name}")

    @property
    def parent(self) -> "OtherUrlPath":
        """The URL of what this one is in; of a host alone, itself."""
        scheme, colon, place = self.url.partition("://")
        above, slash, _ = place.rstrip("/").rpartition("/")
        return OtherUrlPath(f"{scheme}{colon}{above}{slash}") if slash else self

    def with_segments(self, *segments: str | os.PathLike[str]) -> Path:  # type: ignore[override]
        """Return a plain path, which is no URL."""
        return Path(*segments)

    def resolve(self, strict: bool = False) -> Self:
        """Return the path itself."""
        return self


def fetch_all(paths: Sequence[Path]) -> list[str]:
    """Copy the objects among some paths, several at a time, and show that; failures are told when they are opened.

    Of a store that fails for several objects in a row, the others are not asked for: each may take a minute to fail.

    Returns:
        Lines on what copies lack, and on objects that were not asked for.
    """
    urls = [path for path in paths if isinstance(path, UrlPath)]
    if not urls:
        return []
    from tapehead.remote.copies import COPIES, in_threads, showing

    failures = dict[ObjectUrl, list[ConnectionError]]()

    def fetch(path: UrlPath) -> None:
        failed = failures.setdefault(path.store, [])
        if len(failed) >= MOST_FAILURES:
            path.leave(failed[-1])
            return
        path.fetch(on_bytes)
        if isinstance(path.problem, ConnectionError):
            failed.append(path.problem)
        elif len(failed) < MOST_FAILURES:
            failed.clear()

    COPIES.prepare()
    with showing([path.found for path in urls if path.found]) as on_bytes:
        in_threads(fetch, urls)
    notices = [path.notice for path in urls if path.notice]
    for store, failed in failures.items():
        if left := sum(path.is_left for path in urls if path.store == store):
            why = f"which failed for {len(failed)} in a row: {failed[-1].strerror}"
            notices.append(f"{count_of(left, 'object')} not read from '{store}', {why}; try again later")
    return notices
