"""Redaction of one text: values under names that identify people or devices, in JSON, queries, forms and headers.

Each function goes through one text and puts substitutes in the place of those values, however they are spelt; the rest
of the text keeps its bytes. Broken texts are redacted, too: JSON whose quotes do not pair is parsed anew from each
identifying key on.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from functools import lru_cache, partial
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_plus

import orjson

from tapehead.protocol.parameters import PARAMETERS

# Returns the substitute of a value.
Replace = Callable[[str], str]

_HEADER_NAMES = """
    authorization cf-access-authenticated-user-email cf-connecting-ip cf-connecting-ipv6 client-ip cookie
    fastly-client-ip forwarded from proxy-authorization remote-addr set-cookie true-client-ip x-amzn-oidc-identity
    x-api-key x-appengine-user-ip x-auth-request-email x-auth-request-user x-auth-token x-azure-clientip x-client-ip
    x-cluster-client-ip x-envoy-external-address x-forwarded x-forwarded-email x-forwarded-for x-forwarded-user
    x-original-forwarded-for x-originating-ip x-real-ip x-remote-addr x-remote-ip x-remote-user
"""
PERSON_HEADERS = frozenset(_HEADER_NAMES.split())

# In lower case: a misspelt case identifies a person as well.
_PERSON_KEYS = frozenset(row.key.lower() for row in PARAMETERS if row.person)
_DOCUMENTED = frozenset(row.key.lower() for row in PARAMETERS) - _PERSON_KEYS
# Texts within texts, such as a URL in a query, are followed this deep.
MOST_LEVELS = 3


class IdentifyingKeys:
    """Names whose values identify people: those of the table, and more that the user gives; case does not matter.

    A key that continues with `.` or `[` after such a name counts, too: that is how objects are flattened.

    Args:
        more: names of JSON keys, query keys and headers.

    Attributes:
        headers: the names of headers, in lower case.
        in_path: searches the path of a finding for one of the keys.
        read: returns a key of JSON, and whether values under it identify people.
        tokens: finds the tokens of JSON in bytes. One that has a group is a key from which broken JSON is parsed anew.
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        named = {name.strip().lower() for name in more} - {""}
        self.headers = PERSON_HEADERS | named
        self._keys = _PERSON_KEYS | named
        self._stems = tuple(key + mark for key in self._keys for mark in ".[")
        self._documented = _DOCUMENTED - named
        longest_first = sorted(self._keys, key=len, reverse=True)
        self._spelt = [key.encode() for key in longest_first]
        keys = b"(?i:" + b"|".join(map(re.escape, self._spelt)) + b")"
        self._embedded = re.compile(keys + rb'(?:[.\[%][^\s"\\=]{0,100}+)?(?:=|\\)').search
        words = "|".join(map(re.escape, longest_first))
        self.in_path = re.compile(rf"(?:^|[.\]])(?:{words})(?:$|[.\[])", re.IGNORECASE).search
        self.tokens = re.compile(_TOKEN % keys, re.DOTALL).finditer
        # Most bodies have the same keys.
        self.read = lru_cache(maxsize=4096)(self._read)

    def count(self, key: str) -> bool:
        """Return whether values under `key` identify people."""
        key = key.strip().lower()
        return key in self._keys or (key.startswith(self._stems) and key not in self._documented)

    def may_be_in(self, content: bytes) -> bool:
        """Return whether a text spells one of the keys, or has an escape that may hide one."""
        if b"\\" in content:
            return True
        # Bytes have no case beyond ASCII.
        lowered = content.lower() if content.isascii() else content.decode("utf-8", "replace").lower().encode()
        return any(key in lowered for key in self._spelt)

    def are_embedded_in(self, content: bytes) -> bool:
        """Return whether a text has such a key in a query, or within a string of JSON."""
        return (b"=" in content or b"\\" in content) and self._embedded(content) is not None

    def _read(self, token: bytes) -> tuple[str, bool]:
        key = decode_token(token).strip("\"'\\: \t\r\n")
        return key, self.count(key)


# A string (cut short at the end of a broken body), a bracket or separator, an identifying key without its first quote,
# a number or word. Single quotes are not JSON, but some players write them.
_TOKEN = (
    rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|'
    rb"'[^'\"\n]*+'|[{}\[\],:]|"
    rb'(%s(?:[.\[][^\s:="\'\\{},]{0,100}+)?\\*+["\']?\s*+:)|'
    rb'[^\s{}\[\],:"]++'
)
_NO_VALUES = (b"null", b"true", b"false")
# The values of authState, which may be among identifiers and identifies no one.
_STATES, _STATE_KEYS = (b"0", b"1", b"2"), ("authState", "authState]")


class ScalarKind(Enum):
    """Kinds of scalars."""

    PERSON = auto()
    MENTION = auto()
    OTHER = auto()


class Scalar(NamedTuple):
    """A string, number or word of JSON that is not a key.

    Attributes:
        start, end: its place.
        kind: whether it identifies a person, or is a text with an identifying key in it.
        key: the key that it is under, arrays left out.
    """

    start: int
    end: int
    kind: ScalarKind
    key: str


