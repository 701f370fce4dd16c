"""Reading of recordings: plain or compressed, torn or whole, several merged by time."""

import io
import os
import random
import resource
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard

from support.exchanges import exchange, request, response, start
from tapehead.errors import RecordingError
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import Entry, encode
from tapehead.recording.format_versions import BadLine
from tapehead.recording.reader import MOST_OPEN, RecordingReader, read_recording

LINE = encode(exchange(request(start()), response(201)))

not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")


def _problem(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        list(read_recording(path))
    return str(caught.value)


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert _problem(tmp_path / "a.jsonl") == f"there is no file '{tmp_path / 'a.jsonl'}'"


def test_a_directory_is_no_recording(tmp_path: Path) -> None:
    assert _problem(tmp_path) == f"'{tmp_path}' is a directory; name the files in it, such as '{tmp_path}/*.jsonl'"


@not_as_root
def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINE)
    (tmp_path / "a.jsonl").chmod(0)

    assert _problem(tmp_path / "a.jsonl") == f"cannot read '{tmp_path / 'a.jsonl'}': Permission denied"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that nobody can read")
def test_a_file_that_fails_to_read_is_a_problem() -> None:
    assert _problem(Path("/proc/self/mem")) == "cannot read '/proc/self/mem': Input/output error"


@pytest.mark.parametrize("content", [b"", b"\n", b"\n \n"])
def test_an_empty_recording_is_a_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)

    assert _problem(tmp_path / "a.jsonl").endswith("a.jsonl' is empty: no exchange was recorded")


def test_a_foreign_file_is_a_problem_by_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "a.har").write_bytes(b'\n{\n"log": {}\n}\n')

    assert "a.har' is not a recording: line 1: not an exchange: " in _problem(tmp_path / "a.har")


def test_a_later_format_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINE + b'{"tapehead":3}\n')

    assert "a.jsonl: format 3 is newer" in _problem(tmp_path / "a.jsonl")


def test_a_torn_recording_is_read_with_one_complaint(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINE + LINE[:-9])
    told: list[str] = []

    assert len(list(read_recordings([path], warn=told.append))) == 1
    assert told == [f"{path}:2: skipped, a write cut short"]
    assert isinstance(list(read_recording(path))[1], BadLine)


# ---- Several, merged by time ----


def write(path: Path, times: Iterable[float | str], owner: str | None = None) -> Path:
    """A recording with exchanges at these times, seconds after midnight or as they are written.

    They are not equal to those of other files, unless the owner is the same.
    """
    owner = path.name if owner is None else owner
    lines = []
    for number, time in enumerate(times):
        made = exchange(request(start()), response(201), time if isinstance(time, float | int) else 0)
        started = time if isinstance(time, str) else made.started
        lines.append(
            encode(msgspec.structs.replace(made, started=started, session=f"{owner}{time}{number if owner else ''}"))
        )
    content = b"".join(lines)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zstandard.ZstdCompressor().compress(content) if path.suffix == ".zst" else content)
    return path


def read(*paths: Path | str) -> list[str]:
    """The entries of recordings, as the stem of the file's name with the line."""
    return [f"{Path(entry.recording).name.partition('.')[0]}{entry.line}" for entry in merged(*paths)]


def merged(*paths: Path | str) -> Iterator[Entry]:
    return read_recordings(paths, warn=pytest.fail)


def test_recordings_are_merged_by_time(tmp_path: Path) -> None:
    one = write(tmp_path / "a.jsonl", [1, 4, 5, 9])
    other = write(tmp_path / "b.jsonl.zst", [2, 3, 6, 10])

    assert read(one, other) == ["a1", "b1", "b2", "a2", "a3", "b3", "a4", "b4"]
    assert read(other, one) == read(one, other)


