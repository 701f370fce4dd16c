"""Recordings that are read: plain or compressed, torn or whole, and refused where they are none."""

import os
from pathlib import Path

import pytest

from support.exchanges import exchange, request, response, start
from tapehead.errors import RecordingError
from tapehead.protocol.exchange import encode
from tapehead.recording.format_versions import BadLine
from tapehead.recording.reader import read_entries, read_recording

LINE = encode(exchange(request(start()), response(201)))

not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")


def _problem(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        list(read_recording(path))
    return str(caught.value)


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert _problem(tmp_path / "a.jsonl") == f"there is no file {tmp_path / 'a.jsonl'}"


def test_a_directory_is_no_recording(tmp_path: Path) -> None:
    assert _problem(tmp_path) == f"{tmp_path} is a directory; name the files in it, such as {tmp_path}/*.jsonl"


@not_as_root
def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINE)
    (tmp_path / "a.jsonl").chmod(0)

    assert _problem(tmp_path / "a.jsonl") == f"cannot read {tmp_path / 'a.jsonl'}: Permission denied"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that nobody can read")
def test_a_file_that_fails_to_read_is_a_problem() -> None:
    assert _problem(Path("/proc/self/mem")) == "cannot read /proc/self/mem: Input/output error"


@pytest.mark.parametrize("content", [b"", b"\n", b"\n \n"])
def test_an_empty_recording_is_a_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)

    assert _problem(tmp_path / "a.jsonl").endswith("a.jsonl is empty: no exchange was recorded")


def test_a_foreign_file_is_a_problem_by_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "a.har").write_bytes(b'\n{\n"log": {}\n}\n')

    assert "a.har is no recording: line 2: no exchange: " in _problem(tmp_path / "a.har")


def test_a_later_format_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINE + b'{"tapehead":2}\n')

    assert "a.jsonl: format 2 is newer" in _problem(tmp_path / "a.jsonl")


def test_a_torn_recording_is_read_with_one_complaint(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINE + LINE[:-9])
    told: list[str] = []

    assert len(read_entries(path, told.append)) == 1
    assert told == [f"{path}:2: skipped, a write cut short"]
    assert isinstance(list(read_recording(path))[1], BadLine)
