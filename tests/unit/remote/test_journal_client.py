"""Questions to what listens at a port, whatever that is: each failure is part of one sentence."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from support.processes import TIMEOUT_SECONDS
from support.upstream_server import free_port
from tapehead.remote import journal_client
from tapehead.remote.journal_client import copy_recording, read_summary
from tapehead.remote.journal_paths import JournalPath
from tapehead.remote.journal_urls import MISSING_HEADER, RESETS_HEADER, JournalUrl

TOKEN = "secret-of-a-test"
LINES, JSON = "application/x-ndjson", "application/json"


@contextlib.contextmanager
def answering(answer: bytes | None, again: bytes = b"") -> Iterator[tuple[int, list[bytes]]]:
    """Answer one request with some bytes, and close the connection; with None, never. Yield port and requests.

    Before it is closed, `again` is sent again and again.
    """
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def run() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    requests.append(connection.recv(65536))
                    if answer is None:
                        done.wait(TIMEOUT_SECONDS)
                    else:
                        connection.sendall(answer)
                    while again and not done.wait(0.01):
                        connection.sendall(again)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield server.getsockname()[1], requests
        finally:
            done.set()
            thread.join(TIMEOUT_SECONDS)


def http(status: str, kind: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {size}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n", headers: str = "") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {LINES}\r\n{headers}Transfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def copied(answer: bytes, folder: Path) -> tuple[bytes, str]:
    """Copy what is answered; the copy, and what it lacks."""
    path = folder / "copy"
    with answering(answer) as (port, _), path.open("wb", buffering=0) as file:
        lacks = copy_recording(JournalUrl(port, TOKEN), file.fileno(), lambda _size: None)
    return path.read_bytes(), lacks


def test_the_recording_is_copied_and_the_token_is_in_a_header(tmp_path: Path) -> None:
    assert copied(chunked(b"{}\n", b"[]\n"), tmp_path) == (b"{}\n[]\n", "")
    assert copied(http("200 OK", LINES, b"{}\n"), tmp_path) == (b"{}\n", "")

    with answering(http("200 OK", JSON, b"{}")) as (port, requests):
        assert read_summary(JournalUrl(port, TOKEN)) == b"{}"
    head = requests[0].decode()
    assert head.startswith("GET /tapehead/v1/summary HTTP/1.1\r\n")
    assert f"\r\nX-Tapehead-Token: {TOKEN}\r\n" in head
    assert f"\r\nHost: 127.0.0.1:{port}\r\n" in head


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"])
def test_proxies_of_the_environment_are_not_used(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

    assert copied(chunked(b"{}\n"), tmp_path) == (b"{}\n", "")


@pytest.mark.parametrize(
    ("headers", "lacks"),
    [
        (f"{MISSING_HEADER}: 0\r\n{RESETS_HEADER}: 0\r\n", ""),
        (f"{MISSING_HEADER}: 1200\r\n{RESETS_HEADER}: 1\r\n", "lacks 1200 calls of its run"),
        (f"{MISSING_HEADER}: 1\r\n", "lacks 1 call of its run"),
        (f"{MISSING_HEADER}: 0\r\n{RESETS_HEADER}: 2\r\n", "lacks the calls from before its journal was reset"),
        (f"{MISSING_HEADER}: -1\r\n{RESETS_HEADER}: no number\r\n", ""),
    ],
)
def test_what_the_journal_lacks_is_told(headers: str, lacks: str, tmp_path: Path) -> None:
    content, told = copied(chunked(b"{}\n", headers=headers), tmp_path)

    assert content == b"{}\n"
    assert told.startswith(lacks)
    assert bool(told) == bool(lacks)


ERROR = b'{"error": "%b"}'
NO_TAPEHEAD = "what listens there is no live page of tapehead"
CASES = {
    "wrong token": (http("401 Unauthorized", JSON, ERROR % b"missing or wrong token"), "its token is another one"),
    "a page": (http("200 OK", "text/html", b"<html>"), NO_TAPEHEAD),
    "a page that is missing": (http("404 Not Found", "text/html", b"<html>"), NO_TAPEHEAD),
    "another API": (http("404 Not Found", JSON, b'{"detail": "Not Found"}'), NO_TAPEHEAD),
    "an API with a list": (http("404 Not Found", JSON, b"[]"), NO_TAPEHEAD),
    "an API that is broken": (http("500 Error", JSON, b"no JSON"), NO_TAPEHEAD),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", NO_TAPEHEAD),
    "no HTTP at all": (b"\0\1\2", NO_TAPEHEAD),
    "a stream without an end": (b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n{}\n", NO_TAPEHEAD),
    "no path": (
        http("404 Not Found", JSON, ERROR % b"no such path; below /tapehead/v1 there are /status"),
        "it is of an older version, whose API has no GET /tapehead/v1/recording; update it",
    ),
    "no method": (
        http("405 Method Not Allowed", JSON, ERROR % b"method not allowed; expected PUT"),
        "it is of an older version, whose API has no GET /tapehead/v1/recording; update it",
    ),
    "an error": (http("500 Error", JSON, ERROR % b"failed\\u001b"), "it answers with 500: failed\ufffd"),
    "a redirect": (
        http("302 Found", "text/html", b"", "Location: http://127.0.0.1:9/"),
        "it answers with a redirect (302), which tapehead never does",
    ),
    "closed": (b"", "the connection was closed without an answer"),
    "chunks that end early": (chunked(b"{}\n", end=b""), "its answer ended early"),
    "a chunk that ends early": (chunked(end=b"ff\r\n{}"), "its answer ended early"),
    "a chunk of a negative size": (chunked(end=b"-5\r\n{}\r\n0\r\n\r\n"), "its answer ended early"),
    "a chunk without an end": (chunked(end=b"-1\r\n" + b"{}\n" * 50_000), "its answer ended early"),
    "a number that is none": (chunked(headers=f"{MISSING_HEADER}: {'9' * 5000}\r\n"), NO_TAPEHEAD),
    "a large number": (chunked(headers=f"{RESETS_HEADER}: {'9' * 50}\r\n"), NO_TAPEHEAD),
    "an error that is nested deeply": (http("400 Bad Request", JSON, b"[" * 500_000), NO_TAPEHEAD),
    "an error with the token": (
        http("400 Bad Request", JSON, ERROR % f"no {TOKEN} here".encode()),
        "it answers with 400: no TOKEN here",
    ),
    "content that ends early": (http("200 OK", LINES, b"{}\n", length=100), "its answer ended early"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_failure_is_told_without_the_token(name: str, tmp_path: Path) -> None:
    answer, reason = CASES[name]
    with pytest.raises(OSError, match=re.escape(reason)) as failed:
        copied(answer, tmp_path)

    assert TOKEN not in str(failed.value)
    assert "\n" not in str(failed.value)


def test_a_port_where_nothing_listens_is_told() -> None:
    with pytest.raises(OSError, match="nothing listens there; start it with --live PORT"):
        read_summary(JournalUrl(free_port(), TOKEN))


def test_an_answer_that_does_not_come_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_client, "WAIT_SECONDS", 0.1)
    with answering(None) as (port, _), pytest.raises(OSError, match=r"no answer came within 0\.1 s"):
        read_summary(JournalUrl(port, TOKEN))


@pytest.mark.parametrize(
    ("answer", "again", "reason"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", "no answer"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x", "no answer"),
        (http("500 Error", JSON, b"", length=10_000), b" ", "no answer"),
        (http("200 OK", LINES, b"", length=10_000), b" ", "less than 10,000 bytes of its answer"),
        (chunked(end=b""), b"1\r\n \r\n", "less than 10,000 bytes of its answer"),
        (chunked(), b"X: y\r\n", ""),  # where it has ended
        (chunked(end=b"0\r\nX: y\r\n"), b"X: y\r\n", "less than 10,000 bytes of its answer"),
    ],
)
def test_an_answer_that_comes_byte_by_byte_is_told(
    answer: bytes, again: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_client, "WAIT_SECONDS", 0.3)
    with answering(answer, again) as (port, _), (tmp_path / "copy").open("wb", buffering=0) as file:
        journal = JournalUrl(port, TOKEN)
        with pytest.raises(OSError, match=rf"^\[Errno 5\] {reason} came within 0\.3 s") if reason else nullcontext():
            copy_recording(journal, file.fileno(), lambda _size: None)


def test_content_that_goes_on_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_client, "WAIT_SECONDS", 2)
    monkeypatch.setattr(journal_client, "LEAST_BYTES", 1)
    started, size = time.monotonic(), 250
    with answering(http("200 OK", LINES, b"", length=size), b" ") as (port, _), (tmp_path / "copy").open("wb") as file:
        copy_recording(JournalUrl(port, TOKEN), file.fileno(), lambda _size: None)
    assert time.monotonic() - started > 2
    assert (tmp_path / "copy").stat().st_size == size


def test_content_without_an_end_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_client, "MOST_BYTES", 10)
    with answering(http("200 OK", JSON, b" " * 100)) as (port, _), pytest.raises(OSError, match="more than 10 bytes"):
        read_summary(JournalUrl(port, TOKEN))

    monkeypatch.setattr(journal_client, "MOST_RECORDING_BYTES", 10)
    with pytest.raises(OSError, match="more than 10 bytes"):
        copied(chunked(b"{}\n" * 10), tmp_path)


def test_a_path_is_copied_once_and_says_why_it_was_not() -> None:
    with answering(chunked(b"{}\n", headers=f"{MISSING_HEADER}: 2\r\n")) as (port, requests):
        path = JournalPath(JournalUrl(port, TOKEN))
        assert [path.read_bytes(), path.read_bytes(), path.read_start(1)] == [b"{}\n", b"{}\n", b"{"]
    assert len(requests) == 1
    assert not path.is_empty
    assert path.notice == (
        f"'http://127.0.0.1:{port}' lacks 2 calls of its run, which memory had no room for; --out FILE keeps all"
    )

    failing = JournalPath(JournalUrl(free_port(), TOKEN))
    for _ in range(2):
        with pytest.raises(OSError, match="nothing listens there"):
            failing.open("rb")
    assert not failing.is_file()
