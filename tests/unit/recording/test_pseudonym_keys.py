"""The keys of pseudonyms: private, outside of the recordings, one for each directory."""

import errno
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from support.processes import run_tapehead
from tapehead.errors import RecordingError
from tapehead.recording.pseudonym_keys import KEY_BYTES, KEY_VARIABLE, pseudonym_key, state_directory


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


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64, 2_000_000])
def test_a_file_that_is_no_key_is_refused_and_kept(tmp_path: Path, size: int) -> None:
    """With an empty key, everybody could compute the pseudonyms."""
    pseudonym_key(tmp_path)
    (path,) = (state_directory() / "keys").iterdir()
    path.write_bytes(bytes(size))

    with pytest.raises(RecordingError, match=re.escape(str(path))):
        pseudonym_key(tmp_path)
    assert path.stat().st_size == size
    done = run_tapehead("record", "--to", "http://127.0.0.1:9", "--out", tmp_path / "a.jsonl")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"'{path}' has {size} bytes instead of 32; " in line or size > 1_000_000
    assert not (tmp_path / "a.jsonl").exists()


def test_a_pipe_in_place_of_a_key_is_refused_at_once(tmp_path: Path) -> None:
    pseudonym_key(tmp_path)
    (path,) = (state_directory() / "keys").iterdir()
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(RecordingError, match="it is not a regular file"):
        pseudonym_key(tmp_path)


def test_a_key_gets_its_name_once_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, fsync = list[bytes](), os.fsync

    def note(file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode):
            assert not any(len(path.name) == 32 for path in keys.iterdir())
            synced.append(os.pread(file, 100, 0))
        fsync(file)

    keys = state_directory() / "keys"
    monkeypatch.setattr(os, "fsync", note)
    key = pseudonym_key(tmp_path)

    assert synced == [key]
    assert [path.read_bytes() for path in keys.iterdir()] == [key]


def test_a_disk_that_takes_no_key_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(RecordingError, match="Input/output error"):
        pseudonym_key(tmp_path)
    assert list((state_directory() / "keys").iterdir()) == []


def test_a_key_that_is_shared_holds_for_every_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = pseudonym_key(tmp_path)
    (tmp_path / "shared").write_bytes(b"k" * KEY_BYTES)
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "shared"))
    assert {pseudonym_key(tmp_path / name) for name in ("", "a", "b")} == {b"k" * KEY_BYTES}

    monkeypatch.setenv(KEY_VARIABLE, "")
    assert pseudonym_key(tmp_path) == own


@pytest.mark.parametrize("words", [["record", "--to", "http://127.0.0.1:9"], ["serve", "--fail-on", "error"]])
@pytest.mark.parametrize("content", [None, b"", b"k" * (KEY_BYTES + 1)])
def test_a_shared_key_that_is_none_is_refused_at_the_start(
    content: bytes | None, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "shared").write_bytes(content)
    monkeypatch.setenv(KEY_VARIABLE, "shared")
    done = run_tapehead(*words, cwd=tmp_path)

    what = "cannot read the pseudonyms' key in 'shared': No such file or directory"
    if content is not None:
        what = f"the pseudonyms' key in 'shared' has {len(content)} bytes"
    advice = f"; let {KEY_VARIABLE} name a file of 32 random bytes, or nothing"
    assert (done.returncode, done.stderr) == (2, f"tapehead: {what}{advice}\n")
