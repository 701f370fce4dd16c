"""The recordings that URLs stand for, as Spark's libraries list them."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tapehead.spark.inputs import MOST_BYTES, Listing, _reason_of

pytest.importorskip("pyspark", reason="there is no pyspark; .ci/run installs it")


def listing(sizes: dict[str, int], asked: list[str]) -> Listing:
    """A listing of a file system that has these files; URLs are noted as it is asked for them."""

    def status(url: str) -> SimpleNamespace:
        path = SimpleNamespace(toString=lambda: url)
        return SimpleNamespace(getPath=lambda: path, getLen=lambda: sizes[url], isFile=lambda: True)

    system = SimpleNamespace(globStatus=lambda _path: [status(url) for url in sizes])

    def path_of(url: str) -> SimpleNamespace:
        asked.append(url)
        return SimpleNamespace(getFileSystem=lambda _configuration: system)

    packages = SimpleNamespace(apache=SimpleNamespace(hadoop=SimpleNamespace(fs=SimpleNamespace(Path=path_of))))
    context = SimpleNamespace(
        _jvm=SimpleNamespace(org=packages), _jsc=SimpleNamespace(hadoopConfiguration=lambda: None)
    )
    return Listing(cast("Any", context))


def test_a_file_that_spark_cannot_hold_is_refused() -> None:
    files = listing({"hdfs://host/a.jsonl": MOST_BYTES, "hdfs://host/b.jsonl": MOST_BYTES + 1}, [])
    small, large = (file.path for file in files.find("hdfs://host/*.jsonl", pytest.fail).files)

    assert files.source_of(small)[1] is None
    assert files.source_of(large)[1] == (
        "'hdfs://host/b.jsonl' has 2,000,000,001 bytes, and executors read up to 2,000,000,000 at a URL; divide it,"
        " or pass a path that all machines see"
    )


def test_a_bucket_or_a_host_alone_is_its_topmost_folder() -> None:
    asked = list[str]()
    for url in ("s3a://bucket", "s3a://bucket/", "hdfs://host:8020", "hdfs:///a", "hdfs:/a", "s3a://bucket/a"):
        listing({}, asked).find(url, pytest.fail)

    assert asked == ["s3a://bucket/", "s3a://bucket/", "hdfs://host:8020/", "hdfs:///a", "hdfs:/a", "s3a://bucket/a"]


# What Hadoop 3.3 (of S3), 3.4 and 3.5 say.
CALL = "java.net.ConnectException: Call From vm/127.0.0.1 to node:8020 failed on connection exception: "
READ_ON = "; For more details see:  http://wiki.apache.org/hadoop/"


@pytest.mark.parametrize(
    ("url", "text", "reason"),
    [
        (
            "hdfs://node/a",
            f"{CALL}java.net.ConnectException: Connection refused{READ_ON}ConnectionRefused",
            "cannot reach 'node:8020': Connection refused; is it running, and is its port right?",
        ),
        (
            "webhdfs://node:9870/a",
            "java.net.ConnectException: node:9870: Connection refused",
            "cannot reach 'node:9870': Connection refused; is it running, and is its port right?",
        ),
        (
            "hdfs://nosuch/a",
            "java.lang.IllegalArgumentException: java.net.UnknownHostException: nosuch",
            "there is no host 'nosuch'",
        ),
        (
            "hdfs://node:22/a",
            'java.io.EOFException: End of File Exception between local host is: "vm/127.0.0.1"; destination host is:'
            f' "node":22; : java.io.EOFException{READ_ON}EOFException',
            "'node:22' ended the connection; is that the port of a name node?",
        ),
        (
            "hdfs://node/a",
            'org.apache.hadoop.security.AccessControlException: Permission denied: user=root, access=READ, inode="/a"',
            'Permission denied: user=root, access=READ, inode="/a"',
        ),
        (
            "s3a://bucket/a",
            "java.lang.RuntimeException: java.lang.ClassNotFoundException: Class org.apache.hadoop.fs.s3a.S3AFileSystem"
            " not found",
            "it has no library for s3a://; add it, as with PYSPARK_SUBMIT_ARGS='--packages"
            " org.apache.hadoop:hadoop-aws:VERSION pyspark-shell'",
        ),
        (
            "oss://bucket/a",
            'org.apache.hadoop.fs.UnsupportedFileSystemException: No FileSystem for scheme "oss"',
            "it has no library for oss://; add it, as with PYSPARK_SUBMIT_ARGS='--packages GROUP:LIBRARY:VERSION"
            " pyspark-shell'",
        ),
        (
            "webhdfs://node/a",
            "java.io.IOException: node:9870: Response decoding failure: java.lang.RuntimeException: java.lang."
            "ClassNotFoundException: org.apache.hadoop.shaded.org.glassfish.jersey.internal.RuntimeDelegateImpl",
            "its library for webhdfs:// lacks the class"
            " org.apache.hadoop.shaded.org.glassfish.jersey.internal.RuntimeDelegateImpl; pass an hdfs:// URL",
        ),
        (
            "s3a://bucket/a",
            "org.apache.hadoop.fs.s3a.UnknownStoreException: s3a://bucket/a",
            "there is no bucket 'bucket'",
        ),
        (
            "s3a://bu_cket/a",
            "java.lang.NullPointerException: bucket",
            "it has no bucket, or none with a valid name; expected s3a://BUCKET/PATH",
        ),
        (
            "s3a://bucket/a",
            "org.apache.hadoop.net.ConnectException: getFileStatus on s3a://bucket/a: com.amazonaws.SdkClientException:"
            " Unable to execute HTTP request: Connect to 127.0.0.1:9000 [/127.0.0.1] failed: Connection refused: Unable"
            " to execute HTTP request: Connect to 127.0.0.1:9000 [/127.0.0.1] failed: Connection refused",
            "cannot reach '127.0.0.1:9000': Connection refused; is it running, and is its port right?",
        ),
        ("hdfs://node/a", "java.io.IOException: hdfs://node/a: is corrupt", "is corrupt"),
        ("s3://bucket/a", "java.io.IOException: any", "Spark's name for S3 is s3a://"),
        ("hdfs://node/a", "java.io.IOException: disk full\n\tat a.B", "disk full"),
    ],
)
def test_what_libraries_say_is_told_in_plain_words(url: str, text: str, reason: str) -> None:
    assert _reason_of(url, text) == reason
