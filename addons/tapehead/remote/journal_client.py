"""Questions to the HTTP API of a running tapehead on this machine: its recording, and its summary so far.

Nothing leads elsewhere: there is no proxy between, and redirects are not followed.
"""

import errno
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from typing import Any, NamedTuple

from tapehead.files import write_all
from tapehead.remote.journal_urls import (
    API_PREFIX,
    EXAMPLE,
    HOST,
    MISSING_HEADER,
    RESETS_HEADER,
    TOKEN_HEADER,
    JournalUrl,
)
from tapehead.remote.urls import TOKEN_VARIABLE
from tapehead.text import count_of, escape_controls, format_number, shorten

# Seconds until a connection is accepted, until an answer begins, and until each further `LEAST_BYTES` of its content,
# or its end: what sends a byte now and then would otherwise be waited for without an end.
WAIT_SECONDS = 30.0
LEAST_BYTES = 10_000
PIECE_BYTES = 1_000_000
# The largest summary in bytes, which is in memory at once, and the largest recording: a journal holds up to 400 MB.
MOST_BYTES = 500_000_000
MOST_RECORDING_BYTES = 2_000_000_000
# Digits of the largest number in a header.
_MOST_DIGITS = 15
# How an API answers that does not have a path.
_NO_PATH = "no such path; below "
_NO_TAPEHEAD = f"what listens there is no live page of tapehead; pass the URL as tapehead printed it, such as {EXAMPLE}"


