"""The keys of pseudonyms: private, outside of the recordings, one for each directory."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tapehead.errors import RecordingError
from tapehead.recording.pseudonym_keys import pseudonym_key, state_directory


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = pseudonym_key(tmp_path)
    (path,) = (state_directory() / "keys").iterdir()

    assert len(key) == 32
    assert pseudonym_key(tmp_path) == key == path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_key_stays_out_of_the_recordings(tmp_path: Path) -> None:
    pseudonym_key(tmp_path)

    assert not list(tmp_path.iterdir())
    assert not state_directory().is_relative_to(tmp_path)


def test_each_directory_has_its_own_key(tmp_path: Path) -> None:
    keys = {pseudonym_key(tmp_path / name) for name in ("a", "b", "a/b")}

    assert len(keys) == 3


@pytest.mark.parametrize(
    "spelling", [lambda path: path / "..", lambda path: Path(os.path.relpath(path.parent)), lambda path: path.parent]
)
def test_a_directory_has_one_key_however_spelt(tmp_path: Path, spelling: Callable[[Path], Path]) -> None:
    (tmp_path / "sub").mkdir()

    assert pseudonym_key(spelling(tmp_path / "sub")) == pseudonym_key(tmp_path)


def test_a_key_that_cannot_be_kept_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))

    with pytest.raises(RecordingError, match=r"cannot keep the pseudonyms' key in .*; set XDG_STATE_HOME or pass"):
        pseudonym_key(tmp_path)
