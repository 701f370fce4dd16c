"""Outlines of events in recordings: lines of which only those fields are read that decide their place.

Headers and findings, which take most of the time that a line takes, are not needed to sort events and to tell which
session they belong to.
"""

import msgspec

from tapehead.protocol.exchange import FORMAT_VERSION, Exchange, Finding
from tapehead.protocol.messages import Headers, Request, Response
from tapehead.protocol.routes import SESSION_CREATED, Call


# Keys that no line has, so that the decoder passes over what is under the usual ones.
class _RequestOutline(Request, frozen=True, kw_only=True, rename={"method": " method", "headers": " headers"}):
    method: str = ""
    headers: Headers = msgspec.field(default_factory=list)


class _ResponseOutline(Response, frozen=True, kw_only=True, rename={"reason": " reason", "headers": " headers"}):
    headers: Headers = msgspec.field(default_factory=list)


class EventOutline(
    Exchange,
    frozen=True,
    kw_only=True,
    rename={"findings": " findings", "stored": " stored", "content_key": " content_key"},
):
    """An event without its headers, method, reason phrase and findings.

    Attributes:
        stored: the line, which has all of them.
        content_key: what `duplicates.content_key` returns for it, if that is known.
    """

    request: _RequestOutline
    response: _ResponseOutline | None
    findings: list[Finding] = msgspec.field(default_factory=list)
    stored: bytes = b""
    content_key: int | None = None


_decode = msgspec.json.Decoder(EventOutline).decode


def outline_of(line: bytes) -> EventOutline | None:
    """Return the outline of an event of a session; None for any other line, which has to be read as a whole.

    What is passed over may be of a wrong type, as only reading the line as a whole shows.
    """
    try:
        outline = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    request, response = outline.request, outline.response
    if outline.call is not Call.EVENT or outline.tapehead != FORMAT_VERSION:
        return None
    if request.text is not None or request.base64 is not None:
        return None
    if response and (response.status == SESSION_CREATED or response.text is not None or response.base64 is not None):
        return None
    msgspec.structs.force_setattr(outline, "stored", line)
    return outline


def encode_outline(outline: EventOutline, content_key: int) -> bytes:
    """Return an outline as bytes, without its line and with the key of its content."""
    return msgspec.json.encode(msgspec.structs.replace(outline, stored=b"", content_key=content_key))


def decode_outline(content: bytes) -> EventOutline:
    """Return an outline from its bytes."""
    return _decode(content)


def is_plain(outline: EventOutline) -> bool:
    """Return whether an event neither opens nor ends a session, by a look at its line."""
    return b"sessionEnd" not in outline.stored and b"\\" not in outline.stored
