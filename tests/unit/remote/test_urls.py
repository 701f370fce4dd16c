"""URLs of objects in object storage."""

from pathlib import Path

import pytest

from tapehead.errors import UsageError
from tapehead.remote.urls import ObjectUrl, check_login, is_url, parse_url, restore_url, without_secrets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/a/b.jsonl", ("s3", "bucket", "a/b.jsonl")),
        ("S3://bucket", ("s3", "bucket", "")),
        ("gs://my_bucket.example.com/", ("gs", "my_bucket.example.com", "")),
        ("s3://bucket//a?b#c[1]*.jsonl", ("s3", "bucket", "/a?b#c[1]*.jsonl")),
        ("s3://bucket/a@b:c", ("s3", "bucket", "a@b:c")),
    ],
)
def test_a_url_has_a_scheme_a_bucket_and_a_key(text: str, expected: tuple[str, str, str]) -> None:
    assert parse_url(text) == ObjectUrl(*expected)


@pytest.mark.parametrize("text", ["s3://bucket", "s3://bucket/a//b/c.jsonl.gz", "gs://bucket/ü?#"])
def test_a_url_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_url(text)) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://host/a.jsonl", "download it first"),
        ("file:///a.jsonl", "pass the path"),
        ("s3a://bucket/a", "or a URL such as s3://"),
        (
            "ftp://host/a",
            "or gs://bucket/folder; audit --engine spark reads others",
        ),
        ("s3:///a.jsonl", "is not a valid bucket name"),
        ("s3://", "is not a valid bucket name"),
        ("s3://a b/c", "is not a valid bucket name"),
        ("s3://bucket/a\nb", "control character"),
        ("s3://bucket/a\0", "control character"),
    ],
)
def test_a_url_that_names_no_object_is_refused_in_one_sentence(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        parse_url(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIA1:secret@bucket/a",
        "https://user:secret@host/a",
        "https://host/a.jsonl?X-Amz-Signature=secret",
        "https://host/a.jsonl#secret",
        "gs://secret@bucket/a@b",
        "s3://AKIA1:se/secret@bucket/a",
        "https://user:se/secret@host/a",
    ],
)
def test_no_message_repeats_a_login_or_a_signature(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_url(text)
    assert "secret" not in str(refused.value)
    assert "AKIA" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["s3a://AKIA1:secret@bucket/a", "s3a://AKIA1:se/secret@bucket", "hdfs://:secret@host:1/a"]
)
def test_a_password_in_any_url_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="it contains a login; leave it out") as refused:
        check_login(text)
    assert "secret" not in str(refused.value)
    assert "AKIA" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["abfss://container@account.dfs.core.windows.net/a", "hdfs://host:8020/a@b", "hdfs://h/a:b@c", "a:b@c"]
)
def test_names_and_ports_are_no_passwords(text: str) -> None:
    check_login(text)


def test_the_query_of_an_object_belongs_to_its_key() -> None:
    assert without_secrets("s3://bucket/a?b") == "s3://bucket/a?b"


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature=SECRET",
        "X-Amz-Credential=SECRET&X-Amz-Signature=SECRET",
        "versionId=1&x-goog-signature=SECRET",
        "AWSAccessKeyId=A&Signature=SECRET",
    ],
)
@pytest.mark.parametrize("start", ["s3://bucket/x", "gs://bucket/a/x", "s3://b!/x"])
def test_a_presigned_url_is_refused_without_its_signature(start: str, query: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_url(f"{start}?{query}")
    assert str(refused.value).startswith(f"cannot read '{start}': ")
    assert "presigned URLs are not taken" in str(refused.value)
    assert "SECRET" not in str(refused.value)


def test_paths_are_no_urls() -> None:
    assert not any(map(is_url, ["a.jsonl", "/a:/b", "-", "", "C:\\a", "s3:/bucket/a", "://a", "2026:11//a"]))


def test_a_url_that_was_a_path_is_restored() -> None:
    assert restore_url(str(Path("s3://bucket/a"))) == "s3://bucket/a"
    assert restore_url("s3://bucket/a") == "s3://bucket/a"
    assert restore_url(str(Path("http://127.0.0.1:80/#a"))) == "http://127.0.0.1:80/#a"
    assert restore_url("/s3:/a") == "/s3:/a"


def test_names_below_a_url() -> None:
    assert str(parse_url("s3://bucket/a/").below("b.jsonl")) == "s3://bucket/a/b.jsonl"
    assert str(parse_url("s3://bucket").below("b.jsonl")) == "s3://bucket/b.jsonl"
