"""Recordings whose exchanges stay in the file: read again as they were, or not at all."""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from unittest.mock import patch

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from support.coverage import RECORDINGS
from support.exchanges import NOW, event, request, sent, session, start_with
from support.replay import STEPS
from tapehead.cli.offline_run import EngineRun, EngineSettings
from tapehead.errors import RecordingError
from tapehead.interop.reader import open_recordings
from tapehead.protocol import arrival
from tapehead.protocol.arrival import in_order_of_arrival
from tapehead.protocol.exchange import Exchange, encode
from tapehead.protocol.routes import sid_of_location
from tapehead.recording.reader import RecordingReader
from tapehead.recording.stored_lines import StoredLines
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer

LINES = [encode(each) for each in session("abc", STEPS)]
TEXT = b"".join(LINES)
SPREAD = b"\n".join(orjson.dumps(orjson.loads(line), option=orjson.OPT_INDENT_2) for line in LINES)


def read_both(path: Path) -> list[tuple[Exchange, Exchange | None]]:
    """Each exchange as it is read at first, and again."""
    reader = RecordingReader([path], lambda _line: None)
    both: list[tuple[Exchange, Exchange | None]] = []
    for entry in reader.entries(keep_places=True):
        stored = reader.stored(entry)
        both.append((entry.exchange, stored.read(entry.line) if stored else None))
    return both


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_each_line_is_read_again_as_it_was(path: Path) -> None:
    both = read_both(path)
    assert both
    assert all(first == again for first, again in both)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
def test_bad_and_blank_lines_between_do_not_matter(tmp_path: Path, ending: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b"\n".join([b"", LINES[0].strip(), b"{", b"  ", LINES[1].strip(), b"null", LINES[2].strip()]) + ending
    )
    both = read_both(path)
    assert len(both) == 3
    assert all(first == again for first, again in both)


@pytest.mark.parametrize(
    "content",
    [
        zstandard.compress(TEXT),
        TEXT.decode().encode("utf-16"),
        TEXT.decode().encode("utf-16-le"),
        TEXT.decode().encode("utf-8-sig"),
        b"[" + b",".join(LINES) + b"]",
        SPREAD,
    ],
    ids=["packed", "UTF-16", "UTF-16 without a mark", "UTF-8 with a mark", "an array", "spread over lines"],
)
def test_the_exchanges_of_other_files_stay_in_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    both = read_both(path)
    assert len(both) == len(LINES)
    assert all(again is None for _, again in both)


def test_lines_behind_one_that_is_too_long_stay_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(TEXT)
    stored = StoredLines(path, lambda entry: entry)
    assert list(stored.note([LINES[0], None, LINES[1]])) == [LINES[0], None, LINES[1]]
    assert [stored.has(line) for line in (1, 2, 3)] == [True, False, False]


def test_only_so_many_files_stay_open_and_others_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapehead.recording.reader.MOST_STORED", 1)
    for name, sid in (("a.jsonl", "abc"), ("b.jsonl", "def")):
        (tmp_path / name).write_bytes(b"".join(map(encode, session(sid, STEPS))))
    reader = RecordingReader([tmp_path], pytest.fail)
    stored = {entry.recording: reader.stored(entry) is not None for entry in reader.entries(keep_places=True)}
    assert sorted(stored.values()) == [False, True]


def test_times_that_were_corrected_are_so_again(tmp_path: Path) -> None:
    late = [sent("abc", event("ping", at, at), at + 100) for at in range(10)]
    here = [sent("abc", event("ping", at + 0.5, at + 0.5), at + 0.5) for at in range(10)]
    for name, calls in (("a.jsonl", late), ("b.jsonl", here)):
        (tmp_path / name).write_bytes(b"".join(map(encode, calls)))
    told: list[str] = []
    reader = RecordingReader([tmp_path], told.append)
    for entry in reader.entries(keep_places=True):
        stored = reader.stored(entry)
        assert stored is not None
        assert stored.read(entry.line) == entry.exchange
    assert "corrected" in told[0]


def play(
    path: Path, spoil: Callable[[Path], None], on_miss: OnMiss = OnMiss.SIMULATE
) -> tuple[list[int], EngineRun, list[str]]:
    """Open a session, spoil the recording, and go on; the statuses, the run and what it showed."""
    shown: list[str] = []
    run = EngineRun(EngineSettings(recordings=(path,), on_miss=on_miss), pytest.fail, shown.append)
    first = run.engine.answer(request(start_with({})), NOW).response
    assert first is not None
    sid = sid_of_location(first.header("Location"))
    spoil(path)
    answers = [
        run.engine.answer(
            request(event(name, playhead, at, params or None), f"/api/v1/sessions/{sid}/events"), NOW + at
        )
        for at, playhead, name, params in STEPS
    ]
    return [answer.response.status if answer.response else 0 for answer in answers], run, shown


