"""Recordings at `gs://` URLs, from a stand-in of Google's server: Google itself is not tested."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.google_storage import GoogleStore, google_store
from support.paths import RECORDINGS_FOLDER
from support.processes import run_tapehead
from tapehead.remote import stores
from tapehead.remote.stores import PIECE_BYTES, ObjectStore, open_store
from tapehead.remote.urls import parse_url

ONE, TWO, THREE = ((RECORDINGS_FOLDER / f"timeline-{number}.jsonl").read_bytes() for number in (1, 2, 3))


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[GoogleStore]:
    with google_store() as store:
        for name, value in {**store.environment, "HOME": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        monkeypatch.setattr(stores, "_stores", {})
        yield store


@pytest.fixture
def store(google: GoogleStore) -> ObjectStore:
    return open_store(parse_url("gs://recordings"))


def test_objects_folders_and_patterns_are_audited(google: GoogleStore, tmp_path: Path) -> None:
    google.put("2026-11/one.jsonl", ONE)
    google.put("2026-11/02/two.jsonl.gz", gzip.compress(TWO))
    google.put("2026-11/three.jsonl", THREE)
    google.put("2026-11/notes.txt", b"notes")

    for words in (["gs://recordings/2026-11"], ["gs://recordings/2026-11/*.jsonl", "gs://recordings/**/*.gz"]):
        done = run_tapehead("audit", *words, "--fail-on", "never", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("audit of 3 recordings")
        assert "gs://recordings/2026-11/02/two.jsonl.gz" in done.stdout


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1])
def test_a_copy_is_whole_whatever_its_size(google: GoogleStore, store: ObjectStore, tmp_path: Path, size: int) -> None:
    content = bytes(range(251)) * (size // 251) + bytes(size % 251)
    url = parse_url(google.put("object", content))
    with (tmp_path / "copy").open("wb") as file:
        store.copy(store.info(url), file.fileno(), lambda _size: None)

    assert (tmp_path / "copy").read_bytes() == content


def test_what_is_put_is_stored(google: GoogleStore, store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(ONE)

    store.put_bytes(parse_url("gs://recordings/a b/ü"), b"some text")
    store.put_file(parse_url("gs://recordings/one.jsonl"), file)

    assert google.objects == {"a b/ü": b"some text", "one.jsonl": ONE}
    assert store.exists(parse_url("gs://recordings/one.jsonl"))
    assert not store.exists(parse_url("gs://recordings/two.jsonl"))


@pytest.mark.parametrize(
    ("url", "status", "line"),
    [
        ("gs://recordings/none.jsonl", 0, "there is no file 'gs://recordings/none.jsonl'"),
        ("gs://recordings/*.jsonl", 0, "no file matches 'gs://recordings/*.jsonl'"),
        ("gs://recordings/a.jsonl", 403, "cannot read 'gs://recordings/a.jsonl': access is denied"),
        ("gs://recordings/a.jsonl", 401, "cannot read 'gs://recordings/a.jsonl': "),
    ],
)
def test_what_cannot_be_read_is_told_in_one_sentence(
    url: str, status: int, line: str, google: GoogleStore, tmp_path: Path
) -> None:
    google.put("a.txt", b"")
    google.status = status
    done = run_tapehead("audit", url, cwd=tmp_path, cold=True)

    assert done.returncode == 2
    assert done.stderr.startswith(f"tapehead: {line}")
    assert done.stderr.count("\n") == 1
