"""The index of the files of one key, from that of all files."""

from collections.abc import Mapping
from typing import Any

from support.exchanges import session
from support.replay import STEPS
from tapehead.errors import RecordingError
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.replay.entry_digest import EntryDigester
from tapehead.replay.index import RecordingIndex, build_index, index_of_files
from tapehead.replay.recorded_session import RecordedCall


def shape_of(index: RecordingIndex) -> object:
    """What replay needs of an index, apart from the exchanges themselves."""
    sessions = [
        (
            each.number,
            each.sid,
            each.host,
            each.identity,
            each.started,
            each.is_opened,
            each.started_ts,
            each.start and each.start.line,
            [(call.line, call.elapsed, call.order) for call in each.calls],
            [call.line for call in each.preflights],
            each.mark if each.start else None,
        )
        for each in index.sessions
    ]
    contents = {content: [each.number for each in found] for content, found in index.by_content.items()}
    lists: list[Mapping[Any, list[RecordedCall]]] = [index.schemas, index.preflights, index.downloaded_by_content]
    return sessions, contents, [{name: [each.line for each in calls] for name, calls in each.items()} for each in lists]


def test_the_index_of_one_file_is_as_if_it_were_alone_and_reads_nothing() -> None:
    """Although a session continues in another file."""
    whole = session("abc", STEPS)
    files = [
        [*session("one", STEPS), *whole[:6]],
        [*session("two", STEPS, "clip-2", 500), *whole[6:]],
        session("x", STEPS),
    ]
    entries = [[Entry(line, each) for line, each in enumerate(file, 1)] for file in files]
    unreadable = [[EntryDigester().digest(entry, Unreadable()) for entry in file] for file in entries]
    index = build_index(unreadable)
    for number, alone in enumerate(entries):
        assert shape_of(index_of_files(index, [number])) == shape_of(build_index([alone], [number]))
    assert shape_of(index_of_files(index, [0, 1, 2])) == shape_of(index)


class Unreadable:
    """A recording that was changed since it was loaded."""

    def read(self, line: int) -> Exchange:
        raise RecordingError(f"changed, line {line}")
