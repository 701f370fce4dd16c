"""Full recordings get names of their own, in order; one that cannot be renamed goes on as it is, and says so once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.exchanges import sent
from tapehead.protocol.exchange import encode
from tapehead.recording import rotation
from tapehead.recording.recorder_settings import Rotation
from tapehead.recording.recording_file import RecordingFile
from tapehead.recording.rotation import RotatingFile, full_path, times_of_full
from tapehead.recording.unpacking import unpack

LINE = b'{"tapehead":2}\n'
LINES = [encode(sent("s", {"n": number}, number)) for number in range(20)]


def test_a_full_file_that_cannot_be_renamed_is_written_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    path, warnings = tmp_path / "a.jsonl", list[str]()
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", refuse)
    rotating = RotatingFile(RecordingFile(path), Rotation(size=len(LINE)), warnings.append)
    for _ in range(4):
        rotating.append([LINE])
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(Path, "rename", rename)
    rotating.append([b"new"])
    rotating.close()

    assert warnings == [
        f"cannot rename '{path}', which is full: Permission denied; "
        "the recording continues in it until that is possible",
    ]
    assert {each.read_bytes() for each in tmp_path.iterdir()} == {LINE * 4, b"new"}
    assert rotating.removed == 0


class Clock(datetime):
    """A clock that shows given times, and then the last of them."""

    times: tuple[datetime, ...] = ()

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        time, *rest = cls.times
        cls.times = tuple(rest) or cls.times
        return time


NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
CLOCKS = {
    "standing still": (NOON,),
    "going back each time": tuple(NOON - timedelta(hours=hour) for hour in range(40)),
    "set back for an hour": (NOON, NOON - timedelta(hours=1), *(NOON + timedelta(hours=hour) for hour in range(40))),
    "at its end": (datetime.max.replace(tzinfo=UTC) - timedelta(seconds=1),),
}


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst", "100%d [a].jsonl"])
@pytest.mark.parametrize("times", CLOCKS.values(), ids=CLOCKS)
def test_no_full_file_is_overwritten_and_names_are_in_order(
    times: tuple[datetime, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "datetime", Clock)
    monkeypatch.setattr(Clock, "times", times)
    path = tmp_path / name
    # Another run begins after each three files.
    for run in range(5):
        rotating = RotatingFile(RecordingFile(path, append=True), Rotation(size=1), pytest.fail)
        for number in range(4):
            rotating.append([LINES[run * 4 + number]])
        rotating.close()
    path.rename(full_path(path, datetime.max))

    files = sorted(tmp_path.iterdir())
    assert len(files) == 16
    lines = b"".join(line for file in files for line in _lines(file))
    assert lines == b"".join(LINES)


def _lines(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        chunks = unpack("zstd", [file.read()]) if path.suffix == ".zst" else file
        return [line for line in b"".join(chunks).splitlines(keepends=True) if line.strip()]


def test_names_of_others_are_no_times(tmp_path: Path) -> None:
    for name in ("a-99991231T235959.999999Z.jsonl", "a-x.jsonl", "a-.jsonl", "b-20261129T120000.000000Z.jsonl"):
        (tmp_path / name).touch()

    assert list(times_of_full(tmp_path / "a.jsonl")) == []


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst"])
def test_the_last_file_gets_the_name_of_a_full_one_if_that_is_wanted(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    rotating = RotatingFile(RecordingFile(path), Rotation(size=1, at_end=True), list[str]().append)
    for line in LINES[:3]:
        rotating.append([line])
    rotating.close()

    assert not path.exists()
    files = sorted(tmp_path.iterdir())
    assert files == [full_path(path, time) for time in sorted(times_of_full(path))]
    assert [_lines(file) for file in files] == [[line] for line in LINES[:3]]
    assert rotating.path == files[-1]
    assert [str(rotating.places.find(number).recording) for number in (1, 2, 3)] == list(map(str, files))  # type: ignore[union-attr]


def test_what_a_killed_run_left_gets_such_a_name_as_well_and_nothing_gets_none(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES[0])
    for name in ("a.jsonl", "b.jsonl"):
        file = RecordingFile(tmp_path / name, append=True)
        RotatingFile(file, Rotation(at_end=True), list[str]().append).close()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith("a-")
    assert left.read_bytes() == LINES[0]


def test_a_last_file_that_cannot_be_renamed_is_whole_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    path, warnings = tmp_path / "a.jsonl", list[str]()
    rotating = RotatingFile(RecordingFile(path), Rotation(at_end=True), warnings.append)
    rotating.append([LINES[0]])
    monkeypatch.setattr(Path, "rename", refuse)
    rotating.close()
    assert (path.read_bytes(), rotating.path) == (LINES[0], path)
    assert warnings == [f"cannot rename '{path}' at the end: Permission denied"]
