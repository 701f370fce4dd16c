"""Pseudonyms for what identifies a person or a device, in what is stored; player and endpoint get the real bytes.

A pseudonym is a keyed hash of the value: the same value has the same one wherever it stands, so that sessions still
join, and without the key nobody gets back from it or confirms a guess. Only the bytes of those values change; the
spelling of numbers, the order of keys and duplicate keys stay.

Which values: those of the parameters that the table marks, and of names that the user adds, in bodies, queries and
forms; and the headers that identify. Then all of these are searched for in the rest of the exchange and, in a session,
of its later exchanges. Keys, session ids and the API's own paths never change.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from json import detect_encoding

import msgspec

from tapehead.protocol.exchange import Exchange, Finding
from tapehead.protocol.keys import EVENT_TYPE
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.parameters import PARAMETERS, PLACEHOLDER
from tapehead.protocol.routes import API_PATH, Call, find_route, sid_of_location
from tapehead.redaction.identifiers import (
    PERSON_HEADERS,
    IdentifyingKeys,
    Scalar,
    ScalarKind,
    edit,
    encode_like,
    parts_of_header,
    redact_body,
    redact_text,
    scalars,
)
from tapehead.redaction.value_search import Search, Spellings, replace, replace_cut, search_for

__all__ = ["PERSON_HEADERS", "PREFIX", "Redactor"]

PREFIX = "pseudonym-"
_PSEUDONYM = re.compile(rf"{PREFIX}[0-9a-f]{{16}}")

# Where audits and replay find out what is played: what only might identify somebody changes nothing there.
_TOLD = frozenset(row.key for row in PARAMETERS if not row.person) | {EVENT_TYPE, "playhead", "ts"}
# What says how a message is to be read, and where it goes.
_OF_THE_MESSAGE = frozenset({"connection", "content-encoding", "content-length", "content-type", "date", "host"})
_QUERY_VALUE = re.compile(rb"(?<==)[^&;#\s]+")
_SCHEMA_KEYS = frozenset({"$ref", "$schema", "allOf", "definitions", "properties"})
# How compressed bytes begin: gzip, zstd, zlib.
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
# Characters that text hardly has, and among how many bytes of it one may be.
_CONTROLS, MOST_CONTROLS = bytes({*range(32)} - {*b"\t\n\f\r"}), 50
# Findings quote no more of an answer, and say of other values that they were cut.
_CUT = re.compile(r"\.\.\.|.{200}", re.DOTALL)
# A body with more bytes is not looked through for values that lost their end: what an endpoint complains of is short.
MOST_CUT = 10_000
# Sessions whose identifiers are remembered, the oldest forgotten first; and how many of each.
MOST_SESSIONS, MOST_REMEMBERED = 10_000, 50


class _Found:
    """The values of one exchange that identify somebody, with their pseudonyms; and those that might."""

    def __init__(self, redactor: "Redactor") -> None:
        self.sure: dict[str, str] = {}
        self.likely: set[str] = set()
        self._redactor = redactor

    def stand_in(self, value: str) -> str:
        """The pseudonym of a value that identifies somebody."""
        pseudonym = self.sure.get(value) or self._redactor.pseudonym(value)
        if pseudonym != value:
            self.sure[value] = pseudonym
        return pseudonym


class Redactor:
    """Replaces identifying values in exchanges by pseudonyms made with `key` (any bytes, kept secret).

    Args:
        key: what pseudonyms are made with.
        names: names of JSON keys, query keys and headers whose values identify somebody, besides those that always do.
    """

    def __init__(self, key: bytes, names: Iterable[str] = ()) -> None:
        self._key = key
        self._names = IdentifyingKeys(names)
        self._sessions: dict[str, dict[str, str]] = {}

    def pseudonym(self, value: str) -> str:
        """What stands for `value`: the same for the same value and key, digits for digits of the same length.

        Placeholders and empty values identify nobody and stay, so that an audit still sees them.
        """
        if not value or PLACEHOLDER.fullmatch(value) or _PSEUDONYM.fullmatch(value):
            return value
        digest = hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()
        if value.isascii() and value.isdigit():
            return f"{int(digest, 16):078d}"[-len(value) :]
        return f"{PREFIX}{digest[:16]}"

    def redact(self, exchange: Exchange) -> Exchange:
        """`exchange` with pseudonyms for the values that identify somebody."""
        found = _Found(self)
        request, response, told = self._hide_headers(exchange.request, found), exchange.response, b""
        asked = self._hide_content(request, found)
        request = request.with_url(redact_text(request.url, self._names, found.stand_in))
        if response:
            response = self._hide_headers(response, found)
            told = response.content() if _is_schema(exchange) else self._hide_content(response, found)
        hidden = msgspec.structs.replace(exchange, request=request, response=response)
        search = search_for(self._known(exchange.session, found.sure), found.likely)
        if search.every:
            return self._seek(hidden, asked, told, search)
        response = _with_content(response, told) if response else None
        return msgspec.structs.replace(hidden, request=_with_content(request, asked), response=response)

    def _known(self, sid: str | None, found: dict[str, str]) -> dict[str, str]:
        """What was found, with what is known of the session; which is kept in mind."""
        if sid is None:
            return found
        known = self._sessions.pop(sid, {})
        if known or found:
            self._sessions[sid] = dict(islice((known | found).items(), MOST_REMEMBERED))
            if len(self._sessions) > MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        return known | found if known else found

    # ---- Values where they are said to identify ----

    def _hide_headers[M: (Request, Response)](self, message: M, found: _Found) -> M:
        return message.with_headers((name, self._hide_header(name, value, found)) for name, value in message.headers)

    def _hide_header(self, name: str, value: str, found: _Found) -> str:
        if name.lower() not in self._names.headers:
            return redact_text(value, self._names, found.stand_in)
        found.likely.update(parts_of_header(name, value))
        return found.stand_in(value) if self._names.count(name) else self.pseudonym(value)

    def _hide_content(self, message: Request | Response, found: _Found) -> bytes:
        """Return the body of `message` with pseudonyms under identifying names."""
        content = message.content()
        if _is_opaque(content, coded=message.coded):
            return self.pseudonym(content.decode("latin-1")).encode()
        return redact_body(content, self._names, found.stand_in)

    # ---- The same values anywhere else ----

    def _seek(self, exchange: Exchange, asked: bytes, told: bytes, search: Search) -> Exchange:
        request, response = exchange.request, exchange.response
        among = search.among(b"\n".join(_texts(exchange, self._names)))
        if among:
            request = request.with_url(self._seek_in_url(request.url, among))
        request = self._seek_in(request, asked, search, among)
        if response:
            response = self._seek_in(response, told, search, among, told=_is_schema(exchange))
            reason = (
                self._seek_in_text(response.reason, among, _coding_of(response.reason)) if among else response.reason
            )
            response = msgspec.structs.replace(response, reason=reason)
        error = exchange.error and among and self._seek_in_text(exchange.error, among)
        findings = [self._seek_in_finding(finding, search, among) for finding in exchange.findings]
        return msgspec.structs.replace(
            exchange, request=request, response=response, error=error or exchange.error, findings=findings
        )

    def _seek_in[M: (Request, Response)](
        self, message: M, content: bytes, search: Search, among: Search | None, *, told: bool = False
    ) -> M:
        if among:
            headers = ((name, self._seek_in_header(name, value, among)) for name, value in message.headers)
            message = message.with_headers(headers)
        # What was cut stands there in part.
        here = search if b"..." in content and len(content) <= MOST_CUT else search.among(content)
        return self._seek_in_content(message, content, here, told=told) if here else _with_content(message, content)

    def _seek_in_header(self, name: str, value: str, search: Search) -> str:
        lowered, coding = name.lower(), _coding_of(value)
        if lowered in self._names.headers:
            return value
        if lowered in _OF_THE_MESSAGE:
            return self._replace(value, search.sure, coding)
        if lowered == "location":
            return self._seek_in_url(value, search, coding)
        return self._seek_in_text(value, search, coding)

    def _seek_in_url(self, url: str, search: Search, coding: str = "utf-8") -> str:
        """A URL; the API's own path at its end stays, and so does a host that only looks like what was found."""
        address = re.split(r"[?#]", url, maxsplit=1)[0]
        if not (find_route(address) or sid_of_location(address)):
            return self._seek_in_text(url, search, coding)
        own = address.rindex(f"{API_PATH}/")
        before, rest = self._replace(address[:own], search.sure, coding), url[len(address) :]
        return before + address[own:] + (self._seek_in_text(rest, search, coding) if rest else "")

    def _seek_in_finding(self, finding: Finding, search: Search, among: Search | None) -> Finding:
        message = finding.message
        if self._names.in_path(finding.path):
            message = self._replace(message, search.every)
        elif among:
            message = self._seek_in_text(message, among)
        if _CUT.search(message):
            cut = message.encode("utf-8", "surrogatepass")
            message = replace_cut(cut, search.likely, self.pseudonym).decode("utf-8", "replace")
        return finding if message == finding.message else msgspec.structs.replace(finding, message=message)

    def _seek_in_text(self, text: str, search: Search, coding: str = "utf-8") -> str:
        return self._seek_in_plain(text.encode(coding, "surrogatepass"), search).decode(coding, "replace")

    def _seek_in_plain(self, content: bytes, search: Search) -> bytes:
        """Any text: as a whole, in what may be a query's values, and within it."""
        if value := search.value_of(content):
            return self.pseudonym(value).encode()
        content = _QUERY_VALUE.sub(lambda match: self._seek_whole(match[0], search), content)
        return replace(content, search.likely, self.pseudonym)

    def _seek_whole(self, content: bytes, search: Search) -> bytes:
        value = search.value_of(content)
        return self.pseudonym(value).encode() if value else content

    def _replace(self, text: str, words: Spellings, coding: str = "utf-8") -> str:
        return replace(text.encode(coding, "surrogatepass"), words, self.pseudonym).decode(coding, "replace")

    def _seek_in_content[M: (Request, Response)](self, message: M, content: bytes, search: Search, *, told: bool) -> M:
        """Return `message` with another body; `told` says that all of it tells what is played, or by what rules."""
        if not content.lstrip().startswith((b"{", b"[", b'"')):
            return _with_content(message, self._seek_in_plain(content, search))
        edits = (
            (each.start, each.end, self._seek_in_scalar(content[each.start : each.end], each, search, told=told))
            for each in scalars(content, self._names, every=True)
            if each.kind is not ScalarKind.PERSON or told
        )
        sought = _with_content(message, edit(content, edits))
        if not sought.parsed.error:
            return sought
        # What broken JSON takes for a key may be a value.
        return _with_content(message, replace(sought.content(), search.likely, self.pseudonym))

    def _seek_in_scalar(self, token: bytes, scalar: Scalar, search: Search, *, told: bool) -> bytes:
        told = told or scalar.key in _TOLD
        mark = token[:1] if token[:1] in (b'"', b"'") else b""
        closed = len(token) > 1 and token.endswith(mark)
        inner = token[len(mark) : len(token) - len(mark) * closed]
        if not told and (value := search.value_of(inner)):
            return encode_like(token, self.pseudonym(value))
        if not mark:  # a number is itself or nothing
            return token
        words = search.sure if told else search.likely
        inner = replace(inner, words, self.pseudonym, json=True)
        if b"..." in inner and len(inner) <= MOST_CUT:
            inner = replace_cut(inner, words, self.pseudonym, ended=False)
        return mark + inner + mark * closed


