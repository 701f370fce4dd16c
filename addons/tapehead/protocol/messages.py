"""HTTP messages as recordings hold them: headers, and a body as JSON, text or base64."""

import base64
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Self

import msgspec
import orjson

Headers = list[tuple[str, str]]


NO_BODY = msgspec.Raw()


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
