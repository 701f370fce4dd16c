"""Live requests as summaries and misses may quote them: with pseudonyms for what identifies somebody.

The engines answer from the real bytes; only what is told of a request goes through here, so that no hit pays for it.
"""

import msgspec
import orjson

from tapehead.api import Call, find_call
from tapehead.exchange import FORMAT_VERSION, Exchange, Request, Response
from tapehead.identifiers import Names, StandIn, decode_token, edit, scalars
from tapehead.redact import Redactor
from tapehead.search import is_telling

# Sessions whose sessionStart is kept in mind, the oldest forgotten first.
MOST_STARTS = 1_000
# A body with more bytes is not quoted: nobody reads that, and looking through it would keep other players waiting.
MOST_QUOTED = 65_536
_NO_NAMES = Names()


def around(
    request: Request, response: Response | None = None, error: str | None = None, session: str | None = None
) -> Exchange:
    """An exchange of messages that nobody is going to store."""
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


class Quotes:
    """Makes requests fit to be quoted.

    Args:
        redactor: makes the pseudonyms; None to quote requests as they are.
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redactor = redactor
        self._starts: dict[str, Request] = {}

    def remember(self, sid: str, start: Request) -> None:
        """Keep in mind who plays a session: `start` is its sessionStart; a very long one is not kept."""
        if self._redactor and len(start.content()) <= MOST_QUOTED:
            if len(self._starts) >= MOST_STARTS:
                del self._starts[next(iter(self._starts))]
            self._starts[sid] = start

    def of(self, request: Request, sid: str | None) -> Request:
        """`request`, sent in session `sid` if in any, as it may be quoted."""
        if self._redactor is None:
            return request
        if len(request.content()) > MOST_QUOTED:
            request = request.with_content(b"")
        start = self._starts.get(sid) if sid else None
        if start:
            self._redactor.redact(around(start, session=sid))
        quoted = self._redactor.redact(around(request, session=sid)).request
        return quoted if start or sid is None else without_names(quoted, self._redactor.pseudonym)


def nameless(exchange: Exchange, stand_in: StandIn) -> Exchange:
    """An exchange of nobody knows whom, the same of both its messages."""
    response = without_names(exchange.response, stand_in) if exchange.response else None
    return msgspec.structs.replace(exchange, request=without_names(exchange.request, stand_in), response=response)


def without_names[M: (Request, Response)](message: M, stand_in: StandIn) -> M:
    """A message of nobody knows whom, with something else for every string that might say who it is."""
    content = message.content()
    strings = ((each, content[each.start : each.end]) for each in scalars(content, _NO_NAMES, every=True))
    told = ((each, decode_token(token)) for each, token in strings if token.startswith((b'"', b"'")))
    edits = ((each.start, each.end, orjson.dumps(stand_in(value))) for each, value in told if is_telling(value))
    return message.with_content(edit(content, edits))
