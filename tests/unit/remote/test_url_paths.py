"""Paths of objects: URLs by their names, copies by their contents."""

import os
import pickle
from pathlib import Path

import pytest

from tapehead.recording.paths import input_path, name_of
from tapehead.remote.stores import StoredObject
from tapehead.remote.url_paths import OtherUrlPath, UrlPath
from tapehead.remote.urls import parse_url


def path_of(url: str, copy: str = "", problem: OSError | None = None) -> UrlPath:
    return UrlPath(parse_url(url), copy=copy, problem=problem)


def test_it_is_named_by_its_url_and_opened_by_its_copy(tmp_path: Path) -> None:
    copy = tmp_path / "1"
    copy.write_bytes(b"content")
    path = path_of("s3://bucket/a//b.jsonl.gz", str(copy))

    assert str(path) == name_of(path) == f"{path}" == "s3://bucket/a//b.jsonl.gz"
    assert (path.name, path.suffix) == ("b.jsonl.gz", ".gz")
    assert path.read_bytes() == b"content"
    assert path.stat().st_size == 7
    assert os.path.isfile(path)  # noqa: PTH113
    assert path.is_file()
    assert path.exists()
    assert path.read_start(4) == b"cont"


def test_what_cannot_be_read_says_why_each_time() -> None:
    path = path_of("s3://bucket/a", problem=PermissionError(13, "access is denied"))

    for _ in range(2):
        with pytest.raises(PermissionError, match="access is denied"):
            path.open("rb")
    assert not path.is_file()
    assert not os.path.isfile(path)  # noqa: PTH113


def test_equal_urls_are_equal_paths_and_no_others() -> None:
    assert path_of("s3://bucket/a") == path_of("s3://bucket/a", "/copy")
    assert len({path_of("s3://bucket/a"), path_of("s3://bucket/a"), path_of("gs://bucket/a")}) == 2
    assert path_of("s3://bucket/a") != Path("s3://bucket/a")
    assert Path("s3:/bucket/a") != path_of("s3://bucket/a")
    assert sorted([path_of("s3://bucket/b"), path_of("s3://bucket/a")])[0].url.key == "a"


def test_another_process_gets_the_copy() -> None:
    found = StoredObject(parse_url("s3://bucket/a"), 1, "version")
    path = pickle.loads(pickle.dumps(UrlPath(found.url, found, copy="/copy")))

    assert path == path_of("s3://bucket/a")
    assert os.fspath(path) == "/copy"
    assert path.found == found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("b.json", "s3://bucket/runs/b.json"),
        ("x/../b.json", "s3://bucket/runs/b.json"),
        ("../b.json", None),
        ("../../../b.json", None),
        ("../runs2/b.json", None),
        ("/etc/passwd", "s3://bucket/runs//etc/passwd"),
    ],
)
def test_names_beside_it_are_below_its_folder_or_elsewhere(name: str, expected: str | None) -> None:
    folder = path_of("s3://bucket/runs/a.har").parent.resolve()
    beside = (folder / name).resolve()

    assert (str(beside) if beside.is_relative_to(folder) else None) == expected


def test_all_of_a_bucket_is_below_it() -> None:
    folder = path_of("s3://bucket/a.har").parent

    assert str(folder) == "s3://bucket"
    assert (folder / "b").is_relative_to(folder)
    assert not path_of("gs://bucket/b").is_relative_to(folder)
    assert not path_of("s3://bucket/b").is_relative_to("s3://bucket")


def test_a_url_of_another_scheme_stays_as_it_was() -> None:
    assert str(OtherUrlPath("hdfs://host:8020/a//b")) == "hdfs://host:8020/a//b"
    assert OtherUrlPath("hdfs://host/a") == OtherUrlPath("hdfs://host/a").resolve()
    assert OtherUrlPath("hdfs://host/a") != Path("hdfs://host/a")
    assert pickle.loads(pickle.dumps(OtherUrlPath("hdfs://host/a"))) == OtherUrlPath("hdfs://host/a")


def test_a_url_of_another_scheme_is_in_one_and_has_others_below() -> None:
    path = OtherUrlPath("hdfs://host:8020/a/b.jsonl")

    assert path.parent / "c" == OtherUrlPath("hdfs://host:8020/a/c")
    assert str(path.parent.parent) == "hdfs://host:8020/"
    assert path.parent.parent.parent == path.parent.parent / ""
    assert OtherUrlPath("hdfs://host").parent == OtherUrlPath("hdfs://host")
    assert (path.name, path.with_suffix(".gz").name) == ("b.jsonl", "b.gz")


def test_a_text_becomes_the_path_that_it_names() -> None:
    assert type(input_path("a.jsonl")) is type(Path("a.jsonl"))
    assert input_path("s3://bucket/a//b") == path_of("s3://bucket/a//b")
    assert input_path(Path("s3://bucket/a/b")) == path_of("s3://bucket/a/b")
    assert input_path(path := path_of("s3://bucket/a")) is path