def _with_content[M: (Request, Response)](message: M, content: bytes) -> M:
    return message if message.content() == content else message.with_content(content, coded=message.coded)


def _is_schema(exchange: Exchange) -> bool:
    """Whether the answer is one of the endpoint's schemas, whose keys hold types and no people."""
    if exchange.call is not Call.SCHEMA or exchange.response is None or exchange.response.status != 200:
        return False
    schema = exchange.response.json()
    return isinstance(schema, dict) and not _SCHEMA_KEYS.isdisjoint(schema)


def _is_opaque(content: bytes, *, coded: bool) -> bool:
    """Whether a body cannot be searched: it is compressed, or in no encoding that ASCII is a part of."""
    if detect_encoding(content) not in ("utf-8", "utf-8-sig"):
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return coded or content.startswith(_COMPRESSED) or _is_binary(content)
    return False


def _is_binary(content: bytes) -> bool:
    """Whether bytes are no text: what is packed, with or without a word of it, has control characters all over."""
    return len(content) - len(content.translate(None, _CONTROLS)) > len(content) // MOST_CONTROLS


def _texts(exchange: Exchange, names: IdentifyingKeys) -> Iterator[bytes]:
    """What is to be searched of an exchange besides bodies."""
    messages = filter(None, (exchange.request, exchange.response))
    for name, value in chain.from_iterable(message.headers for message in messages):
        if name.lower() not in names.headers:
            yield value.encode(_coding_of(value), "surrogatepass")
    reason = exchange.response.reason if exchange.response else ""
    yield reason.encode(_coding_of(reason), "surrogatepass")
    for text in (exchange.request.url, exchange.error or "", *(finding.message for finding in exchange.findings)):
        yield text.encode("utf-8", "surrogatepass")


def _coding_of(header: str) -> str:
    """In which encoding a header is what it was on the wire."""
    return "latin-1" if header.isascii() or max(header) <= "\xff" else "utf-8"
