"""Pseudonyms for what identifies a person or a device, in what is stored; player and endpoint get the real bytes.

A pseudonym is a keyed hash of the value: the same value has the same one wherever it stands, so that sessions still
join, and without the key nobody gets back from it or confirms a guess. Only the bytes of those values change; the
spelling of numbers, the order of keys and duplicate keys stay.

Which values: the parameters that the table marks, and the headers below. Where such a value is specific (it has a digit
or an @), it is also replaced elsewhere in the exchange: in its URL and headers, in other strings, the answer, the
findings. Keys, and the API's own paths, never change.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import quote

import msgspec
import orjson

from tapehead.exchange import Exchange, Request, Response
from tapehead.parameters import PARAMETERS, PLACEHOLDER

PREFIX = "pseudonym-"

_HEADER_NAMES = """
    authorization cf-connecting-ip cookie fastly-client-ip forwarded proxy-authorization set-cookie true-client-ip
    x-api-key x-client-ip x-cluster-client-ip x-forwarded-for x-real-ip
"""
PERSON_HEADERS = frozenset(_HEADER_NAMES.split())

# In lower case: a misspelt case identifies a person as well.
_PERSON_KEYS = frozenset(row.key.lower() for row in PARAMETERS if row.person)
# A token of JSON: a string (cut short at the end of a broken body), a bracket or separator, a number or word.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)
# What can spell a person's key: its characters, or an escape that hides them.
_MAY_HOLD = re.compile(rb"\\u|" + b"|".join(re.escape(key.encode()) for key in sorted(_PERSON_KEYS)), re.IGNORECASE)
# A string of JSON, and the colon behind it if it is a key.
_STRING = re.compile(rb'("(?:[^"\\]++|\\.)*+(?:"|\\?\Z))(\s*:)?', re.DOTALL)
# Shorter values are not searched for in other places: they would match by chance.
_LEAST_SEARCHED = 6
# A body with more identifiers than these has them replaced where they stand, and not searched for elsewhere.
_MOST_SEARCHED = 50

Pseudonyms = dict[str, str]
# Where a value stands in a body: its first byte, and the one behind it.
Span = tuple[int, int]


class _Search:
    """Finds identifying values in other places than their own: the longest first, in URLs also percent-encoded."""

    def __init__(self, found: Pseudonyms) -> None:
        specific = sorted(filter(_is_specific, found), key=len, reverse=True)[:_MOST_SEARCHED]
        self._pseudonyms = {spelt: found[value] for value in specific for spelt in (value, quote(value, safe=""))}
        words = "|".join(map(re.escape, self._pseudonyms))
        self._pattern = re.compile(rf"(?<![0-9A-Za-z])(?:{words})(?![0-9A-Za-z])") if words else None

    def replace(self, text: str) -> str:
        """`text` with pseudonyms for what is found."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._pseudonyms[match[0]], text)

    def replace_bytes(self, content: bytes) -> bytes:
        """The same for a body; in JSON only within strings that are no keys."""
        text = content.decode("utf-8", "surrogateescape")
        if self._pattern is None or not self._pattern.search(text):
            return content
        if not text.lstrip().startswith(("{", "[", '"')):
            return self.replace(text).encode("utf-8", "surrogateescape")
        return _STRING.sub(self._replace_string, content)

    def _replace_string(self, match: re.Match[bytes]) -> bytes:
        if match[2]:
            return match[0]
        return self.replace(match[1].decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _is_specific(value: str) -> bool:
    """Whether a value would hardly stand elsewhere by chance, as `player` or `sample` do."""
    return len(value) >= _LEAST_SEARCHED and any(each.isdigit() or each == "@" for each in value)


class Redactor:
    """Replaces identifying values in exchanges by pseudonyms made with `key` (any bytes, kept secret)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def pseudonym(self, value: str) -> str:
        """What stands for `value`: the same for the same value and key, digits for digits of the same length.

        Placeholders and empty values identify nobody and stay, so that an audit still sees them.
        """
        if not value or PLACEHOLDER.fullmatch(value) or value.startswith(PREFIX):
            return value
        digest = hmac.new(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        if value.isascii() and value.isdigit():
            return f"{int(digest, 16):078d}"[-len(value) :]
        return f"{PREFIX}{digest[:16]}"

    def redact(self, exchange: Exchange) -> Exchange:
        """`exchange` with pseudonyms for the values that identify somebody."""
        content = exchange.request.content()
        spans = list(_person_spans(content))
        search = _Search({value: self.pseudonym(value) for value in _values_at(content, spans)})
        request = self._redact_message(exchange.request, search, spans)
        request = msgspec.structs.replace(request, url=search.replace(exchange.request.url))
        response = exchange.response and self._redact_message(exchange.response, search)
        findings = [
            msgspec.structs.replace(finding, message=search.replace(finding.message)) for finding in exchange.findings
        ]
        return msgspec.structs.replace(exchange, request=request, response=response, findings=findings)

    def _redact_message[M: (Request, Response)](
        self, message: M, search: _Search, spans: Sequence[Span] | None = None
    ) -> M:
        """`message` with pseudonyms; `spans` are those of its body, where they are known already."""
        message = message.with_headers(
            (name, self.pseudonym(value) if name.lower() in PERSON_HEADERS else search.replace(value))
            for name, value in message.headers
        )
        content = message.content()
        found = _person_spans(content) if spans is None else spans
        redacted = search.replace_bytes(_replace_at(content, found, lru_cache(self.pseudonym)))
        return message if redacted == content else message.with_content(redacted, coded=message.coded)


def identifiers(content: bytes) -> set[str]:
    """The values in a JSON body, broken ones included, that identify a person or a device."""
    return _values_at(content, _person_spans(content))


def replace_values(content: bytes, pseudonym: Callable[[str], str]) -> bytes:
    """A JSON body in which only the bytes of identifying values differ: strings become strings, numbers numbers."""
    return _replace_at(content, _person_spans(content), pseudonym)


def _values_at(content: bytes, spans: Iterable[Span]) -> set[str]:
    return {_decode_value(content[start:end]) for start, end in spans}


def _replace_at(content: bytes, spans: Iterable[Span], pseudonym: Callable[[str], str]) -> bytes:
    pieces, copied = [], 0
    for start, end in spans:
        pieces += [content[copied:start], _encode_like(content[start:end], pseudonym)]
        copied = end
    return b"".join([*pieces, content[copied:]]) if pieces else content


def _person_spans(content: bytes) -> Iterator[Span]:
    """Where in a JSON body the scalars under an identifying key stand; authState under such a key is none."""
    if not _MAY_HOLD.search(content):
        return
    frames = [(False, False)]  # of each open container: is it an object, is it under an identifying key
    at_key = person = is_state = False
    for match in _TOKEN.finditer(content):
        token = match[0]
        if token in (b"{", b"["):
            frames.append((token == b"{", person))
            at_key = token == b"{"
        elif token in (b"}", b"]"):
            del frames[max(1, len(frames) - 1) :]
            person = frames[-1][1]
        elif token == b",":
            at_key, person = frames[-1]
        elif token == b":":
            at_key = False
        elif at_key:
            key = _decode_value(token)
            person, is_state = frames[-1][1] or key.lower() in _PERSON_KEYS, key == "authState"
        elif person and token not in (b"null", b"true", b"false") and not (is_state and token.isdigit()):
            yield match.span()


def _decode_value(token: bytes) -> str:
    try:
        return str(orjson.loads(token))
    except orjson.JSONDecodeError:
        return token.strip(b'"').decode("utf-8", "replace")


def _encode_like(token: bytes, pseudonym: Callable[[str], str]) -> bytes:
    value = _decode_value(token)
    replaced = pseudonym(value)
    if replaced == value:
        return token
    if not token.startswith(b'"'):
        return (replaced.lstrip("0") if replaced.isdigit() else "").encode() or b"0"
    return orjson.dumps(replaced)
