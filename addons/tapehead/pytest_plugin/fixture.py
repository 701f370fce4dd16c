"""The begin and the end of a test that asks for the fixture `media_collection`."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tapehead.errors import TapeheadError, UsageError
from tapehead.pytest_plugin.marks import read_marks
from tapehead.pytest_plugin.media_collection import MediaCollection
from tapehead.pytest_plugin.recording_files import file_name_of

if TYPE_CHECKING:
    from tapehead.pytest_plugin.endpoint import SharedEndpoint


@contextmanager
def open_collection(
    item: pytest.Item, endpoint: "SharedEndpoint", temporary: Path, chosen: Path | None, *, records: bool
) -> Generator[MediaCollection]:
    """Yield the API for a test, and end the test.

    Args:
        item: the test.
        endpoint: the endpoint of the run.
        temporary: the folder for the recordings of tests that fail.
        chosen: the folder for those of all tests; None if there is none.
        records: whether the real endpoint answers, and what passes is recorded.
    """
    collection = _begin(item, endpoint, temporary, chosen, records=records)
    if isinstance(collection, TapeheadError):  # outside of its handler, or pytest would show that, too
        pytest.fail(str(collection), pytrace=False)
    try:
        yield collection
    finally:
        missing = collection.close()
        if chosen and not records:  # a test that fails must not replace a recording
            told = collection.keep()
            if not collection.is_kept:
                item.warn(pytest.PytestWarning(told))
        if missing:
            pytest.fail(missing, pytrace=False)


def _begin(
    item: pytest.Item, endpoint: "SharedEndpoint", temporary: Path, chosen: Path | None, *, records: bool
) -> MediaCollection | TapeheadError:
    try:
        marks, target = read_marks(item, records=records), None
        if records:
            target = marks.target or (chosen and (chosen / f"{file_name_of(item.nodeid)}.jsonl").resolve())
            if target is None:
                raise UsageError("nowhere to record this test to: pass --tapehead-keep DIR or mark it with 'replay'")
        folder = temporary if records or not chosen else chosen
        return MediaCollection(item, endpoint, marks, folder, target)
    except TapeheadError as error:
        return error
