"""Lines of a run are found where they are, also after files were renamed, moved, cut short or overwritten."""

from pathlib import Path

import pytest

from support.exchanges import sent
from tapehead.protocol.exchange import encode
from tapehead.recording.line_places import LinePlaces
from tapehead.recording.recorder_settings import Rotation
from tapehead.recording.recording_file import RecordingFile
from tapehead.recording.rotation import RotatingFile

LINES = [encode(sent("s", {"n": number}, number)) for number in range(20)]


def lines_of(folder: Path) -> dict[tuple[str, int], bytes]:
    return {
        (str(path), number): line
        for path in folder.iterdir()
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1)
    }


def check(places: LinePlaces, folder: Path, lost: range = range(0)) -> None:
    """Every line is at its place, and those that are lost have none."""
    stored = lines_of(folder)
    for number, line in enumerate(LINES, start=1):
        place = places.find(number)
        assert (place is None) == (number in lost), number
        assert place is None or stored[place] == line
    assert places.find(0) is places.find(len(LINES) + 1) is None


@pytest.mark.parametrize("rotation", [Rotation(), Rotation(size=1), Rotation(size=3 * len(LINES[0]))])
@pytest.mark.parametrize("before", [b"", LINES[0] * 2, LINES[0] + b"\n\n" + LINES[1][:9]])
def test_every_line_has_its_place(rotation: Rotation, before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(before)
    rotating = RotatingFile(RecordingFile(path, append=True), rotation, pytest.fail)
    for line in LINES:
        rotating.append([line])
        assert rotating.places.find(1)
    rotating.close()

    check(rotating.places, tmp_path)


def test_a_replaced_recording_is_counted_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES[0] * 9)
    rotating = RotatingFile(RecordingFile(path, overwrite=True), Rotation(), pytest.fail)
    rotating.append(LINES)
    rotating.close()

    check(rotating.places, tmp_path)


def cut(path: Path) -> None:
    path.write_bytes(b"".join(LINES[:6]))


def overwrite(path: Path) -> None:
    path.write_bytes(LINES[3] * 30)


def add(path: Path) -> None:
    with path.open("ab") as file:
        file.write(LINES[3] + b"\n")


@pytest.mark.parametrize(
    ("change", "lost"),
    [(cut, range(7, 11)), (overwrite, range(1, 11)), (add, range(0)), (Path.unlink, range(1, 11))],
)
def test_lines_that_are_gone_have_no_place(change: object, lost: range, tmp_path: Path) -> None:
    path, warnings = tmp_path / "a.jsonl", list[str]()
    rotating = RotatingFile(RecordingFile(path), Rotation(), warnings.append)
    rotating.append(LINES[:10])
    change(path)  # type: ignore[operator]
    rotating.append(LINES[10:])
    rotating.close()

    check(rotating.places, tmp_path, lost)
