"""Pseudonyms for values that identify a person or a device, in stored exchanges.

A pseudonym is a keyed hash of the value: the same value has the same one everywhere, so that sessions still join, and
without the key nobody can reverse it or confirm a guess. Only the bytes of those values change; the spelling of
numbers, the order of keys and duplicate keys stay.

The values are those of the parameters that the table marks, and of names that the user adds, in bodies, queries and
forms; the headers that identify; and values of a shape that nothing else has, such as an ECID. Then all of these are
searched for in the rest of the exchange and, in a session, in its later exchanges. Where the start of a session was not
seen, whatever might identify is replaced in its events, except in values that audits and replay read. Keys, session ids
and the API's own paths never change.
"""

import hashlib
import hmac
import re
from collections.abc import Container, Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, islice
from typing import NamedTuple

import msgspec

from tapehead.protocol.exchange import Exchange, Finding
from tapehead.protocol.keys import PARAMS, PLAYER_TIME, QUALITY
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.parameters import PLACEHOLDER
from tapehead.protocol.routes import API_PATH, Call, find_route, sid_of_location
from tapehead.redaction.digit_permutation import substitute_digits
from tapehead.redaction.identifiers import (
    Scalar,
    ScalarKind,
    edit,
    encode_like,
    parts_of_header,
    redact_body,
    redact_text,
    scalars,
)
from tapehead.redaction.identifying_headers import MESSAGE_HEADERS, header_encoding
from tapehead.redaction.identifying_keys import IdentifyingKeys
from tapehead.redaction.likely_identifiers import CONTENT_KEYS, add_likely
from tapehead.redaction.masking import mask
from tapehead.redaction.opaque_bodies import is_opaque
from tapehead.redaction.session_identifiers import MOST_SEARCHED, SessionIdentifiers
from tapehead.redaction.value_search import Search, Spellings, replace, replace_cut, search_for
from tapehead.redaction.value_shapes import values_by_shape

PREFIX = "pseudonym-"
_PSEUDONYM = re.compile(rf"{PREFIX}[0-9a-f]{{16}}")

# A number as JSON writes it, or digits of any kind.
_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?((?:[eE][+-]?[0-9]{1,3})?)")

# What stands before a documented key in a finding's path.
_PARENT = re.compile(rf"\A(?:\[[0-9]+\]\.)?(?:(?:{PARAMS}|{PLAYER_TIME}|{QUALITY})\.)?")
_QUOTED = re.compile(r'"[^"]*"')
_QUERY_VALUE = re.compile(rb"(?<==)[^&;#\s]+")
_SCHEMA_KEYS = frozenset({"$ref", "$schema", "allOf", "definitions", "properties"})
# Findings quote no more of a response, and mark other values as cut.
_CUT = re.compile(r"\.\.\.|.{200}", re.DOTALL)
# A larger body is not searched for values that lost their end: an endpoint's error messages are short.
MOST_CUT = 10_000
# Sessions whose identifiers are remembered, the oldest forgotten first; and identifiers of each.
MOST_SESSIONS, MOST_REMEMBERED = 10_000, 50


class _FoundValues:
    """Values of one exchange that identify a person, with their pseudonyms; and those that might, unless too many."""

    def __init__(self, redactor: "Redactor") -> None:
        self.sure: dict[str, str] = {}
        self.likely: set[str] = set()
        self.is_crowded = False
        self._redactor = redactor

    def pseudonym(self, value: str) -> str:
        """Return the pseudonym of a value that identifies a person, and remember it."""
        pseudonym = self.sure.get(value) or self._redactor.pseudonym(value)
        if pseudonym != value:
            self.sure[value] = pseudonym
        return pseudonym


class _KnownSession(NamedTuple):
    """A session: its identifiers with their pseudonyms, whether its start is known, and whether these are all."""

    values: dict[str, str]
    is_known: bool
    is_whole: bool


