"""Failures of tapehead's own on the request path: told once with what reproduces them, counted, never the player's.

What is told goes into logs, so identifiers are taken out of it: of the exchange, and of the traceback that may quote
it. Where even that fails, only the shape of the request is told.
"""

import logging
import re
import secrets
import traceback
from collections.abc import Callable, Iterable

import msgspec

from tapehead.protocol.exchange import encode
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call, find_call
from tapehead.redaction.excerpts import exchange_for_excerpt, mask_exchange
from tapehead.redaction.redactor import Redactor
from tapehead.text import count_of

logger = logging.getLogger(__name__)

# Gives the request and the response at hand.
What = Callable[[], tuple[Request | None, Response | None]]
# Kinds of failure that are told of; there is no telling how many a bug has.
MOST_TOLD = 20
# What of an exchange is told, in characters.
MOST_SHOWN = 8_000


class InternalErrors:
    """Counts failures, and tells of each kind once.

    Args:
        names: names whose values identify somebody, besides those that always do.
        tell: called with what is told of a kind of failure.

    Attributes:
        count: how many there were.
    """

    def __init__(self, names: Iterable[str] = (), tell: Callable[[str], None] = logger.error) -> None:
        self.count = 0
        self._tell_of = tell
        self._told: set[tuple[str, str]] = set()
        self.add_identifying_keys(names)

    def add_identifying_keys(self, names: Iterable[str]) -> None:
        """Take the values of these names for identifiers from now on, besides those that always are."""
        self._redactor = Redactor(secrets.token_bytes(32), names)

    def record(self, where: str, error: Exception, what: What | None = None) -> None:
        """Count a failure, and tell of it if it is the first of its kind.

        Args:
            where: what failed.
            error: how.
            what: gives the request and the response at hand.
        """
        self.count += 1
        kind = (where, type(error).__name__)
        if kind in self._told or len(self._told) >= MOST_TOLD:
            return
        self._told.add(kind)
        self._tell_of(f"tapehead failed in {where}; the traffic goes on untouched\n{self._describe(error, what)}")

    def __str__(self) -> str:
        """How many there were, to be put behind a summary; empty if there were none."""
        return f"; {count_of(self.count, 'failure')} of tapehead's own, see the log" if self.count else ""

    def _describe(self, error: Exception, what: What | None) -> str:
        try:
            request, response = what() if what else (None, None)
        except Exception:  # noqa: BLE001 - what failed may fail again
            request, response = None, None
        try:
            return self._tell(error, request, response)
        except Exception:  # noqa: BLE001 - it may be the making of pseudonyms that fails
            return f"{_frames_of(error)}; the request's shape: {_shape_of(request)}"

    def _tell(self, error: Exception, request: Request | None, response: Response | None) -> str:
        """The traceback and the exchange, with pseudonyms in both.

        What an error says may quote anybody; a sessionStart tells whom, of anything else nobody knows.
        """
        if request is None:
            return _frames_of(error)
        call = find_call(request.method, request.path)
        is_start = call is not None and call.call is Call.SESSION
        trace = "".join(traceback.format_exception(error)) if is_start else f"{_frames_of(error)}\n"
        redacted = self._redactor.redact(exchange_for_excerpt(request, response, trace))
        redacted = redacted if is_start else mask_exchange(redacted, self._redactor.pseudonym)
        shown = encode(msgspec.structs.replace(redacted, error=None))[:MOST_SHOWN].decode("utf-8", "replace")
        return f"{redacted.error}to reproduce it: {shown.strip()}"


def _frames_of(error: Exception) -> str:
    """Where an error came from and what kind it is, without what it says."""
    return "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__


def _shape_of(request: Request | None) -> str:
    """A request with x for every letter and 0 for every digit."""
    if request is None:
        return "unknown"
    text = f"{request.path} {request.content()[:MOST_SHOWN].decode('latin-1')}"
    return f"{request.method} {re.sub('[0-9]', '0', re.sub('[^\\W0-9]', 'x', text))!r}"