def truncate(path: Path) -> None:
    os.truncate(path, len(LINES[0]) + 10)


def edit(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(TEXT.replace(b'"status":204', b'"status":200'))


def insert(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(LINES[0] + TEXT)


@pytest.mark.parametrize("spoil", [truncate, edit, insert])
@pytest.mark.parametrize(("on_miss", "status"), [(OnMiss.SIMULATE, 204), (OnMiss.ERROR, 502)])
def test_a_recording_that_was_changed_is_a_miss(
    tmp_path: Path, spoil: Callable[[Path], None], on_miss: OnMiss, status: int
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(TEXT)
    statuses, run, shown = play(path, spoil, on_miss)
    report = run.result(run.counts(None)).report
    assert set(statuses) == {status}
    assert report.replay
    assert (report.replay.hits, report.replay.misses) == (1, len(STEPS))
    assert {miss.explain() for miss in report.replay.missed} == {"the recording was changed since it was loaded"}
    assert shown[0] == f"'{path}' was changed while it is replayed, line 2 or before; start again"


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    other = path.with_name("b")
    other.write_bytes(b"\n" * 5)
    other.replace(path)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(LINES[0])


@pytest.mark.parametrize("spoil", [remove, replace, append])
def test_a_recording_that_is_removed_replaced_or_added_to_is_replayed_as_it_was(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(TEXT)
    statuses, run, shown = play(path, spoil)
    summary = run.result(run.counts(None)).report.replay
    assert set(statuses) == {204}
    assert summary
    assert (summary.hits, summary.misses, list(summary.unused), shown) == (len(STEPS) + 1, 0, [], [])


def test_a_recording_that_can_no_longer_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(TEXT)
    stored = StoredLines(path, lambda entry: entry)
    list(stored.note(LINES))
    with patch("os.pread", side_effect=OSError(5, "Input/output error")), pytest.raises(RecordingError) as caught:
        stored.read(1)
    assert str(caught.value) == f"cannot read '{path}': Input/output error"


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_a_run_answers_from_a_file_as_from_memory(path: Path) -> None:
    calls = [entry.exchange.request for entry in open_recordings([path], lambda _line: None).entries()]
    numbers = count(1)
    run = EngineRun(EngineSettings(recordings=(path,), keep_ids=True), lambda _line: None)
    stored = run.control._engine.root_of(None)
    assert isinstance(stored, Replayer)
    memory = Replayer.from_entries(
        open_recordings([path], lambda _line: None).entries(), random_bytes=lambda size: next(numbers).to_bytes(size)
    )
    memory._peers = stored._peers  # session ids name the process
    stored._random_bytes = stored._endpoint._random_bytes = lambda size: next(others).to_bytes(size)
    others = count(1)
    for at, call in enumerate(calls):
        one, other = stored.answer(call, NOW + at), memory.answer(call, NOW + at)
        assert (one.response, one.note, one.recorded_ms) == (other.response, other.note, other.recorded_ms)
    assert stored.summary() == memory.summary()


ARRIVED = st.builds(
    lambda at, order, source: (f"2026-11-23T00:00:{at:02}.000000Z", order, source),
    st.integers(0, 60),
    st.none() | st.integers(0, 6),
    st.sampled_from(["one", "two"]),
)


@given(st.lists(ARRIVED, max_size=8) | st.lists(ARRIVED, max_size=8).map(lambda calls: sorted(calls, key=str)))
def test_what_is_in_order_is_left_as_it_is(calls: list[tuple[str, int | None, str]]) -> None:
    class Arrived:
        def __init__(self, started: str, order: int | None, source: str) -> None:
            self.started, self.order, self.source = started, order, source

    arrived = [Arrived(*call) for call in calls]
    fast = in_order_of_arrival(arrived)
    with patch.object(arrival, "is_in_order", lambda _calls: False):
        assert in_order_of_arrival(arrived) == fast


def test_a_file_that_goes_before_it_is_opened_is_one_warning_among_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = tmp_path / "kept.jsonl", tmp_path / "gone.jsonl"
    kept.write_bytes(TEXT)
    gone.write_bytes(TEXT)
    told: list[str] = []
    real = os.open

    def opened(path: str | Path, *args: int) -> int:
        if Path(path) == gone:
            gone.unlink(missing_ok=True)
        return real(path, *args)

    monkeypatch.setattr("tapehead.recording.stored_lines.os.open", opened)
    unraisable: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    reader = RecordingReader([kept, gone], told.append, strict=False)

    assert len(list(reader.entries(keep_places=True))) == len(LINES)
    assert len(told) == 1
    assert "gone.jsonl" in told[0]
    assert unraisable == []
