"""Redaction of one text: values under names that identify people or devices, in JSON, queries, forms and headers.

Each function goes through one text and puts substitutes in the place of those values, however they are spelt; the rest
of the text keeps its bytes. Broken texts are redacted, too: JSON whose quotes do not pair is parsed anew from each
identifying key on.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from functools import lru_cache, partial
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_plus

import orjson

from tapehead.redaction.identifying_keys import BASE64_OF_JSON, IdentifyingKeys, decode_token

# Returns the substitute of a value.
Replace = Callable[[str], str]
# Texts within texts, such as a URL in a query, are followed this deep.
MOST_LEVELS = 3

_NO_VALUES = (b"null", b"true", b"false")

# The values of authState, which may be among identifiers and identifies no one.
_STATES, _STATE_KEYS = (b"0", b"1", b"2"), ("authState", "authState]")


class ScalarKind(Enum):
    """Kinds of scalars."""

    PERSON = auto()
    MENTION = auto()
    OTHER = auto()
    KEY = auto()


class Scalar(NamedTuple):
    """A string, number or word of JSON; a key only where those are asked for.

    Attributes:
        start, end: its place.
        kind: whether it identifies a person, is a text with an identifying key in it, or is a key.
        key: the key that it is under or is, arrays left out.
    """

    start: int
    end: int
    kind: ScalarKind
    key: str


def scalars(content: bytes, names: IdentifyingKeys, *, every: bool = False, keys: bool = False) -> Iterator[Scalar]:
    """Yield the scalars of a JSON body, even a broken one, that identify or mention people.

    With `every`, all of them; with `keys`, keys as well.

    All under an identifying key identify a person, except authState.
    """
    deep = names.are_embedded_in(content)
    # Of each open container: is it an object, is it under an identifying key, which, and that as a parent of keys.
    frames = [(False, False, "", "")]
    at_key, person, key, _ = frames[0]
    for match in names.tokens(content):
        token = match[0]
        if token in (b"{", b"["):
            frames.append((token == b"{", person, key, names.as_parent(key)))
            at_key = token == b"{"
        elif token in (b"}", b"]"):
            del frames[max(1, len(frames) - 1) :]
            _, person, key, _ = frames[-1]
        elif token == b",":
            at_key, person, key, _ = frames[-1]
        elif token == b":":
            at_key = False
        elif at_key or match[1]:
            key, counts = names.read(token, frames[-1][3])
            at_key, person = not match[1], frames[-1][1] or counts or match[1] is not None
            if keys and at_key:
                yield Scalar(*match.span(), ScalarKind.KEY, key)
        else:
            is_state = token in _STATES and key.endswith(_STATE_KEYS)
            kind = ScalarKind.MENTION if deep and names.are_embedded_in(token) else ScalarKind.OTHER
            kind = ScalarKind.PERSON if person and token not in _NO_VALUES and not is_state else kind
            if every or kind is not ScalarKind.OTHER:
                yield Scalar(*match.span(), kind, key)


def encode_like(token: bytes, value: str) -> bytes:
    """Return `value` for the place of a scalar: a string for a string, a number for a number."""
    if token.startswith(b'"'):
        return orjson.dumps(value)
    if token.startswith(b"'"):
        return f"'{value}'".encode()
    if _NUMBER.fullmatch(token):
        return _NEEDLESS_ZEROS.sub(rb"\1", value.encode()) if _NUMBER.fullmatch(value.encode()) else b"0"
    return value.encode()


_NUMBER = re.compile(rb"[-+.]?[0-9][-+.0-9eE]*")
# No number of JSON begins with them.
_NEEDLESS_ZEROS = re.compile(rb"\A(-?)0+(?=[0-9])")


def edit(content: bytes, edits: Iterable[tuple[int, int, bytes]]) -> bytes:
    """Return `content` with other bytes in some places, which come in their order."""
    edited, copied = bytearray(), 0
    for start, end, new in edits:
        edited += content[copied:start]
        edited += new
        copied = end
    return bytes(edited + content[copied:]) if copied else content


# ---- Bodies ----

_CODED = tuple(map(str.encode, BASE64_OF_JSON))
# JSON as it is within a string of JSON, but without the string's quotes.
_ESCAPED_ONCE_MORE = (b'{\\"', b'[{\\"')


def redact_body(content: bytes, names: IdentifyingKeys, substitute: Replace, level: int = 0) -> bytes:
    """Return a body, JSON or a form, with substitutes for values that identify people."""
    if level > MOST_LEVELS or not names.may_be_in(content):
        return content
    if content.lstrip().startswith(_ESCAPED_ONCE_MORE):
        return _redact_escaped(content, names, substitute, level + 1)
    if content.startswith(b"--") and b"name=" in content:
        return _redact_multipart(content, names, substitute, level)
    redact = lru_cache(partial(_redact_token, names=names, substitute=substitute, level=level))
    content = edit(
        content, ((start, end, redact(content[start:end], kind)) for start, end, kind, _ in scalars(content, names))
    )
    if content.lstrip().startswith((b"{", b"[", b'"')) or not (b"=" in content or content.startswith(_CODED)):
        return content
    text = content.decode("utf-8", "surrogateescape")
    return redact_text(text, names, substitute, level).encode("utf-8", "surrogateescape")


def _redact_escaped(content: bytes, names: IdentifyingKeys, substitute: Replace, level: int) -> bytes:
    redacted = redact_body(b'"' + content + b'"', names, substitute, level)[1:-1]
    if redacted != content:
        return redacted
    return redact_body(content.replace(b'\\"', b'"'), names, substitute, level).replace(b'"', b'\\"')


_PART = re.compile(rb"\A(.*?\r?\n)\r?\n(.*?)(\r?\n?)\Z", re.DOTALL)
_PART_NAME = re.compile(rb"[;\s]name\s*=\s*(?:\"([^\"\r\n]*)\"|([^\s;]+))", re.IGNORECASE)


def _redact_multipart(content: bytes, names: IdentifyingKeys, substitute: Replace, level: int) -> bytes:
    """Return a form of several parts, between lines of the boundary that its first line says."""
    boundary = content[: len(content) - len(content.lstrip(b"-"))] + content.lstrip(b"-").split(maxsplit=1)[0]
    parts = content.split(boundary)
    for index, part in enumerate(parts):
        match = _PART.match(part)
        name = match and _PART_NAME.search(match[1])
        if not match or not name:
            continue
        head, value = part[: match.start(2)], match[2]
        if names.count((name[1] or name[2] or b"").decode("utf-8", "replace")):
            plain = value.decode("utf-8", "surrogateescape")
            value = substitute(plain).encode("utf-8", "surrogateescape")
        else:
            value = redact_body(value, names, substitute, level + 1)
        parts[index] = head + value + match[3]
    return boundary.join(parts)


def _redact_token(token: bytes, kind: ScalarKind, *, names: IdentifyingKeys, substitute: Replace, level: int) -> bytes:
    value = decode_token(token)
    new = substitute(value) if kind is ScalarKind.PERSON else redact_text(value, names, substitute, level + 1)
    return token if new == value else encode_like(token, new)


# ---- Queries, forms, and URLs in other texts ----

# A key and its value; or the user and password before the host in a URL.
_PAIR = re.compile(r"(?<![^\s?&;#|])([^\s?&;#=|]++)=((?:[^\s&#|]|\|(?!\w{1,40}=))*+)|(?<=://)([^\s/?#@]++)(?=@)")


_URL_SAFE = str.maketrans("+/", "-_")
_BASE64 = re.compile(r"([A-Za-z0-9+/_-]{12,})(=*)")


def redact_text(text: str, names: IdentifyingKeys, substitute: Replace, level: int = 0) -> str:
    """Return a text with substitutes for values under identifying keys: in `key=value`, or in JSON if it is JSON."""
    begins_json = text.startswith(("{", "[", " "))
    if text.startswith(BASE64_OF_JSON) and level <= MOST_LEVELS:
        return _redact_base64(text, names, substitute, level)
    if level > MOST_LEVELS or not (begins_json or "=" in text or "@" in text):
        return text
    if begins_json and text.lstrip().startswith(("{", "[")):
        content = text.encode("utf-8", "surrogatepass")
        return redact_body(content, names, substitute, level).decode("utf-8", "surrogatepass")
    return _PAIR.sub(lambda pair: _redact_pair(pair, names, substitute, level), text)


def _redact_base64(text: str, names: IdentifyingKeys, substitute: Replace, level: int) -> str:
    """Return JSON in base64 of either alphabet, with or without its padding, with substitutes in it."""
    coded = _BASE64.fullmatch(text)
    try:
        plain = base64.urlsafe_b64decode(coded[1].translate(_URL_SAFE) + "==") if coded else b""
    except binascii.Error:
        plain = b""
    new = redact_body(plain, names, substitute, level + 1)
    if not coded or new == plain:
        return text
    written = base64.b64encode(new, b"-_" if "-" in text or "_" in text else None).decode()
    return written if coded[2] else written.rstrip("=")


def _redact_pair(pair: re.Match[str], names: IdentifyingKeys, substitute: Replace, level: int) -> str:
    key, value, user = pair.groups()
    if user:
        return ":".join(map(substitute, unquote(user, errors="surrogateescape").split(":")))
    if names.count(unquote_plus(key).strip("\"'([{<,")):
        plain = unquote_plus(value, errors="surrogateescape")
        new = substitute(plain)
    else:
        plain = unquote(value, errors="surrogateescape")
        new = redact_text(plain, names, substitute, level + 1)
    return (
        pair[0] if new == plain else f"{key}={new if plain == value else quote(new, safe='', errors='surrogateescape')}"
    )


# ---- Headers ----

# Parts of a cookie, a list of addresses or credentials that may identify a person by themselves.
_ATOM = re.compile(r"[^\s\"',;:|&=%{}\[\]()<>]+")


@lru_cache(maxsize=256)
def parts_of_header(name: str, value: str) -> frozenset[str]:
    """Return the values in an identifying header: itself, its cookies or addresses, and their parts."""
    # Attributes follow the cookie that is set.
    carried = value.partition(";")[0] if name.lower() == "set-cookie" else value
    parts = {value}
    for piece in re.split(r"[\s,;]+", carried):
        plain = unquote(unquote(piece.partition("=")[2] or piece))
        parts.update((plain.strip('"'), *_ATOM.findall(plain)))
    return frozenset(parts)