class Redactor:
    """Replace identifying values in exchanges with pseudonyms; in several threads, if each has its own sessions.

    Args:
        key: the secret key of the pseudonyms, any bytes.
        names: names of JSON keys, query keys and headers whose values identify people, besides those that always do.
        identifiers: hashes of the identifiers of more sessions than are remembered; none of other runs if left out.
        lock: guards what is remembered, where several threads redact.
    """

    def __init__(
        self,
        key: bytes,
        names: Iterable[str] = (),
        identifiers: SessionIdentifiers | None = None,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self._key = key
        self._names = IdentifyingKeys(names)
        self._identifiers = identifiers or SessionIdentifiers(key)
        self._sessions: dict[str, _KnownSession] = {}
        self._lock: AbstractContextManager[object] = lock or nullcontext()

    def pseudonym(self, value: str) -> str:
        """Return the pseudonym of `value`: the same for the same value and key; a number written alike for a number.

        Placeholders and empty values identify no one and stay, so that an audit still sees them.
        """
        if not value or PLACEHOLDER.fullmatch(value) or _PSEUDONYM.fullmatch(value):
            return value
        if number := _NUMBER.fullmatch(value):
            sign, whole, fraction, power = number.groups()
            digits = substitute_digits(self._key, whole + (fraction or ""))
            return f"{sign}{digits[: len(whole)]}{'.' if fraction else ''}{digits[len(whole) :]}{power}"
        return self._hashed(value)

    def _mask(self, value: str, kept: Container[str | None]) -> str:
        """Return what stands for a value that might identify a person, unless it is a pseudonym or the session's id."""
        if value in kept or PLACEHOLDER.fullmatch(value) or _PSEUDONYM.fullmatch(value):
            return value
        return self._hashed(value)

    def _hashed(self, value: str) -> str:
        digest = hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()
        return f"{PREFIX}{digest[:16]}"

    def redact(self, exchange: Exchange) -> Exchange:
        """Return `exchange` with pseudonyms for the values that identify a person."""
        found = _FoundValues(self)
        request, response, response_body = self._redact_headers(exchange.request, found), exchange.response, b""
        request_body = self._redact_body(request, found)
        request = request.with_url(redact_text(request.url, self._names, found.pseudonym))
        if response:
            response = self._redact_headers(response, found)
            has_none = is_schema_response(exchange)
            response_body = response.content() if has_none else self._redact_body(response, found)
        redacted = msgspec.structs.replace(exchange, request=request, response=response)
        texts = (joined_texts(redacted, self._names), request_body, response_body)
        self._find_by_shape(exchange.session, b"\n".join(texts), found)
        sure = self._with_known(exchange, texts, found) if exchange.session is not None else found.sure
        if found.is_crowded:
            kept = {exchange.session, *sure.values()}
            redacted, request_body, response_body = mask(
                redacted, request_body, response_body, self._names, lambda value: self._mask(value, kept)
            )
            texts = (joined_texts(redacted, self._names), request_body, response_body)
        search = search_for(sure, found.likely)
        if search.every:
            return self._replace_known(redacted, *texts, search)
        request, response = redacted.request, redacted.response
        response = with_body(response, response_body) if response else None
        return msgspec.structs.replace(redacted, request=with_body(request, request_body), response=response)

    def _find_by_shape(self, sid: str | None, text: bytes, found: _FoundValues) -> None:
        if values := set(values_by_shape(text)) - found.sure.keys():
            known = self._sessions.get(sid) if sid else None
            pseudonyms = {sid, *found.sure.values(), *(known.values.values() if known else ())}
            for value in values:
                if value not in pseudonyms:
                    found.pseudonym(value)

    def _with_known(self, exchange: Exchange, texts: tuple[bytes, ...], found: _FoundValues) -> dict[str, str]:
        """Return what identifies a person in an exchange of a session, and what was found in the session before.

        Of a session whose start was not seen, whatever might identify is likely.
        """
        sid, sure = exchange.session or "", found.sure
        with self._lock:
            known = self._sessions.pop(sid, None)
            if known is None:
                is_start = names_its_user(exchange)
                is_known = is_start or self._identifiers.knows(sid)
                known = _KnownSession({}, is_known=is_known, is_whole=is_start)
                if is_known:
                    self._identifiers.add(sid, sure)
            elif known.is_known and (new := sure.keys() - known.values.keys()):
                self._identifiers.add(sid, new)
            is_searched = known.is_known and max(map(len, texts)) <= MOST_SEARCHED
            is_found = known.is_whole or (is_searched and self._identifiers.knows(sid))
            if is_found and not known.is_whole:
                for value in self._identifiers.find(sid, texts):
                    found.pseudonym(value)
        if not is_found:
            of_session = {sid, *sure.values(), *known.values.values()}
            found.is_crowded = not add_likely(found.likely, exchange.request.url, texts, of_session)
        if sure:
            values = known.values | sure
            sure = values
            if len(values) > MOST_REMEMBERED:
                values = dict(islice(values.items(), MOST_REMEMBERED))
                known = known._replace(is_whole=False)
            known = known._replace(values=values)
        with self._lock:
            self._sessions[sid] = known
            if len(self._sessions) > MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        return sure or known.values

    # ---- Values under identifying names ----

    def _redact_headers[M: (Request, Response)](self, message: M, found: _FoundValues) -> M:
        return message.with_headers((name, self._redact_header(name, value, found)) for name, value in message.headers)

    def _redact_header(self, name: str, value: str, found: _FoundValues) -> str:
        if not self._names.are_headers(name):
            return redact_text(value, self._names, found.pseudonym)
        found.likely.update(parts_of_header(name, value))
        return found.pseudonym(value) if self._names.count(name) else self.pseudonym(value)

    def _redact_body(self, message: Request | Response, found: _FoundValues) -> bytes:
        """Return the body of `message` with pseudonyms under identifying names."""
        content = message.content()
        if is_opaque(content, coded=message.coded):
            return self.pseudonym(content.decode("latin-1")).encode()
        return redact_body(content, self._names, found.pseudonym)

    # ---- The same values anywhere else ----

    def _replace_known(
        self, exchange: Exchange, texts: bytes, request_body: bytes, response_body: bytes, search: Search
    ) -> Exchange:
        request, response = exchange.request, exchange.response
        among = search.among(texts)
        if among:
            request = request.with_url(self._replace_in_url(request.url, among))
        request = self._replace_in_message(request, request_body, search, among)
        if response:
            is_schema = is_schema_response(exchange)
            response = self._replace_in_message(response, response_body, search, among, is_content=is_schema)
            if among:
                reason = self._replace_in_text(response.reason, among, header_encoding(response.reason))
                response = msgspec.structs.replace(response, reason=reason)
        error, answered = exchange.error, exchange.answered
        if among:
            error = error and self._replace_in_text(error, among)
            if answered and answered.reason:
                answered = msgspec.structs.replace(answered, reason=self._replace_in_text(answered.reason, among))
        findings = [self._replace_in_finding(finding, search, among) for finding in exchange.findings]
        return msgspec.structs.replace(
            exchange, request=request, response=response, error=error, answered=answered, findings=findings
        )

    def _replace_in_message[M: (Request, Response)](
        self, message: M, content: bytes, search: Search, among: Search | None, *, is_content: bool = False
    ) -> M:
        if among:
            headers = ((name, self._replace_in_header(name, value, among)) for name, value in message.headers)
            message = message.with_headers(headers)
        # A value that was cut is there in part.
        here = search if b"..." in content and len(content) <= MOST_CUT else search.among(content)
        if not here:
            return with_body(message, content)
        return self._replace_in_body(message, content, here, is_content=is_content)

    def _replace_in_header(self, name: str, value: str, search: Search) -> str:
        lowered, coding = name.lower(), header_encoding(value)
        if self._names.are_headers(lowered):
            return value
        if lowered in MESSAGE_HEADERS:
            return self._replace_words(value, search.sure, coding)
        if lowered == "location":
            return self._replace_in_url(value, search, coding)
        return self._replace_in_text(value, search, coding)

    def _replace_in_url(self, url: str, search: Search, coding: str = "utf-8") -> str:
        """Replace values in a URL, except in the API's own path at its end, and in a host only those that are sure."""
        address = re.split(r"[?#]", url, maxsplit=1)[0]
        if not (find_route(address) or sid_of_location(address)):
            return self._replace_in_text(url, search, coding)
        own = address.rindex(f"{API_PATH}/")
        before, rest = self._replace_words(address[:own], search.sure, coding), url[len(address) :]
        return before + address[own:] + rest[:1] + (self._replace_in_text(rest[1:], search, coding) if rest[1:] else "")

    def _replace_in_finding(self, finding: Finding, search: Search, among: Search | None) -> Finding:
        message, path = finding.message, finding.path
        if self._names.in_path(path):
            message = self._replace_words(message, search.every)
        elif _PARENT.sub("", path) in CONTENT_KEYS:
            message = self._replace_in_quoted(message, search.sure)
        elif among:
            message = self._replace_in_text(message, among)
        if _CUT.search(message):
            cut = message.encode("utf-8", "surrogatepass")
            cut = replace_cut(cut, search.likely, self.pseudonym, most=len(search.likely))
            message = cut.decode("utf-8", "replace")
        if among:
            path = self._replace_words(path, search.sure)
        is_same = (message, path) == (finding.message, finding.path)
        return finding if is_same else msgspec.structs.replace(finding, message=message, path=path)

    def _replace_in_quoted(self, message: str, words: Spellings) -> str:
        """Replace words where a message quotes a value that audits read, as in the value: a number stays."""
        texts = Spellings((word, value) for word, value in words.items() if not word.strip(b"-").isdigit())
        message = _QUOTED.sub(lambda match: self._replace_words(match[0], words), message)
        return self._replace_words(message, texts)

    def _replace_in_text(self, text: str, search: Search, coding: str = "utf-8") -> str:
        return self._replace_in_plain(text.encode(coding, "surrogatepass"), search).decode(coding, "replace")

    def _replace_in_plain(self, content: bytes, search: Search) -> bytes:
        """Replace values in any text: the text as a whole, possible query values in it, and parts of it."""

        def replace_whole(match: re.Match[bytes]) -> bytes:
            value = search.value_of(match[0])
            return self.pseudonym(value).encode() if value else match[0]

        if value := search.value_of(content):
            return self.pseudonym(value).encode()
        return replace(_QUERY_VALUE.sub(replace_whole, content), search.likely, self.pseudonym)

    def _replace_words(self, text: str, words: Spellings, coding: str = "utf-8") -> str:
        return replace(text.encode(coding, "surrogatepass"), words, self.pseudonym).decode(coding, "replace")

    def _replace_in_body[M: (Request, Response)](
        self, message: M, content: bytes, search: Search, *, is_content: bool
    ) -> M:
        """Return `message` with values replaced in its body; `is_content` if audits and replay read all of it."""
        if not content.lstrip().startswith((b"{", b"[", b'"')):
            return with_body(message, self._replace_in_plain(content, search))
        edits = (
            (
                scalar.start,
                scalar.end,
                self._replace_in_scalar(content[scalar.start : scalar.end], scalar, search, is_content=is_content),
            )
            for scalar in scalars(content, self._names, every=True, keys=True)
            if scalar.kind is not ScalarKind.PERSON or is_content
        )
        replaced = with_body(message, edit(content, edits))
        if not replaced.parsed.error:
            return replaced
        # In broken JSON, an apparent key may be a value.
        return with_body(message, replace(replaced.content(), search.likely, self.pseudonym))

    def _replace_in_scalar(self, token: bytes, scalar: Scalar, search: Search, *, is_content: bool) -> bytes:
        is_content = is_content or scalar.key in CONTENT_KEYS
        mark = token[:1] if token[:1] in (b'"', b"'") else b""
        closed = len(token) > 1 and token.endswith(mark)
        inner = token[len(mark) : len(token) - len(mark) * closed]
        if scalar.kind is ScalarKind.KEY:
            return token if is_content else mark + replace(inner, search.sure, self.pseudonym, json=True) + mark
        if not is_content and (value := search.value_of(inner)):
            return encode_like(token, self.pseudonym(value))
        if not mark:  # a number is itself or nothing
            return token
        words = search.sure if is_content else search.likely
        inner = replace(inner, words, self.pseudonym, json=True)
        if b"..." in inner and len(inner) <= MOST_CUT:
            inner = replace_cut(inner, words, self.pseudonym, ended=False)
        return mark + inner + mark * closed


def with_body[M: (Request, Response)](message: M, content: bytes) -> M:
    """Return `message` with that body."""
    return message if message.content() == content else message.with_content(content, coded=message.coded)


def names_its_user(exchange: Exchange) -> bool:
    """Return whether an exchange opens a session and tells the identifiers of its user: its body can be searched."""
    request = exchange.request
    opens = exchange.call in (Call.SESSION, Call.DOWNLOADED) and request.saved
    return opens and bool(content := request.content()) and not is_opaque(content, coded=request.coded)


def is_schema_response(exchange: Exchange) -> bool:
    """Return whether the response is one of the endpoint's schemas, whose keys hold types and no identifiers."""
    if exchange.call is not Call.SCHEMA or exchange.response is None or exchange.response.status != 200:
        return False
    schema = exchange.response.json()
    return isinstance(schema, dict) and not _SCHEMA_KEYS.isdisjoint(schema)


def joined_texts(exchange: Exchange, names: IdentifyingKeys) -> bytes:
    """Return the texts of an exchange that are searched besides bodies, a line each."""
    response = exchange.response
    headers = chain(exchange.request.headers, response.headers if response else ())
    wire = [value for name, value in headers if not names.are_headers(name)]
    if response:
        wire.append(response.reason)
    reason = exchange.answered.reason if exchange.answered else ""
    others = [exchange.request.url, exchange.error or "", reason, *(each.message for each in exchange.findings)]
    joined = "\n".join((*wire, *others))
    if joined.isascii():
        return joined.encode()
    encoded = (text.encode(header_encoding(text), "surrogatepass") for text in wire)
    return b"\n".join((*encoded, *(text.encode("utf-8", "surrogatepass") for text in others)))
