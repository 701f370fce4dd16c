"""Uploads: verified by size and checksum, and not repeated."""

import hashlib
import os
from pathlib import Path

import pytest

from support.memory_store import MemoryStore
from tapehead.remote.urls import ObjectUrl, parse_url
from tapehead.shipping.finished_files import note_path
from tapehead.shipping.uploader import UnreadableFileError, Uploader

CONTENT = b"line\n" * 3
FOLDER = parse_url("s3://bucket/runs/")
KEY = f"s3://bucket/runs/a-{hashlib.sha256(CONTENT).hexdigest()[:12]}.jsonl.zst"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("checksum", ["md5", "other", ""])
def test_a_file_is_stored_verified_and_noted(checksum: str, path: Path) -> None:
    store = MemoryStore(checksum)
    assert Uploader(store, FOLDER).ship(path)
    assert store.objects == {KEY: CONTENT}
    assert KEY in note_path(path).read_text()
    # Where the store has no checksum of the content, it is read again.
    assert (store.pieces > 0) == (checksum != "md5")


def test_what_is_there_is_not_sent_again(path: Path) -> None:
    store = MemoryStore()
    assert Uploader(store, FOLDER).ship(path)
    note_path(path).unlink()
    assert Uploader(store, FOLDER).ship(path)
    assert Uploader(store, FOLDER).ship(path)
    assert store.puts == 1


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT[:-1] + b"!"])
def test_an_object_with_another_content_is_not_believed(content: bytes, path: Path) -> None:
    store = MemoryStore(received=content)
    with pytest.raises(OSError, match="the store does not have what was sent as 's3://bucket/runs/a-"):
        Uploader(store, FOLDER).ship(path)
    assert not note_path(path).exists()


def test_a_file_is_removed_only_once_it_is_verified(path: Path) -> None:
    with pytest.raises(OSError, match="does not have"):
        Uploader(MemoryStore(received=b"x"), FOLDER, delete=True).ship(path)
    assert path.exists()
    assert Uploader(MemoryStore(), FOLDER, delete=True).ship(path)
    assert list(path.parent.iterdir()) == []


def test_a_note_of_another_folder_says_nothing(path: Path) -> None:
    store, other = MemoryStore(), parse_url("s3://bucket/other")
    assert Uploader(store, FOLDER).ship(path)
    assert Uploader(store, other).ship(path)
    assert sorted(store.objects) == [KEY.replace("/runs/", "/other/"), KEY]


def test_a_file_that_was_shipped_before_is_verified_and_removed(path: Path) -> None:
    store = MemoryStore()
    assert Uploader(store, FOLDER).ship(path)
    (note,) = (each for each in path.parent.iterdir() if each != path)
    assert Uploader(store, FOLDER, delete=True).ship(path)
    assert store.puts == 1
    assert not path.exists()
    assert not note.exists()


def test_what_is_sent_is_the_file_that_was_checked_whatever_gets_its_name(path: Path) -> None:
    class Swapping(MemoryStore):
        def put_new_file(self, url: ObjectUrl, sent: str | os.PathLike[str]) -> None:
            path.rename(path.with_name("b.jsonl.zst"))
            path.write_bytes(b"another content")
            super().put_new_file(url, sent)

    store = Swapping()
    assert Uploader(store, FOLDER).ship(path)
    assert store.objects == {KEY: CONTENT}


def test_a_file_that_cannot_be_read_is_no_failure_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"cannot read '.*gone.jsonl': No such file"):
        Uploader(MemoryStore(), FOLDER).ship(tmp_path / "gone.jsonl")


def test_a_missing_bucket_is_named() -> None:
    Uploader(MemoryStore(), FOLDER).check()
    with pytest.raises(OSError, match="there is no bucket 'other'"):
        Uploader(MemoryStore(), parse_url("s3://other/runs")).check()