def scalars(content: bytes, names: IdentifyingKeys, *, every: bool = False) -> Iterator[Scalar]:
    """Yield the scalars of a JSON body, even a broken one, that identify or mention people; with `every`, all of them.

    All under an identifying key identify a person, except authState.
    """
    deep = names.are_embedded_in(content)
    frames = [(False, False, "")]  # of each open container: is it an object, is it under an identifying key, which
    at_key, person, key = frames[0]
    for match in names.tokens(content):
        token = match[0]
        if token in (b"{", b"["):
            frames.append((token == b"{", person, key))
            at_key = token == b"{"
        elif token in (b"}", b"]"):
            del frames[max(1, len(frames) - 1) :]
            _, person, key = frames[-1]
        elif token == b",":
            at_key, person, key = frames[-1]
        elif token == b":":
            at_key = False
        elif at_key or match[1]:
            key, counts = names.read(token)
            at_key, person = not match[1], frames[-1][1] or counts or match[1] is not None
        elif person and token not in _NO_VALUES and not (token in _STATES and key.endswith(_STATE_KEYS)):
            yield Scalar(*match.span(), ScalarKind.PERSON, key)
        elif deep and names.are_embedded_in(token):
            yield Scalar(*match.span(), ScalarKind.MENTION, key)
        elif every:
            yield Scalar(*match.span(), ScalarKind.OTHER, key)


def decode_token(token: bytes) -> str:
    """Return the value of a scalar; of a number its spelling."""
    if token.startswith(b'"'):
        try:
            return str(orjson.loads(token))
        except orjson.JSONDecodeError:
            pass
    bare = token.strip(b"\"'")
    try:
        return bare.decode()
    except UnicodeDecodeError:
        return bare.decode("latin-1")


def encode_like(token: bytes, value: str) -> bytes:
    """Return `value` for the place of a scalar: a string for a string, a number for a number."""
    if token.startswith(b'"'):
        return orjson.dumps(value)
    if token.startswith(b"'"):
        return f"'{value}'".encode()
    if _NUMBER.fullmatch(token):
        return (value.lstrip("0") if value.isdigit() else "").encode() or b"0"
    return value.encode()


_NUMBER = re.compile(rb"[-+.]?[0-9][-+.0-9eE]*")


def edit(content: bytes, edits: Iterable[tuple[int, int, bytes]]) -> bytes:
    """Return `content` with other bytes in some places, which come in their order."""
    edited, copied = bytearray(), 0
    for start, end, new in edits:
        edited += content[copied:start]
        edited += new
        copied = end
    return bytes(edited + content[copied:]) if copied else content


# ---- Bodies ----

# JSON as it is within a string of JSON, but without the string's quotes.
_ESCAPED_ONCE_MORE = (b'{\\"', b'[{\\"')


def redact_body(content: bytes, names: IdentifyingKeys, substitute: Replace, level: int = 0) -> bytes:
    """Return a body, JSON or a form, with substitutes for values that identify people."""
    if level > MOST_LEVELS or not names.may_be_in(content):
        return content
    if content.lstrip().startswith(_ESCAPED_ONCE_MORE):
        return _redact_escaped(content, names, substitute, level + 1)
    redact = lru_cache(partial(_redact_token, names=names, substitute=substitute, level=level))
    content = edit(
        content, ((start, end, redact(content[start:end], kind)) for start, end, kind, _ in scalars(content, names))
    )
    if content.lstrip().startswith((b"{", b"[", b'"')) or b"=" not in content:
        return content
    text = content.decode("utf-8", "surrogateescape")
    return redact_text(text, names, substitute, level).encode("utf-8", "surrogateescape")


def _redact_escaped(content: bytes, names: IdentifyingKeys, substitute: Replace, level: int) -> bytes:
    redacted = redact_body(b'"' + content + b'"', names, substitute, level)[1:-1]
    if redacted != content:
        return redacted
    return redact_body(content.replace(b'\\"', b'"'), names, substitute, level).replace(b'"', b'\\"')


def _redact_token(token: bytes, kind: ScalarKind, *, names: IdentifyingKeys, substitute: Replace, level: int) -> bytes:
    value = decode_token(token)
    new = substitute(value) if kind is ScalarKind.PERSON else redact_text(value, names, substitute, level + 1)
    return token if new == value else encode_like(token, new)


# ---- Queries, forms, and URLs in other texts ----

# A key and its value; or the user and password before the host in a URL.
_PAIR = re.compile(r"(?<![^\s?&;#])([^\s?&;#=]++)=([^\s&#]*+)|(?<=://)([^\s/?#@]++)(?=@)")


def redact_text(text: str, names: IdentifyingKeys, substitute: Replace, level: int = 0) -> str:
    """Return a text with substitutes for values under identifying keys: in `key=value`, or in JSON if it is JSON."""
    begins_json = text.startswith(("{", "[", " "))
    if level > MOST_LEVELS or not (begins_json or "=" in text or "@" in text):
        return text
    if begins_json and text.lstrip().startswith(("{", "[")):
        content = text.encode("utf-8", "surrogatepass")
        return redact_body(content, names, substitute, level).decode("utf-8", "surrogatepass")
    return _PAIR.sub(lambda pair: _redact_pair(pair, names, substitute, level), text)


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
