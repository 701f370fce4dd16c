"""The recordings that URLs stand for, as Spark's libraries list them."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tapehead.spark.inputs import MOST_BYTES, Listing

pytest.importorskip("pyspark", reason="there is no pyspark; .ci/run installs it")


def listing(sizes: dict[str, int]) -> Listing:
    """A listing of a file system that has these files."""

    def status(url: str) -> SimpleNamespace:
        path = SimpleNamespace(toString=lambda: url)
        return SimpleNamespace(getPath=lambda: path, getLen=lambda: sizes[url], isFile=lambda: True)

    system = SimpleNamespace(globStatus=lambda _path: [status(url) for url in sizes])
    path = SimpleNamespace(getFileSystem=lambda _configuration: system)
    packages = SimpleNamespace(
        apache=SimpleNamespace(hadoop=SimpleNamespace(fs=SimpleNamespace(Path=lambda _url: path)))
    )
    context = SimpleNamespace(
        _jvm=SimpleNamespace(org=packages), _jsc=SimpleNamespace(hadoopConfiguration=lambda: None)
    )
    return Listing(cast("Any", context))


def test_a_file_that_spark_cannot_hold_is_refused() -> None:
    files = listing({"hdfs://host/a.jsonl": MOST_BYTES, "hdfs://host/b.jsonl": MOST_BYTES + 1})
    small, large = (file.path for file in files.find("hdfs://host/*.jsonl", pytest.fail).files)

    assert files.source_of(small)[1] is None
    assert files.source_of(large)[1] == (
        "'hdfs://host/b.jsonl' has 2,000,000,001 bytes, and executors read up to 2,000,000,000 at a URL; divide it,"
        " or pass a path that all machines see"
    )
