"""Internal errors on the request path: counted, reported once with what reproduces them, never passed to the player.

Reports go into logs, so identifiers are replaced in them: in the exchange, and in the traceback, which may quote it.
Where even that fails, only the shape of the request is reported.
"""

import contextlib
import logging
import re
import secrets
import traceback
from collections.abc import Callable, Iterable

import msgspec

from tapehead.protocol.exchange import encode
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call, find_call
from tapehead.text import count_of

logger = logging.getLogger(__name__)

# Returns the request and the response at hand.
Messages = Callable[[], tuple[Request | None, Response | None]]
# Kinds of errors that are reported; a bug may have any number.
MOST_REPORTED = 20
# Characters of an exchange that are reported.
MOST_SHOWN = 8_000


def suppress_errors(warn: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that warns, and never raises if the warning cannot be printed.

    Not even SystemExit, by which mitmproxy's log ends a thread that cannot print.
    """

    def warn_or_ignore(line: str) -> None:
        with contextlib.suppress(Exception, SystemExit):
            warn(line)

    return warn_or_ignore


class InternalErrors:
    """A count of internal errors, each kind of which is reported once.

    Args:
        names: names whose values identify people, besides those that always do.
        report: called with the report of each kind of error.

    Attributes:
        count: the number of errors.
    """

    def __init__(self, names: Iterable[str] = (), report: Callable[[str], None] = logger.error) -> None:
        self.count = 0
        self._report = suppress_errors(report)
        self._reported: set[tuple[str, str]] = set()
        self._key = secrets.token_bytes(32)
        self.add_identifying_keys(names)

    def add_identifying_keys(self, names: Iterable[str]) -> None:
        """Replace the values of these names in reports from now on, besides those that always are."""
        self._names = tuple(names)

    def record(self, where: str, error: BaseException, messages: Messages | None = None) -> None:
        """Count an error, and report it if it is the first of its kind.

        Args:
            where: the activity that failed.
            error: the error.
            messages: returns the request and the response at hand.
        """
        self.count += 1
        kind = (where, type(error).__name__)
        if kind in self._reported or len(self._reported) >= MOST_REPORTED:
            return
        self._reported.add(kind)
        try:
            request, response = messages() if messages else (None, None)
        except Exception:  # noqa: BLE001 - what failed may fail again
            request, response = None, None
        try:
            description = self._describe(error, request, response)
        except Exception:  # noqa: BLE001 - it may be the redaction that fails
            description = f"{frames_of(error)}; the request's shape: {shape_of(request)}"
        self._report(f"tapehead failed in {where}; traffic continues untouched\n{description}")

    def __str__(self) -> str:
        """Return the number of errors as the end of a summary line; empty if there were none."""
        return f"; {count_of(self.count, 'internal error')}, see the log" if self.count else ""

    def _describe(self, error: BaseException, request: Request | None, response: Response | None) -> str:
        """Return the traceback and the exchange, with pseudonyms in both.

        An error's message may quote any identifier. Only a sessionStart tells which values identify its user, so of
        other calls the message is left out, and their strings are masked.
        """
        if request is None:
            return frames_of(error)
        # They take long to load, and most runs have no error.
        from tapehead.redaction.excerpts import exchange_for_excerpt, mask_exchange
        from tapehead.redaction.redactor import Redactor

        redactor = Redactor(self._key, self._names)
        call = find_call(request.method, request.path)
        is_start = call is not None and call.call is Call.SESSION
        trace = "".join(traceback.format_exception(error)) if is_start else f"{frames_of(error)}\n"
        redacted = redactor.redact(exchange_for_excerpt(request, response, trace))
        redacted = redacted if is_start else mask_exchange(redacted, redactor.pseudonym)
        shown = encode(msgspec.structs.replace(redacted, error=None))[:MOST_SHOWN].decode("utf-8", "replace")
        return f"{redacted.error}to reproduce it: {shown.strip()}"


def frames_of(error: BaseException) -> str:
    """Return the frames and the type of an error, without its message."""
    return "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__


def shape_of(request: Request | None) -> str:
    """Return a request with x for every letter and 0 for every digit."""
    if request is None:
        return "unknown"
    text = f"{request.path} {request.content()[:MOST_SHOWN].decode('latin-1')}"
    return f"{request.method} {re.sub('[0-9]', '0', re.sub('[^\\W0-9]', 'x', text))!r}"
