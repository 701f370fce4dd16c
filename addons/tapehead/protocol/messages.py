"""HTTP messages as recordings hold them: headers, and a body as JSON, text or base64."""

import base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec
import orjson

from tapehead.protocol.routes import Route, call_on, find_route

Headers = list[tuple[str, str]]


NO_BODY = msgspec.Raw()


class ParsedBody(NamedTuple):
    """A body as parsed JSON: its value, and the parser's error message if it is not JSON."""

    value: Any
    error: str = ""


def parse_json(content: bytes) -> ParsedBody:
    """Parse a body."""
    try:
        return ParsedBody(orjson.loads(content))
    except orjson.JSONDecodeError as error:
        return ParsedBody(None, str(error))


class Message(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Base class of request and response: headers, and a body in the first of three forms that can represent it.

    A body is parsed at most once, on first access; the result is kept as long as the message.
    The subclasses declare the fields, in the order in which they are written to recordings.

    Attributes:
        headers: names and values as on the wire, in order; bytes beyond ASCII as Latin-1.
        body: a JSON body exactly as sent, byte for byte.
        text: any other body in UTF-8, and JSON that spans lines or is surrounded by whitespace.
        base64: any other body.
        coded: true if `base64` is the body as encoded by its Content-Encoding, because it could not be decoded.
        saved: false if there was a body, or may have been, that the exporter or the proxy did not save.
    """

    if TYPE_CHECKING:
        headers: Headers
        body: msgspec.Raw = NO_BODY
        text: str | None = None
        base64: str | None = None
        coded: bool = False
        saved: bool = True

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickles it: without an empty body, of which a copy would not be known as the default."""
        parts: Any = super().__reduce__()
        make, (kind, fields) = parts
        if not self.body:
            del fields["body"]
        return make, (kind, fields)

    def content(self) -> bytes:
        """Return the body's bytes, without content coding unless `coded`; empty if there is no body."""
        if self.base64 is not None:
            return base64.b64decode(self.base64)
        if self.text is not None:
            return self.text.encode()
        return bytes(self.body)

    @cached_property
    def parsed(self) -> ParsedBody:
        """The body as parsed JSON."""
        return parse_json(self.content())

    def json(self) -> Any:
        """Return the body as parsed JSON; None if it is not JSON."""
        return self.parsed.value

    def header(self, name: str) -> str | None:
        """Return the first value of header `name` (case-insensitive), or None."""
        wanted, length = name.lower(), len(name)
        for key, value in self.headers:
            if len(key) == length and key.lower() == wanted:
                return value
        return None

    def header_values(self, name: str) -> Iterator[str]:
        """Yield all values of header `name` (case-insensitive)."""
        wanted = name.lower()
        return (value for key, value in self.headers if key.lower() == wanted)

    def with_content(self, content: bytes, *, coded: bool = False) -> Self:
        """Return this message with another body.

        JSON that spans lines goes into `text`: in `body` it would break the recording's line. So does JSON surrounded
        by whitespace, which a reader of the line would drop.

        Args:
            content: the body's bytes.
            coded: whether they are still encoded by the Content-Encoding.
        """
        if not (content or self.body or self.text or self.base64 or coded or self.coded):
            return self
        body, text, packed, parsed = NO_BODY, None, None, None
        if content and not coded and b"\n" not in content and b"\r" not in content and content == content.strip():
            parsed = parse_json(content)
        if parsed and not parsed.error:
            body = msgspec.Raw(content)
        elif content:
            with suppress(UnicodeDecodeError):
                text = None if coded else content.decode()
            packed = base64.b64encode(content).decode() if text is None else None
        message = msgspec.structs.replace(self, body=body, text=text, base64=packed, coded=coded)
        if parsed:
            message.__dict__["parsed"] = parsed
        return message

    def with_headers(self, headers: Iterable[tuple[str, str]]) -> Self:
        """Return this message with other headers."""
        return self._with(headers=list(headers))

    def _with(self, **fields: object) -> Self:
        """Return this message with other fields and the same body, which is not parsed again."""
        message = msgspec.structs.replace(self, **fields)
        if self.body and (parsed := self.__dict__.get("parsed")):
            message.__dict__["parsed"] = parsed
        return message


class Request(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A request: method, absolute URL, headers, body."""

    method: str
    url: str
    headers: Headers
    body: msgspec.Raw = NO_BODY
    text: str | None = None
    base64: str | None = None
    coded: bool = False
    saved: bool = True

    @property
    def path(self) -> str:
        """The URL's path, without the query."""
        _, _, rest = self.url.partition("://")
        slash = rest.find("/")
        return rest[slash:].partition("?")[0] if slash >= 0 else "/"

    @cached_property
    def route(self) -> Route | None:
        """The route of its path; None if it is no path of the API."""
        return find_route(self.path)

    @cached_property
    def collection_call(self) -> Route | None:
        """The route and call; None if it is no call of the API."""
        return call_on(self.route, self.method)

    def with_url(self, url: str) -> Self:
        """Return this request with another URL."""
        return self._with(url=url)


def request_on(
    route: Route | None, call: Route | None, method: str, url: str, headers: Headers, content: bytes
) -> Request:
    """Return a request whose body has no content coding, given what is known of its path: its route, and the call."""
    parsed = None
    if content.startswith(b"{") and content.endswith(b"}") and b"\n" not in content and b"\r" not in content:
        parsed = parse_json(content)
    if parsed and not parsed.error:
        request = Request(method=method, url=url, headers=headers, body=msgspec.Raw(content))
        known = request.__dict__
        known["parsed"] = parsed
    else:
        request = Request(method=method, url=url, headers=headers).with_content(content)
        known = request.__dict__
    known["route"], known["collection_call"] = route, call
    return request


class Response(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A response: status (any integer that a server sent), reason phrase (empty in HTTP/2), headers, body."""

    status: int
    reason: str = ""
    headers: Headers
    body: msgspec.Raw = NO_BODY
    text: str | None = None
    base64: str | None = None
    coded: bool = False
    saved: bool = True


def is_json(content: bytes) -> bool:
    """Return whether `content` is one valid JSON value in UTF-8."""
    return not parse_json(content).error
