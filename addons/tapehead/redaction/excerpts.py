"""Excerpts of live requests for summaries and misses, with pseudonyms for identifying values.

The engines answer from the real bytes; only quoted requests go through here, so that hits cost nothing.
"""

import msgspec
import orjson

from tapehead.protocol.exchange import FORMAT_VERSION, Exchange
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call, find_call
from tapehead.redaction.identifiers import Replace, edit, scalars
from tapehead.redaction.identifying_keys import IdentifyingKeys, decode_token
from tapehead.redaction.redactor import Redactor
from tapehead.redaction.value_search import is_telling

# Sessions whose sessionStart is remembered, the oldest forgotten first.
MOST_STARTS = 1_000
# A larger body is not quoted: no one reads that, and searching it would delay other players.
MOST_QUOTED = 65_536
_NO_NAMES = IdentifyingKeys()


def exchange_for_excerpt(
    request: Request, response: Response | None = None, error: str | None = None, session: str | None = None
) -> Exchange:
    """Return an exchange of messages that are not stored."""
    call = find_call(request.method, request.path)
    return Exchange(
        tapehead=FORMAT_VERSION,
        started="",
        elapsed_ms=0,
        call=call.call if call else Call.EVENT,
        session=session,
        request=request,
        response=response,
        error=error,
        findings=[],
    )


class ExcerptRedactor:
    """A redactor of live requests for quotation.

    Args:
        redactor: makes the pseudonyms; None to quote requests as they are.
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redactor = redactor
        self._starts: dict[str, Request] = {}

    def remember(self, sid: str, start: Request) -> None:
        """Remember the sessionStart of a session, whose identifiers are searched for; a very long one is not kept."""
        if self._redactor and len(start.content()) <= MOST_QUOTED:
            if len(self._starts) >= MOST_STARTS:
                del self._starts[next(iter(self._starts))]
            # Without its parsed body, so that a thousand of them take no more than their bytes.
            self._starts[sid] = msgspec.structs.replace(start)

    def of(self, request: Request, sid: str | None) -> Request:
        """Return `request`, sent in session `sid` if in any, as it may be quoted."""
        if self._redactor is None:
            return request
        if len(request.content()) > MOST_QUOTED:
            request = request.with_content(b"")
        start = self._starts.get(sid) if sid else None
        if start:
            self._redactor.redact(exchange_for_excerpt(start, session=sid))
        quoted = self._redactor.redact(exchange_for_excerpt(request, session=sid)).request
        return quoted if start or sid is None else mask_strings(quoted, self._redactor.pseudonym)


def mask_exchange(exchange: Exchange, substitute: Replace) -> Exchange:
    """Mask identifying strings in both messages when the session's start was not seen."""
    response = mask_strings(exchange.response, substitute) if exchange.response else None
    return msgspec.structs.replace(exchange, request=mask_strings(exchange.request, substitute), response=response)


def mask_strings[M: (Request, Response)](message: M, substitute: Replace) -> M:
    """Mask every string that might identify a person, in a message whose session's start was not seen."""
    content = message.content()
    strings = ((scalar, content[scalar.start : scalar.end]) for scalar in scalars(content, _NO_NAMES, every=True))
    values = ((scalar, decode_token(token)) for scalar, token in strings if token.startswith((b'"', b"'")))
    edits = (
        (scalar.start, scalar.end, orjson.dumps(substitute(value))) for scalar, value in values if is_telling(value)
    )
    return message.with_content(edit(content, edits))