class _Connection(socket.socket):
    """A connection whose reads all end at one deadline, until that is put off."""

    def __init__(self) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._deadline = 0.0

    def put_off(self) -> None:
        """Wait for `WAIT_SECONDS` from now on."""
        self._deadline = time.monotonic() + WAIT_SECONDS
        self.settimeout(WAIT_SECONDS)

    def recv_into(self, *args: Any, **options: Any) -> int:
        """Receive some bytes.

        Raises:
            TimeoutError: none came before the deadline.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)
        return super().recv_into(*args, **options)


class _Answer(NamedTuple):
    """An answer whose content is to come.

    Attributes:
        http: its head.
        connection: where its content comes from.
    """

    http: http.client.HTTPResponse
    connection: _Connection

    def pieces(self, most: int) -> Iterator[bytes]:
        """Yield the content as it comes.

        Args:
            most: the most bytes of it.

        Raises:
            HTTPException: it ends early.
            OSError: it is too large, or comes too slowly.
        """
        size = waited = 0
        # Not `read`, which takes a chunk of a negative size for one without an end, and waits for a full piece.
        while piece := self.http.read1(PIECE_BYTES):
            size, waited = size + len(piece), waited + len(piece)
            if size > most:
                raise OSError(errno.EIO, f"its answer has more than {most:,} bytes")
            if waited >= LEAST_BYTES:
                self.connection.put_off()
                waited = 0
            yield piece
        if self.http.length:  # what is left of it
            raise http.client.IncompleteRead(b"", self.http.length)

    def content(self, most: int) -> bytes:
        """Return the content, as `pieces` yields it."""
        content = bytearray()
        for piece in self.pieces(most):  # each may be of one byte
            content += piece
        return bytes(content)

    def number(self, name: str) -> int:
        """Return the number in a header; 0 without one.

        Raises:
            OSError: no tapehead has so large a number.
        """
        value = self.http.headers.get(name, "0")
        if len(value) > _MOST_DIGITS:
            raise OSError(errno.EIO, _NO_TAPEHEAD)
        return int(value) if value.isascii() and value.isdigit() else 0


def copy_recording(journal: JournalUrl, file: int, on_bytes: Callable[[int], None]) -> str:
    """Write all calls of a journal to a file, as a recording.

    Args:
        journal: the journal.
        file: the descriptor of an empty file.
        on_bytes: called with each number of bytes that was written.

    Returns:
        What the journal does not have of its run, as the rest of a sentence; empty if it has everything.

    Raises:
        OSError: it cannot be read, or not written; `strerror` is part of a sentence.
    """
    with _answer(journal, "/recording") as answer:
        missing, resets = (answer.number(name) for name in (MISSING_HEADER, RESETS_HEADER))
        for piece in answer.pieces(MOST_RECORDING_BYTES):
            write_all(file, piece)
            on_bytes(len(piece))
    if missing:
        return f"lacks {count_of(missing, 'call')} of its run, which memory had no room for; --out FILE keeps all"
    return "lacks the calls from before its journal was reset" if resets else ""


def read_summary(journal: JournalUrl) -> bytes:
    """Return the summary of a run so far, as JSON.

    Raises:
        OSError: it cannot be read; `strerror` is part of a sentence.
    """
    with _answer(journal, "/summary") as answer:
        return answer.content(MOST_BYTES)


@contextmanager
def _answer(journal: JournalUrl, path: str) -> Iterator[_Answer]:
    """Ask for a path of the API, and yield an answer with its content to come.

    Raises:
        OSError: there is no such answer, or its content ends early; `strerror` is part of a sentence.
    """
    client = http.client.HTTPConnection(HOST, journal.port)
    headers = {"Host": f"{HOST}:{journal.port}", TOKEN_HEADER: journal.token}
    has_begun = False
    with closing(client), _Connection() as connection:
        try:
            connection.put_off()
            connection.connect((HOST, journal.port))
            client.sock = connection
            client.request("GET", API_PREFIX + path, headers=headers)
            with closing(client.getresponse()) as response:
                answer = _Answer(response, connection)
                _check_status(answer, path, journal.token)
                has_begun = True
                connection.put_off()
                yield answer
        except TimeoutError as error:
            seconds = format_number(WAIT_SECONDS)
            what = f"less than {LEAST_BYTES:,} bytes of its answer" if has_begun else "no answer"
            raise OSError(errno.EIO, f"{what} came within {seconds} s; try again once it is less busy") from error
        except ConnectionRefusedError as error:
            raise OSError(
                errno.EIO, "nothing listens there; start it with --live PORT, and pass the URL that it prints"
            ) from error
        except (http.client.IncompleteRead, ConnectionError, http.client.HTTPException) as error:
            if has_begun:
                raise OSError(errno.EIO, "its answer ended early; it may have been stopped meanwhile") from error
            if isinstance(error, ConnectionError):  # also a connection that was closed without an answer
                raise OSError(errno.EIO, "the connection was closed without an answer; does it still run?") from error
            raise OSError(errno.EIO, _NO_TAPEHEAD) from error


def _check_status(answer: _Answer, path: str, token: str) -> None:
    """Check that an answer has what was asked for.

    Raises:
        OSError: it has not; `strerror` is part of a sentence.
    """
    status = answer.http.status
    is_framed = answer.http.chunked or answer.http.length is not None  # so that an early end is told from the end
    expected = "application/x-ndjson" if path == "/recording" else "application/json"
    kind = answer.http.headers.get_content_type()
    if status == HTTPStatus.OK and kind == expected and is_framed:
        return
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        reason = f"it answers with a redirect ({status}), which tapehead never does; pass the URL that tapehead printed"
        raise OSError(errno.EIO, reason)
    said = _error_in(answer, token) if kind == "application/json" else ""
    if not said:
        raise OSError(errno.EIO, _NO_TAPEHEAD)
    if status == HTTPStatus.UNAUTHORIZED:
        reason = f"its token is another one; pass the URL as tapehead printed it, or set {TOKEN_VARIABLE}"
        raise OSError(errno.EACCES, reason)
    if status == HTTPStatus.METHOD_NOT_ALLOWED or said.startswith(_NO_PATH):
        raise OSError(errno.EIO, f"it is of an older version, whose API has no GET {API_PREFIX}{path}; update it")
    raise OSError(errno.EIO, f"it answers with {status}: {said}")


def _error_in(answer: _Answer, token: str) -> str:
    """Return the error that an answer tells in JSON, without the token; empty if that is no error of tapehead's."""
    try:
        told = json.loads(answer.content(PIECE_BYTES))
    except (ValueError, RecursionError):
        return ""
    said = told.get("error") if isinstance(told, dict) else None
    return escape_controls(shorten(said.replace(token, "TOKEN"), 500)) if isinstance(said, str) else ""
