"""Copies of objects, and what they leave to the program that reads them."""

import logging
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tapehead.remote import copies
from tapehead.remote.copies import CopyFolder
from tapehead.remote.stores import open_store
from tapehead.remote.urls import parse_url


def test_signals_of_a_program_that_reads_recordings_are_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    monkeypatch.setattr("atexit.register", lambda _remove: None)
    try:
        CopyFolder().prepare()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        CopyFolder().remove_at_signals()
        assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_logs_of_libraries_are_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("botocore"), "level", logging.NOTSET)

    open_store(parse_url("s3://bucket"), attempts=7)

    assert logging.getLogger("botocore").level == logging.NOTSET


@pytest.mark.skipif(os.name != "posix", reason="folders are locked on POSIX alone")
def test_a_folder_that_another_process_takes_for_a_stale_one_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lock, removed = copies._lock, list[Path]()

    def lock_after_another(folder: Path, flags: int) -> int | None:
        if flags and len(removed) < 2:  # between the making of the folder, or of its lock, and the locking
            removed.append(folder)
            shutil.rmtree(folder)
        return lock(folder, flags)

    monkeypatch.setattr(copies, "_lock", lock_after_another)
    folder = CopyFolder()
    path = folder._new_path()
    assert len(removed) == 2
    assert path.parent.is_dir()
    assert path.parent not in removed
    folder.remove()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell open files")
def test_a_stale_folder_leaves_no_open_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stale = tmp_path / f"{copies._PREFIX}stale"
    stale.mkdir()
    (stale / copies._LOCK).touch()
    folder = CopyFolder()
    folder._new_path()
    assert not stale.exists()
    opened = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    assert not [each for each in opened if str(stale) in each]
    folder.remove()


def test_where_nothing_can_be_locked_there_is_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(copies, "_lock", lambda *_: None)
    folder = CopyFolder()
    path = folder._new_path()
    assert list(tmp_path.iterdir()) == [path.parent]
    folder.remove()
