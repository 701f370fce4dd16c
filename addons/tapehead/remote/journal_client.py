"""Questions to the HTTP API of a running tapehead on this machine: its recording, and its summary so far.

Nothing leads elsewhere: there is no proxy between, and redirects are not followed.
"""

import errno
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus

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

# Seconds until a connection is accepted, and until the next piece of an answer has to come.
WAIT_SECONDS = 30.0
PIECE_BYTES = 1_000_000
# The largest answer that is an error or a summary, in bytes.
MOST_BYTES = 500_000_000
# How an API answers that does not have a path.
_NO_PATH = "no such path; below "
_NO_TAPEHEAD = f"what listens there is no live page of tapehead; pass the URL as tapehead printed it, such as {EXAMPLE}"


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
        missing, resets = (_number(answer, name) for name in (MISSING_HEADER, RESETS_HEADER))
        for piece in _pieces(answer):
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
        return _content(answer)


@contextmanager
def _answer(journal: JournalUrl, path: str) -> Iterator[http.client.HTTPResponse]:
    """Ask for a path of the API, and yield an answer with its content to come.

    Raises:
        OSError: there is no such answer, or its content ends early; `strerror` is part of a sentence.
    """
    connection = http.client.HTTPConnection(HOST, journal.port, timeout=WAIT_SECONDS)
    headers = {"Host": f"{HOST}:{journal.port}", TOKEN_HEADER: journal.token}
    has_begun = False
    with closing(connection):
        try:
            connection.request("GET", API_PREFIX + path, headers=headers)
            with closing(connection.getresponse()) as answer:
                _check_status(answer, path)
                has_begun = True
                yield answer
        except TimeoutError as error:
            seconds = format_number(WAIT_SECONDS)
            raise OSError(errno.EIO, f"no answer came within {seconds} s; try again once it is less busy") from error
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


def _check_status(answer: http.client.HTTPResponse, path: str) -> None:
    """Check that an answer has what was asked for.

    Raises:
        OSError: it has not; `strerror` is part of a sentence.
    """
    status = answer.status
    is_framed = answer.chunked or answer.length is not None  # so that an early end is told from the end
    expected = "application/x-ndjson" if path == "/recording" else "application/json"
    kind = answer.headers.get_content_type()
    if status == HTTPStatus.OK and kind == expected and is_framed:
        return
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        reason = f"it answers with a redirect ({status}), which tapehead never does; pass the URL that tapehead printed"
        raise OSError(errno.EIO, reason)
    said = _error_in(answer) if kind == "application/json" else ""
    if not said:
        raise OSError(errno.EIO, _NO_TAPEHEAD)
    if status == HTTPStatus.UNAUTHORIZED:
        reason = f"its token is another one; pass the URL as tapehead printed it, or set {TOKEN_VARIABLE}"
        raise OSError(errno.EACCES, reason)
    if status == HTTPStatus.METHOD_NOT_ALLOWED or said.startswith(_NO_PATH):
        raise OSError(errno.EIO, f"it is of an older version, whose API has no GET {API_PREFIX}{path}; update it")
    raise OSError(errno.EIO, f"it answers with {status}: {said}")


def _error_in(answer: http.client.HTTPResponse) -> str:
    """Return the error that an answer tells in JSON; empty if that is no error of tapehead's."""
    try:
        told = json.loads(answer.read(PIECE_BYTES))
    except ValueError:
        return ""
    said = told.get("error") if isinstance(told, dict) else None
    return escape_controls(shorten(said, 500)) if isinstance(said, str) else ""


def _number(answer: http.client.HTTPResponse, name: str) -> int:
    """Return the number in a header; 0 without one."""
    value = answer.headers.get(name, "0")
    return int(value) if value.isascii() and value.isdigit() else 0


def _pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the content of an answer as it comes.

    Raises:
        HTTPException: it ends early.
    """
    while piece := answer.read(PIECE_BYTES):
        yield piece
    if answer.length:  # what is left of it
        raise http.client.IncompleteRead(b"", answer.length)


def _content(answer: http.client.HTTPResponse) -> bytes:
    content = bytearray()
    for piece in _pieces(answer):
        content += piece
        if len(content) > MOST_BYTES:
            raise OSError(errno.EFBIG, f"its answer has more than {MOST_BYTES:,} bytes")
    return bytes(content)
