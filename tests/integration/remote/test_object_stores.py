"""Object stores as tapehead reaches them, on a real S3 server."""

import os
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from support.certificates import server_tls
from support.object_stores import Bucket, environment_of, running_store
from tapehead.remote import stores
from tapehead.remote.stores import PIECE_BYTES, ObjectStore, StoredObject, open_store
from tapehead.remote.urls import parse_url

NOTHING_LISTENS = environment_of("http://127.0.0.1:9")


@pytest.fixture
def store(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setattr(stores, "_stores", {})
    return open_store(parse_url(bucket.url))


def copied(store: ObjectStore, found: StoredObject, tmp_path: Path) -> bytes:
    """What `copy` writes of an object."""
    with (tmp_path / "copy").open("w+b") as file:
        store.copy(found, file.fileno(), lambda _size: None)
        return (tmp_path / "copy").read_bytes()


def test_what_is_put_is_found_and_read(bucket: Bucket, store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"of a file")
    by_bytes, by_file = parse_url(f"{bucket.url}/a b/ü#?.txt"), parse_url(f"{bucket.url}/file.jsonl")

    store.put_bytes(by_bytes, b"some text")
    store.put_file(by_file, file)

    assert bucket.keys() == ["a b/ü#?.txt", "file.jsonl"]
    assert bucket.get("file.jsonl") == b"of a file"
    assert store.read(by_bytes, 5, 100) == b"text"
    assert [str(each.url) for each in store.list_below(parse_url(bucket.url))] == [str(by_bytes), str(by_file)]
    assert store.exists(by_file)
    assert not store.exists(by_file.below("more"))
    assert not store.exists(parse_url(f"{bucket.url}/a b"))
    assert store.info(parse_url(f"{bucket.url}/a b")).is_folder


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1])
def test_a_copy_is_whole_whatever_its_size(bucket: Bucket, store: ObjectStore, tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    url = parse_url(bucket.put("object", content))

    assert copied(store, store.info(url), tmp_path) == content


def test_an_object_that_grew_since_it_was_listed_is_copied_whole(
    bucket: Bucket, store: ObjectStore, tmp_path: Path
) -> None:
    url = parse_url(bucket.put("object", b"short"))
    listed = store.info(url)
    bucket.put("object", b"much longer")

    assert copied(store, listed, tmp_path) == b"much longer"


def test_a_large_object_that_changes_while_it_is_copied_is_refused(
    bucket: Bucket, store: ObjectStore, tmp_path: Path
) -> None:
    url = parse_url(bucket.put("object", b"a" * (2 * PIECE_BYTES)))

    def change(_size: int) -> None:
        bucket.put("object", b"b" * (2 * PIECE_BYTES))

    with (tmp_path / "copy").open("wb") as file, pytest.raises(OSError, match="it changed while it was read"):
        store.copy(store.info(url), file.fileno(), change)


def test_patterns_match_within_folders_and_across(bucket: Bucket, store: ObjectStore) -> None:
    for key in ("a/1.gz", "a/2.txt", "a/b/3.gz", "a/b/c/4.gz", "5.gz"):
        bucket.put(key, b"x")

    def found(pattern: str) -> list[str]:
        return [each.url.key for each in store.glob(parse_url(f"{bucket.url}/{pattern}"))]

    assert found("a/*.gz") == ["a/1.gz"]
    assert found("**/*.gz") == ["5.gz", "a/1.gz", "a/b/3.gz", "a/b/c/4.gz"]
    assert found("a/**/*.gz") == ["a/1.gz", "a/b/3.gz", "a/b/c/4.gz"]
    assert found("a/[12].*") == ["a/1.gz", "a/2.txt"]
    assert found("none*") == []


USES: list[Callable[[ObjectStore, str], object]] = [
    lambda store, url: store.info(parse_url(f"{url}/a.jsonl")),
    lambda store, url: store.read(parse_url(f"{url}/a.jsonl"), 0, 10),
    lambda store, url: store.list_below(parse_url(f"{url}/a")),
    lambda store, url: store.glob(parse_url(f"{url}/*.jsonl")),
    lambda store, url: store.put_bytes(parse_url(f"{url}/b.jsonl"), b"x"),
    lambda store, url: store.put_file(parse_url(f"{url}/b.jsonl"), __file__),
]


@pytest.mark.parametrize("use", USES)
def test_a_bucket_that_is_not_there_is_named(store: ObjectStore, use: Callable[[ObjectStore, str], object]) -> None:
    with pytest.raises(OSError, match="there is no bucket 'no-such-bucket'"):
        use(store, "s3://no-such-bucket")


def test_an_object_that_is_not_there(store: ObjectStore, bucket: Bucket) -> None:
    for use in USES[:2]:
        with pytest.raises(FileNotFoundError, match="there is no such object"):
            use(store, bucket.url)


@pytest.mark.parametrize("use", USES[::2])
def test_a_store_that_cannot_be_reached_is_a_connection_error(
    store: ObjectStore,
    bucket: Bucket,
    use: Callable[[ObjectStore, str], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOTHING_LISTENS["AWS_ENDPOINT_URL"])

    with pytest.raises(ConnectionError, match=r"the store at 'http://127\.0\.0\.1:9' cannot be reached"):
        use(store, bucket.url)


def test_missing_credentials_say_what_to_set(
    store: ObjectStore, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(PermissionError, match="there are no credentials to be used; set AWS_ACCESS_KEY_ID"):
        store.info(parse_url(f"{bucket.url}/a"))


def test_denied_access_and_a_store_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_stores", {})
    with running_store() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        bucket = server.bucket()
        url = parse_url(bucket.put("a", b"x"))
        store = open_store(url, attempts=1, read_seconds=0.5)
        server.call("POST", "/moto-api/reset-auth", b"0")
        with pytest.raises(PermissionError, match="access is denied"):
            store.info(url)
        with pytest.raises(PermissionError, match="the credentials are not accepted"):
            store.read(url, 0, 10)
        os.kill(server.process.pid, 19)
        try:
            with pytest.raises(ConnectionError, match="does not answer"):
                store.read(url, 0, 10)
        finally:
            os.kill(server.process.pid, 18)


@pytest.mark.timeout(60)
def test_an_upload_that_is_not_taken_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_stores", {})
    monkeypatch.setattr(stores, "PIECE_SECONDS", 0.2)
    file = tmp_path / "file"
    file.write_bytes(bytes(10 * PIECE_BYTES))  # more than sockets hold
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and reads nothing
        for name, value in environment_of(f"http://127.0.0.1:{silent.getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        url = parse_url("s3://bucket/file")
        store = open_store(url, attempts=1, read_seconds=0.5)
        for put in (store.put_file, store.put_new_file):
            with pytest.raises(ConnectionError, match="does not answer"):
                put(url, file)


@pytest.mark.parametrize(
    ("context", "kind", "reason"),
    [
        (
            server_tls(trustme.CA()),
            OSError,
            r"the certificate of the store at 'https://127\.0\.0\.1:\d+' is not accepted \(.*local issuer.*\);"
            " AWS_CA_BUNDLE can name a file with that of its authority$",
        ),
        (None, ConnectionError, r"the store at 'https://.*' cannot be reached by TLS \(wrong version number\)$"),
    ],
)
def test_a_store_without_a_valid_certificate(
    context: ssl.SSLContext | None, kind: type[OSError], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_stores", {})
    monkeypatch.setattr(BaseHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        monkeypatch.setattr(server, "handle_error", lambda *_: None)
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            for name, value in environment_of(f"https://127.0.0.1:{server.server_address[1]}").items():
                monkeypatch.setenv(name, value)
            url = parse_url("s3://bucket/file")
            with pytest.raises(OSError, match=reason) as raised:
                open_store(url, attempts=1).info(url)
            assert type(raised.value) is kind
        finally:
            server.shutdown()
            thread.join()


def test_a_pattern_without_a_match_lists_nothing_else(
    bucket: Bucket, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("other", b"x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("rights to one folder alone")

    monkeypatch.setattr(store._files, "_ls", refuse)
    assert store.glob(parse_url(f"{bucket.url}/none/*")) == []
    monkeypatch.setattr(store._files, "_info", refuse)
    assert store.glob(parse_url(f"{bucket.url}/none/*")) == []
