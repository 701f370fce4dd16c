"""A full recording that cannot be renamed goes on as it is, and says so once."""

from pathlib import Path

import pytest

from tapehead.recording.recorder_settings import Rotation
from tapehead.recording.recording_file import RecordingFile
from tapehead.recording.rotation import RotatingFile

LINE = b'{"tapehead":2}\n'


def test_a_full_file_that_cannot_be_renamed_is_written_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    path, warnings = tmp_path / "a.jsonl", list[str]()
    monkeypatch.setattr(Path, "rename", refuse)
    rotating = RotatingFile(RecordingFile(path), Rotation(size=len(LINE)), warnings.append)
    for _ in range(4):
        rotating.append([LINE])
    rotating.close()

    assert warnings == [
        f"cannot rename {path}, which is full: Permission denied; the recording continues in it",
    ]
    assert path.read_bytes() == LINE * 4
    assert list(tmp_path.iterdir()) == [path]
    assert rotating.removed == 0
