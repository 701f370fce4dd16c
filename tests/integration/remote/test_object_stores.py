"""The store that the tests use, itself."""

import os

import s3fs

from support.object_stores import Bucket


def test_a_library_finds_the_store_and_its_objects(bucket: Bucket) -> None:
    bucket.put("a b/ü.txt", b"some text")

    files = s3fs.S3FileSystem(skip_instance_cache=True)

    assert files.cat_file(f"{bucket.name}/a b/ü.txt") == b"some text"
    files.pipe_file(f"{bucket.name}/other", b"x")
    assert bucket.keys() == ["a b/ü.txt", "other"]
    assert bucket.get("other") == b"x"
    assert os.environ["AWS_ENDPOINT_URL"] == bucket.store.url
