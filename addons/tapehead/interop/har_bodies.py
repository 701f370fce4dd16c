"""Bodies in HAR files: as text, base64, JSON, form parameters, or in files beside the HAR."""

import base64
import binascii
import contextlib
import json
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import msgspec

from tapehead.interop.lenient_json import Fields, fields_of, items_of, text_of
from tapehead.protocol.content_coding import CodingError, decode_content
from tapehead.protocol.messages import is_json
from tapehead.recording.capture import RawHeaders

# Returns the content of a file that a HAR names, or None if there is none that may be read.
Attachments = Callable[[str], bytes | None]
# Encoding of text from the JSON.
Encode = Callable[[str], bytes]


def read_body(content: Fields, size: float | None, encode: Encode, attachments: Attachments) -> bytes | None:
    """Return the body that `postData` or `content` holds; None if it is not there or is damaged.

    Args:
        content: the fields.
        size: the number of bytes that were sent, if it is known.
        encode: returns the bytes of text.
        attachments: returns what is in the files that it names.
    """
    raw = content.get("text")
    if raw and bytes(raw)[:1] in (b"{", b"["):
        return msgspec.json.format(raw, indent=-1)
    if text := text_of(raw):
        return _decode_text(text, content, size, encode)
    if raw and text is None and (damaged := _bytes_of(raw)):
        return damaged
    name = text_of(content.get("_file"))
    attached = attachments(name) if name else None
    if attached is not None:
        return attached
    if parameters := list(_parameters(content)):
        return encode(_join(parameters))
    return None if text is None else b""


def undo_coding(body: bytes, headers: RawHeaders) -> bytes:
    """Return a body without its content coding, which most exporters have undone already."""
    coding = ",".join(value.decode("latin-1") for name, value in headers if name.lower() == b"content-encoding")
    if coding and not is_json(body):
        with contextlib.suppress(CodingError):
            return decode_content(body, coding)
    return body


def _bytes_of(raw: msgspec.Raw) -> bytes | None:
    """Return the bytes of a string that is not UTF-8; None if it is no string."""
    try:
        text = json.loads(bytes(raw).decode("utf-8", "surrogateescape"), strict=False)
        return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _decode_text(text: str, content: Fields, size: float | None, encode: Encode) -> bytes | None:
    body = encode(text)
    if any((text_of(content.get(name)) or "").lower() == "base64" for name in ("encoding", "_encoding")):
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            return body if is_json(body) else None
    if size is not None and len(body) != size == len(text):  # the exporter took the bytes for Latin-1
        with contextlib.suppress(UnicodeEncodeError):
            return text.encode("latin-1")
    return body


def _parameters(content: Fields) -> Iterator[tuple[str, str]]:
    for item in items_of(content.get("params")):
        pair = fields_of(item)
        name = text_of(pair.get("name"))
        if name is not None:
            yield name, text_of(pair.get("value")) or ""


def _join(parameters: list[tuple[str, str]]) -> str:
    """Return the body that an exporter has taken apart as if it were a form.

    JSON has no form's separators at its ends, so that the parts put together are JSON again; any other body was a form.
    """
    joined = "&".join(f"{name}={value}" if value else name for name, value in parameters)
    decoded = unquote(joined)
    return decoded if decoded != joined and is_json(decoded.encode()) and not is_json(joined.encode()) else joined
