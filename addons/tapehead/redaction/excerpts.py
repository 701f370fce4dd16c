"""Live requests as summaries and misses may quote them: with pseudonyms for what identifies somebody.

The engines answer from the real bytes; only what is told of a request goes through here, so that no hit pays for it.
"""

import re
from collections.abc import Sequence

import msgspec
import orjson

from tapehead.protocol.events import read_event
from tapehead.protocol.exchange import FORMAT_VERSION, Exchange
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call, find_call
from tapehead.redaction.identifiers import IdentifyingKeys, Replace, decode_token, edit, scalars
from tapehead.redaction.redactor import Redactor
from tapehead.redaction.value_search import is_telling
from tapehead.text import escape_controls

# Sessions whose sessionStart is kept in mind, the oldest forgotten first.
MOST_STARTS = 1_000
# A body with more bytes is not quoted: nobody reads that, and looking through it would keep other players waiting.
MOST_QUOTED = 65_536
_NO_NAMES = IdentifyingKeys()


def exchange_for_excerpt(
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


class ExcerptRedactor:
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
            # Without its parsed body, so that a thousand of them take no more than their bytes.
            self._starts[sid] = msgspec.structs.replace(start)

    def of(self, request: Request, sid: str | None) -> Request:
        """`request`, sent in session `sid` if in any, as it may be quoted."""
        if self._redactor is None:
            return request
        if len(request.content()) > MOST_QUOTED:
            request = request.with_content(b"")
        start = self._starts.get(sid) if sid else None
        if start:
            self._redactor.redact(exchange_for_excerpt(start, session=sid))
        quoted = self._redactor.redact(exchange_for_excerpt(request, session=sid)).request
        return quoted if start or sid is None else mask_strings(quoted, self._redactor.pseudonym)


def mask_exchange(exchange: Exchange, stand_in: Replace) -> Exchange:
    """An exchange of nobody knows whom, the same of both its messages."""
    response = mask_strings(exchange.response, stand_in) if exchange.response else None
    return msgspec.structs.replace(exchange, request=mask_strings(exchange.request, stand_in), response=response)


def mask_strings[M: (Request, Response)](message: M, stand_in: Replace) -> M:
    """A message of nobody knows whom, with something else for every string that might say who it is."""
    content = message.content()
    strings = ((each, content[each.start : each.end]) for each in scalars(content, _NO_NAMES, every=True))
    told = ((each, decode_token(token)) for each, token in strings if token.startswith((b'"', b"'")))
    edits = ((each.start, each.end, orjson.dumps(stand_in(value))) for each, value in told if is_telling(value))
    return message.with_content(edit(content, edits))


def excerpts_for(names: Sequence[str], key: bytes | None) -> ExcerptRedactor:
    """Return what makes excerpts of live requests.

    Args:
        names: names whose values identify somebody, besides those that always do.
        key: the key of the pseudonyms, 32 random bytes; None to quote requests as they are.
    """
    return ExcerptRedactor(None if key is None else Redactor(key, names))


# What a name of the API hardly has, and an identifier may.
_TELLING = re.compile(r"[\d@\s%]|.{41}")


def named_event(call: str, request: Request, *, discreet: bool = False) -> tuple[str, float | None]:
    """What a request is called: its event type, or the call in brackets; and its playhead in seconds, if any.

    A type that may say who asks is not told where `discreet`.
    """
    event = read_event(request.json() if call in (Call.SESSION, Call.EVENT) else None)
    event_type = event.key.event_type
    hidden = discreet and _TELLING.search(event_type)
    return f"({call})" if hidden or not event_type else escape_controls(event_type), event.position(None).playhead


_VERSION = re.compile(r"v\d{1,2}")


def discreet_path(path: str) -> str:
    """The path of what is no collection call, without what of it may say who asks."""
    steps = re.split("[?;#]", path, maxsplit=1)[0].split("/")
    return "/".join("..." if _TELLING.search(step) and not _VERSION.fullmatch(step) else step for step in steps)
