"""The recordings that a URL of object storage stands for: an object, those below a prefix, or those of a pattern."""

import glob
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from tapehead.recording.input_match import InputMatch
from tapehead.remote.copies import in_threads
from tapehead.remote.journal_paths import JournalPath
from tapehead.remote.stores import ObjectStore, open_store
from tapehead.remote.url_paths import UrlPath


def expand_url(
    given: UrlPath, patterns: tuple[str, ...], recognises: Callable[[Path], bool] = lambda _path: False
) -> Iterator[InputMatch]:
    """Yield what a URL stands for. One that cannot be read is yielded as a file, whose reading says why.

    Args:
        given: the URL.
        patterns: the names of recordings.
        recognises: returns whether another object is read as well.

    Raises:
        UsageError: a library is missing.
    """
    if isinstance(given, JournalPath) or (given.found and not given.found.is_folder):  # which was found before
        yield InputMatch(given, [given], [])
        return
    store = open_store(given.url)
    try:
        matches = list(_matches(given, store))
        for match in matches:
            yield (
                _folder(match, store, patterns, recognises)
                if match.found and match.found.is_folder
                else (InputMatch(match, [match], []))
            )
    except OSError as error:
        yield InputMatch(failed := UrlPath(given.url, problem=error), [failed], [])


def _matches(given: UrlPath, store: ObjectStore) -> Iterator[UrlPath]:
    """Yield the object, the folder, or the matches of a pattern: an object that exists is no pattern."""
    try:
        yield UrlPath(given.url, store.info(given.url))
        return
    except FileNotFoundError:
        if not glob.has_magic(given.url.key):
            raise
    found = store.glob(given.url)
    if not found:
        raise FileNotFoundError
    yield from (UrlPath(each.url, each) for each in found)


def _folder(
    folder: UrlPath, store: ObjectStore, patterns: tuple[str, ...], recognises: Callable[[Path], bool]
) -> InputMatch:
    inside, left = list[Path](), list[UrlPath]()
    prefix = len(folder.url.key.rstrip("/"))
    for found in store.list_below(folder.url):
        path, names = UrlPath(found.url, found), found.url.key[prefix:].split("/")
        if found.is_folder or not names[-1]:
            continue
        if any(fnmatchcase(names[-1], pattern) for pattern in patterns):
            inside.append(path)
        elif not any(name.startswith(".") for name in names):
            left.append(path)
    recognised: list[Path] = []
    in_threads(lambda path: recognised.append(path) if recognises(path) else None, left)
    chosen = set(recognised)
    return InputMatch(
        folder, sorted([*inside, *recognised], key=str), [path for path in left if path not in chosen], True
    )


def expand_patterns(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield paths, with URLs that are patterns expanded, which no shell does.

    Raises:
        UsageError: a library is missing.
    """
    for path in paths:
        if isinstance(path, UrlPath):
            yield from (match.path for match in expand_url(path, ()))
        else:
            yield path