def test_at_equal_times_recordings_take_turns_as_they_were_given(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.jsonl", [1, 1, 2]), write(tmp_path / "b.jsonl", [1, 2, 2])

    assert read(one, other) == ["a1", "a2", "b1", "a3", "b2", "b3"]
    assert read(other, one) == ["b1", "a1", "a2", "b2", "b3", "a3"]


def test_the_lines_of_a_recording_keep_their_order(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.jsonl", [5, 1, 7]), write(tmp_path / "b.jsonl", [3, 4, 6])

    assert read(one, other) == ["b1", "b2", "a1", "a2", "b3", "a3"]


def test_an_exchange_without_a_time_stays_in_its_place(tmp_path: Path) -> None:
    one = write(tmp_path / "a.jsonl", ["yesterday", 1, "", 6])
    other = write(tmp_path / "b.jsonl", [0, 3, "never"])

    assert read(one, other) == ["b1", "a1", "a2", "a3", "b2", "b3", "a4"]
    assert read(write(tmp_path / "c.jsonl", ["never", "never"]), one, other)[:2] == ["c1", "c2"]


def test_times_are_compared_as_times_not_as_text(tmp_path: Path) -> None:
    one = write(tmp_path / "a.jsonl", ["2026-11-23T01:00:00+01:00", "2026-11-23T00:00:02.5Z"])
    other = write(tmp_path / "b.jsonl", [1, 3])

    assert read(one, other) == ["a1", "b1", "a2", "b2"]


@pytest.mark.parametrize("seed", range(20))
def test_any_split_of_a_recording_reads_as_the_whole(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    times = sorted(chance.uniform(0, 100) for _ in range(300))
    count = chance.randrange(2, 40)
    parts: list[list[float]] = [[] for _ in range(count)]
    for time in times:
        parts[chance.randrange(count)].append(time)
    paths = [
        write(tmp_path / f"{number}.jsonl{'.zst' if number % 2 else ''}", part, "")
        for number, part in enumerate(parts)
        if part
    ]
    whole = write(tmp_path / "whole.jsonl", times, "")

    assert [entry.exchange for entry in merged(*paths)] == [entry.exchange for entry in merged(whole)]


def open_descriptors() -> int:
    """How many descriptors this process has, one for the listing among them."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("needs /proc")
    return len(list(folder.iterdir()))


@pytest.mark.parametrize("overlapping", [True, False])
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
def test_many_recordings_do_not_exhaust_descriptors(tmp_path: Path, overlapping: bool, suffix: str) -> None:
    for number in range(200):
        times = [0.1 * number + (20 if overlapping else 0.01) * step for step in range(8)]
        write(tmp_path / "many" / f"{number:03}{suffix}", times)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_descriptors() + MOST_OPEN + 4, hard))
    try:
        entries = list(merged(tmp_path / "many"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert len(entries) == 1600
    assert [entry.exchange.started for entry in entries] == sorted(entry.exchange.started for entry in entries)


def test_a_recording_is_closed_once_it_ends(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{number}.jsonl", [number, number + 0.5]) for number in range(50)]
    before = open_descriptors()
    most = max(open_descriptors() for _ in merged(*paths))

    assert most <= before + 2
    assert open_descriptors() == before


@pytest.mark.parametrize("hold_open", [True, False])
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
def test_a_recording_that_grows_while_it_is_read_has_an_end(tmp_path: Path, suffix: str, hold_open: bool) -> None:
    path = write(tmp_path / f"a{suffix}", [0])
    content, lines = path.read_bytes(), 0
    for _ in read_recording(path, hold_open=hold_open):
        lines += 1
        with path.open("ab") as file:
            file.write(content * 3)
        assert lines < 10

    assert lines == 1


# ---- Folders, patterns, stdin ----


def test_a_folder_stands_for_the_recordings_in_it_and_in_its_folders(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [1])
    write(tmp_path / "deep" / "b.jsonl.zst", [2])
    (tmp_path / ".hidden").write_text("no recording")

    assert read(tmp_path) == ["a1", "b1"]


def test_other_files_of_a_folder_are_named_in_one_line(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [1])
    (tmp_path / "deep").mkdir()
    for number in range(7):
        (tmp_path / "deep" / f"{number}.txt").write_text("no recording")
    told: list[str] = []
    list(read_recordings([tmp_path, tmp_path / "a.jsonl"], warn=told.append))

    assert told == ["7 other files not read: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more"]


def test_a_pattern_stands_for_the_files_and_folders_that_match(tmp_path: Path) -> None:
    write(tmp_path / "a1.jsonl", [1])
    write(tmp_path / "a2" / "b.jsonl", [2])
    write(tmp_path / "c.jsonl", [3])

    assert read(str(tmp_path / "a*")) == ["a11", "b1"]
    assert read(str(tmp_path / "**" / "[bc].jsonl")) == ["b1", "c1"]


def test_a_file_that_is_called_like_a_pattern_is_itself(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [1])
    write(tmp_path / "[a].jsonl", [2])

    assert read(tmp_path / "[a].jsonl") == ["[a]1"]


def test_a_recording_under_two_spellings_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = write(tmp_path / "a.jsonl", [1])
    (tmp_path / "link.jsonl").symlink_to(one)
    monkeypatch.chdir(tmp_path)

    assert read("a.jsonl", one, "link.jsonl", "*.jsonl", tmp_path) == ["a1"]


def test_stdin_is_merged_with_files_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, piped = write(tmp_path / "a.jsonl", [1, 3]), write(tmp_path / "b.jsonl.zst", [2, 4])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped.read_bytes())))

    assert read("-", path, "-") == ["a1", "stdin1", "a2", "stdin2"]


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path, pipe = write(tmp_path / "a.jsonl", [1, 3]), tmp_path / "pipe"
    os.mkfifo(pipe)
    content = write(tmp_path / "b.jsonl", [2, 4]).read_bytes()
    threading.Thread(target=pipe.write_bytes, args=(content,)).start()

    assert read(path, pipe) == ["a1", "pipe1", "a2", "pipe2"]


# ---- What cannot be read ----


def test_what_cannot_be_read_hides_nothing(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.jsonl", [1, 2])
    (tmp_path / "in" / "b.jsonl").write_bytes(b"")
    missing, told = tmp_path / "missing.jsonl", list[str]()
    reader = RecordingReader([tmp_path / "in", missing], told.append, strict=False)

    assert len(list(reader.entries())) == 2
    assert sorted(told) == [
        f"'{tmp_path / 'in' / 'b.jsonl'}' is empty: no exchange was recorded",
        f"there is no file '{missing}'",
    ]
    assert reader.unreadable == [missing]
    assert (reader.exchanges, len(reader.files)) == (2, 3)


def test_a_file_that_was_named_has_to_be_readable(tmp_path: Path) -> None:
    good = write(tmp_path / "a.jsonl", [1])

    with pytest.raises(RecordingError, match="there is no file"):
        list(merged(good, tmp_path / "missing.jsonl"))
    with pytest.raises(RecordingError, match=r"no file matches '.*x\*\.jsonl'$"):
        list(merged(good, tmp_path / "x*.jsonl"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        RecordingError,
        match=r"there is no recording \(\*\.jsonl, \*\.jsonl\.zst, \*\.jsonl\.gz\), HAR or flow file in '.*empty'$",
    ):
        merged(good, tmp_path / "empty")


def test_files_of_a_folder_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("{}\n")
    told: list[str] = []

    with pytest.raises(RecordingError, match="none of 2 recordings can be read"):
        list(read_recordings([tmp_path], warn=told.append))
    assert [line.split(": ")[0] for line in told] == [f"'{tmp_path / name}.jsonl' is not a recording" for name in "ab"]


def test_progress_counts_files_and_exchanges(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.jsonl", range(600)), write(tmp_path / "b.jsonl", [0.5])
    shown: list[tuple[int, int]] = []
    list(read_recordings([one, other], on_progress=lambda *numbers: shown.append(numbers)))

    # Of a file, one exchange is read before it is due.
    assert shown == [(1, 3), (1, 500), (2, 601)]
