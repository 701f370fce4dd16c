"""Equal exchanges of several files: recognised in any format, with pseudonyms or without, and not where they differ."""

import msgspec
import pytest

from support.exchanges import opened, sent, start, start_with
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.recording.capture import source_of_run
from tapehead.recording.duplicates import DuplicateFilter

START, PING = opened("s1", start()), sent("s1", {"eventType": "ping", "playerTime": {"playhead": 1, "ts": 2}}, 1)


def kept(*entries: tuple[str, Exchange]) -> list[str]:
    """Return the files of the entries that are no duplicates."""
    duplicates = DuplicateFilter()
    return [file for file, exchange in entries if not duplicates.is_duplicate(Entry(1, exchange, file))]


def test_what_two_files_have_comes_once() -> None:
    duplicates = DuplicateFilter()
    entries = [
        Entry(1, START, "a"),
        Entry(1, START, "b"),
        Entry(2, PING, "b"),
        Entry(2, PING, "a"),
        Entry(3, PING, "c"),
    ]

    assert [duplicates.is_duplicate(entry) for entry in entries] == [False, True, False, True, True]
    assert duplicates.summary() == "3 exchanges in several files (a, b, c) counted once"


def test_equal_calls_of_one_file_are_different_calls() -> None:
    assert kept(("a", PING), ("a", PING), ("b", PING), ("b", PING), ("b", PING)) == ["a", "a", "b"]


def test_calls_that_one_proxy_has_numbered_are_different_in_any_file() -> None:
    first, second = (msgspec.structs.replace(PING, source="proxy", order=order) for order in (1, 2))

    assert kept(("a", first), ("b", second), ("copy of a", first)) == ["a", "b"]


def test_equal_calls_that_came_to_several_workers_of_one_proxy_are_different() -> None:
    first, second, again = (
        msgspec.structs.replace(PING, source=source_of_run(run, [], 0, worker), order=1)
        for run, worker in (("record", 1), ("record", 2), ("replay", 2))
    )

    assert kept(("a", first), ("a", second), ("b", again)) == ["a", "a"]


def test_calls_of_two_saves_are_equal_whatever_their_numbers() -> None:
    saves = [msgspec.structs.replace(PING, source=f"{name}.har", order=order) for name, order in (("a", 1), ("b", 7))]

    assert kept(("a", saves[0]), ("b", saves[1])) == ["a"]


@pytest.mark.parametrize(
    "other",
    [
        sent("s2", PING.request.json(), 1),
        sent("s1", PING.request.json(), 1.001),
        sent("s1", PING.request.json(), 1, answered=404),
        sent("s1", PING.request.json(), 1, answered=None),
        sent("s1", {"eventType": "play", "playerTime": {"playhead": 1, "ts": 2}}, 1),
        sent("s1", {"eventType": "ping", "playerTime": {"playhead": 1, "ts": 3}}, 1),
        sent("s1", PING.request.json() | {"params": {"x": 1}}, 1),
        sent("s1", b"no JSON", 1),
    ],
)
def test_calls_that_differ_are_not_equal(other: Exchange) -> None:
    assert kept(("a", PING), ("b", other)) == ["a", "b"]


def test_two_players_that_are_refused_in_one_millisecond_are_two() -> None:
    starts = [opened("s1", start_with({"media.id": content})) for content in ("episode-1", "episode-2")]
    refused = [msgspec.structs.replace(each, session=None, response=None, error="refused") for each in starts]

    assert kept(("a", refused[0]), ("b", refused[1])) == ["a", "b"]


def test_pseudonyms_and_the_precision_of_times_make_no_difference() -> None:
    stored = opened("s1", start_with({"visitor.marketingCloudUserId": "a pseudonym"}))
    exact = msgspec.structs.replace(stored, started=stored.started.replace("000Z", "789Z"))

    assert kept(("a", START), ("b", stored), ("c", exact)) == ["a"]
