"""An exchange: one HTTP request to the endpoint, with its response or the failure that came instead.

These are the objects that every other room speaks of, and, field for field, a line of a recording: the names
below are the format's names. A body travels as the bytes of the message with its content coding undone.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Self

import msgspec
import orjson

from tapehead.api import Call

FORMAT_VERSION = 1

Headers = list[tuple[str, str]]

NO_BODY = msgspec.Raw()


class Severity(StrEnum):
    """How bad a finding is for the reported numbers."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One place where a rule failed.

    Attributes:
        rule: the rule's id, such as `wrong-type`.
        severity: how bad it is.
        path: the place in the body, such as `params.media.length`; empty for the exchange as a whole.
        message: one sentence that names the value, what was expected, and where.
    """

    rule: str
    severity: Severity
    path: str
    message: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What request and response share: headers and a body in the first of three forms that holds it.

    The fields stand in the subclasses, where they come in the order in which a person reads a message.

    Attributes:
        headers: names and values as on the wire, in order; bytes beyond ASCII as Latin-1.
        body: a JSON body exactly as sent, byte for byte.
        text: any other body in UTF-8, and JSON that spans lines or has blanks around it.
        base64: any other body.
        coded: true where `base64` holds the body with its Content-Encoding still on, because it could not
            be undone.
    """

    if TYPE_CHECKING:
        headers: Headers
        body: msgspec.Raw = NO_BODY
        text: str | None = None
        base64: str | None = None
        coded: bool = False

    def content(self) -> bytes:
        """The body's bytes, without content coding unless `coded`; empty if there was none."""
        if self.base64 is not None:
            return base64.b64decode(self.base64)
        if self.text is not None:
            return self.text.encode()
        return bytes(self.body)

    def header(self, name: str) -> str | None:
        """The first value of header `name` in any case, or None."""
        return next(self.header_values(name), None)

    def header_values(self, name: str) -> Iterator[str]:
        """All values of header `name` in any case."""
        wanted = name.lower()
        return (value for key, value in self.headers if key.lower() == wanted)

    def with_content(self, content: bytes, *, coded: bool = False) -> Self:
        """This message with another body."""
        return msgspec.structs.replace(self, **store_content(content, coded=coded))

    def with_headers(self, headers: Iterable[tuple[str, str]]) -> Self:
        """This message with other headers."""
        return msgspec.structs.replace(self, headers=list(headers))


class Request(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A request: method, absolute URL, headers, body."""

    method: str
    url: str
    headers: Headers
    body: msgspec.Raw = NO_BODY
    text: str | None = None
    base64: str | None = None
    coded: bool = False

    @property
    def path(self) -> str:
        """The URL's path, query left out."""
        _, _, rest = self.url.partition("://")
        slash = rest.find("/")
        return rest[slash:].partition("?")[0] if slash >= 0 else "/"


class Response(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A response: status (any integer that a server wrote), reason phrase (empty in HTTP/2), headers, body."""

    status: int
    reason: str = ""
    headers: Headers
    body: msgspec.Raw = NO_BODY
    text: str | None = None
    base64: str | None = None
    coded: bool = False


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a recording.

    Attributes:
        tapehead: the format's version.
        started: when the request's first byte came, UTC, ISO 8601 with milliseconds.
        elapsed_ms: from then to the response's last byte or the failure, in milliseconds.
        call: what was asked of the endpoint.
        session: the session id that the URL or the answer's Location carries, or None.
        request: the request as the player sent it, its URL as the endpoint got it.
        response: the answer as the endpoint gave it, or None with `error`.
        error: why there was no answer, or None.
        findings: what the rules say of this exchange alone.
    """

    tapehead: int
    started: str
    elapsed_ms: float
    call: Call
    session: str | None
    request: Request
    response: Response | None
    error: str | None = None
    findings: list[Finding]


def is_json(content: bytes) -> bool:
    """Whether `content` is one JSON value in UTF-8 that any parser reads."""
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True


def store_content(content: bytes, *, coded: bool = False) -> dict[str, object]:
    """The fields of `Message` that hold `content`: the first of body, text, base64 that fits.

    JSON that spans lines goes into `text`: in `body` it would tear the recording's line. So does JSON with blanks
    around it, which a line's reader would take for the line's own.
    """
    fields: dict[str, object] = {"body": NO_BODY, "text": None, "base64": None, "coded": coded}
    if not content:
        return fields
    bare = b"\n" not in content and b"\r" not in content and content == content.strip()
    if bare and not coded and is_json(content):
        return fields | {"body": msgspec.Raw(content)}
    text = None if coded else _as_text(content)
    if text is not None:
        return fields | {"text": text}
    return fields | {"base64": base64.b64encode(content).decode()}


def _as_text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def encode(exchange: Exchange) -> bytes:
    """`exchange` as one line of a recording, newline included."""
    return msgspec.json.encode(exchange) + b"\n"


_decoder = msgspec.json.Decoder(Exchange)


def decode(line: bytes) -> Exchange:
    """The exchange that a line of a recording holds.

    Raises:
        ValueError: the line is no exchange; the message says what is wrong and where in the line.
    """
    try:
        exchange = _decoder.decode(line)
        for message in filter(None, (exchange.request, exchange.response)):
            message.content()
    except (msgspec.MsgspecError, binascii.Error, RecursionError) as error:
        raise ValueError(str(error)) from error
    return exchange
