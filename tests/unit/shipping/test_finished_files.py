"""Finished files of a recording: which they are, which are shipped, and which are still written."""

import errno
import fcntl
from pathlib import Path
from typing import Any

import pytest

from tapehead.errors import RecordingError
from tapehead.shipping.finished_files import (
    FinishedFiles,
    LockedFile,
    ShippedNote,
    is_shipped,
    note_path,
    write_note,
)

TIMES = [f"20261130T2058{second:02}.000001Z" for second in range(5)]


FOLDER = "s3://b"


def note(size: int) -> ShippedNote:
    return ShippedNote(url="s3://b/x", size=size, sha256="0" * 64, time="2026-11-30T00:00:00+00:00")


def fill(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).write_bytes(b"line\n")
    return [folder / name for name in names]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst", ""])
def test_full_files_are_found_once_the_oldest_first(suffix: str, tmp_path: Path) -> None:
    finished = FinishedFiles(tmp_path / f"a+b{suffix}", FOLDER)
    full = fill(tmp_path, *(f"a+b-{time}{suffix}" for time in TIMES[:2]))
    # One that continued under such a name, because another file had taken the recording's.
    full += fill(tmp_path, f"a+b-{TIMES[2]}-{TIMES[3]}{suffix}")
    fill(tmp_path, f"a+b{suffix}", f"aab-{TIMES[0]}{suffix}", f"a+b-c-{TIMES[0]}{suffix}", f"a+b-{TIMES[0]}{suffix}.gz")

    assert finished.find_new() == full
    assert finished.find_new() == []
    assert finished.find_new() + fill(tmp_path, f"a+b-{TIMES[4]}{suffix}") == finished.find_new()


def test_a_shipped_file_is_left_out_unless_it_has_changed(tmp_path: Path) -> None:
    first, second = fill(tmp_path, *(f"a-{time}.jsonl" for time in TIMES[:2]))
    write_note(first, note(5))
    write_note(second, note(4))

    assert FinishedFiles(tmp_path / "a.jsonl", FOLDER).find_new() == [second]
    note_path(first).write_bytes(b"{half of a n")
    assert FinishedFiles(tmp_path / "a.jsonl", FOLDER).find_new() == [first, second]
    assert note_path(second).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("folder", ["s3://other", "s3://b/x", "gs://b", "s3://"])
def test_what_was_shipped_elsewhere_is_shipped_here_as_well(folder: str, tmp_path: Path) -> None:
    (path,) = fill(tmp_path, f"a-{TIMES[0]}.jsonl")
    write_note(path, note(5))
    assert FinishedFiles(tmp_path / "a.jsonl", f"{FOLDER}/").find_new() == []
    assert FinishedFiles(tmp_path / "a.jsonl", folder).find_new() == [path]
    # What is to be removed is not done as long as it is there.
    assert FinishedFiles(tmp_path / "a.jsonl", FOLDER, delete=True).find_new() == [path]


def test_an_empty_file_has_its_name_before_its_content(tmp_path: Path) -> None:
    path, finished = tmp_path / f"a-{TIMES[0]}.jsonl", FinishedFiles(tmp_path / "a.jsonl", FOLDER)
    path.touch()
    assert finished.find_new() == []
    path.write_bytes(b"line\n")
    assert finished.find_new() == [path]


def test_a_folder_that_is_not_there_yet_has_no_files(tmp_path: Path) -> None:
    finished = FinishedFiles(tmp_path / "later" / "a.jsonl", FOLDER)
    assert finished.find_new() == []
    (tmp_path / "later").mkdir()
    assert finished.find_new() + fill(tmp_path / "later", f"a-{TIMES[0]}.jsonl") == finished.find_new()


def test_a_file_that_is_written_is_not_opened(tmp_path: Path) -> None:
    (path,) = fill(tmp_path, "a.jsonl")
    with path.open("ab") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            LockedFile(path)
        fcntl.flock(writing, fcntl.LOCK_UN)
        with LockedFile(path) as opened:
            assert opened.size == 5
            with pytest.raises(BlockingIOError):
                fcntl.flock(writing, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(writing, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(RecordingError, match="is not a regular file"):
        LockedFile(Path("/dev/null"))


def test_a_file_that_can_only_be_read_is_locked_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = fill(tmp_path, "a.jsonl")
    own = Path.open

    def refuse(self: Path, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        if "+" in mode:
            raise OSError(errno.EROFS, "Read-only file system")
        return own(self, mode, *arguments, **more)

    monkeypatch.setattr(Path, "open", refuse)
    with LockedFile(path) as opened:
        assert opened.file.read() == b"line\n"
        with pytest.raises(BlockingIOError):
            LockedFile(path)
    with pytest.raises(FileNotFoundError):
        LockedFile(tmp_path / "gone")


def test_a_note_that_the_disk_does_not_take_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    note_path(path).mkdir()
    with pytest.raises(OSError, match="directory"):
        write_note(path, note(5))
    assert [each.name for each in tmp_path.iterdir()] == [note_path(path).name]
    assert not is_shipped(path, 5, FOLDER)
