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
from collections.abc import Container, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from itertools import chain, islice
from typing import NamedTuple

import msgspec

from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.parameters import PLACEHOLDER
from tapehead.protocol.routes import Call
from tapehead.redaction.digit_permutation import substitute_digits
from tapehead.redaction.identifiers import edit, encode_like, parts_of_header, redact_body, redact_text
from tapehead.redaction.identifying_headers import header_encoding
from tapehead.redaction.identifying_keys import IdentifyingKeys, decode_token
from tapehead.redaction.known_texts import KnownTexts, ReadHeader
from tapehead.redaction.likely_identifiers import add_likely
from tapehead.redaction.masking import mask
from tapehead.redaction.opaque_bodies import is_opaque
from tapehead.redaction.plain_json import PlainBody, PlainJsonReader
from tapehead.redaction.session_identifiers import MOST_SEARCHED, SessionIdentifiers
from tapehead.redaction.value_replacement import ValueReplacer, is_schema_response, with_body
from tapehead.redaction.value_search import Search, search_for
from tapehead.redaction.value_shapes import values_by_shape

PREFIX = "pseudonym-"
_PSEUDONYM = re.compile(rf"{PREFIX}[0-9a-f]{{16}}")

# A number as JSON writes it, or digits of any kind.
_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?((?:[eE][+-]?[0-9]{1,3})?)")

# Sessions whose identifiers are remembered, the oldest forgotten first; and identifiers of each.
MOST_SESSIONS, MOST_REMEMBERED = 10_000, 50
# The longest header that is kept with its redacted value, in characters.
MOST_KEPT_HEADER = 1_000


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
    # For the values, if the session is whole and had an event.
    search: Search | None = None


class Redactor:
    """A redactor that gives identifying values pseudonyms; in several threads, if each has its own sessions.

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
        self._replacer = ValueReplacer(self._names, self.pseudonym)
        self._plain_json = PlainJsonReader(self._names)
        # Most calls have the same headers.
        self._read_header = lru_cache(maxsize=2048)(self._redact_header)
        self._texts = KnownTexts(
            self._read_short_header,
            self._names.are_headers,
            lambda text: redact_text(text, self._names, self.pseudonym),
        )

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
        return self._redact_known(exchange) or self._redact_any(exchange)

    def _redact_known(self, exchange: Exchange) -> Exchange | None:
        """Return the same for a call of which all parts are known but for its time; None for any other.

        They are known where nothing in them is redacted but headers, and no value of its session is in them.
        """
        request, response, texts = exchange.request, exchange.response, self._texts
        if exchange.call is not Call.EVENT or exchange.session is None or exchange.findings or exchange.error:
            return None
        if response is None or has_body(response) or not texts.has_body(request):
            return None
        if exchange.answered and exchange.answered.reason:
            return None
        sent, answered = texts.headers(request.headers), texts.headers(response.headers)
        searched = (sent.searched, answered.searched, texts.text(request.url), texts.text(response.reason))
        search = self._search_of(exchange.session, sent.sure | answered.sure, sent.likely | answered.likely)
        if search is None or None in searched:
            return None
        body = request.content().lower().decode("latin-1")
        if search.whole and not search.is_absent_from("\n".join((*filter(None, searched), body))):
            return None
        if sent.redacted is None and answered.redacted is None:
            return exchange
        if sent.redacted:
            request = request.with_headers(sent.redacted)
        if answered.redacted:
            response = response.with_headers(answered.redacted)
        return msgspec.structs.replace(exchange, request=request, response=response)

    def _search_of(self, sid: str, sure: dict[str, str], likely: frozenset[str]) -> Search | None:
        """Return the search for the values of a session that has all of these; None if they are not known to be all."""
        known = self._sessions.get(sid)
        if known is None or not known.is_whole or not sure.items() <= known.values.items():
            return None
        with self._lock:
            known = self._sessions.pop(sid, known)
            if known.search is None:
                known = known._replace(search=search_for(known.values))
            self._sessions[sid] = known
        return search_for(known.values, likely) if likely else known.search

    def _redact_any(self, exchange: Exchange) -> Exchange:
        found = _FoundValues(self)
        request, response, response_body = self._redact_headers(exchange.request, found), exchange.response, b""
        request_body, plain = self._redact_body(request, found)
        if plain and not plain.spans and exchange.call is Call.EVENT:
            self._texts.learn(request, request_body)
        if (url := redact_text(request.url, self._names, found.pseudonym)) != request.url:
            request = request.with_url(url)
        if response:
            response = self._redact_headers(response, found)
            has_none = is_schema_response(exchange)
            response_body = response.content() if has_none else self._redact_body(response, found)[0]
        redacted = msgspec.structs.replace(exchange, request=request, response=response)
        texts = (joined_texts(redacted, self._names), request_body, response_body)
        self._find_by_shape(exchange.session, b"\n".join(texts), found)
        sure = self._with_known(exchange, texts, found, plain) if exchange.session is not None else found.sure
        if found.is_crowded:
            kept = {exchange.session, *sure.values()}
            redacted, request_body, response_body = mask(
                redacted, request_body, response_body, self._names, lambda value: self._mask(value, kept)
            )
            texts = (joined_texts(redacted, self._names), request_body, response_body)
        search = search_for(sure, found.likely)
        if search.every:
            return self._replacer.replace(redacted, *texts, search)
        request, response = redacted.request, redacted.response
        response = with_body(response, response_body) if response else None
        return msgspec.structs.replace(redacted, request=with_body(request, request_body), response=response)

    def _find_by_shape(self, sid: str | None, text: bytes, found: _FoundValues) -> None:
        if (values := set(values_by_shape(text))) and (values := values - found.sure.keys()):
            known = self._sessions.get(sid) if sid else None
            pseudonyms = {sid, *found.sure.values(), *(known.values.values() if known else ())}
            for value in values:
                if value not in pseudonyms:
                    found.pseudonym(value)

    def _with_known(
        self, exchange: Exchange, texts: tuple[bytes, ...], found: _FoundValues, plain: PlainBody | None
    ) -> dict[str, str]:
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
            searched = (texts[0], b"", *texts[2:]) if plain and plain.is_content else texts
            found.is_crowded = not add_likely(found.likely, exchange.request.url, searched, of_session)
        if sure:
            values = known.values | sure
            sure = values
            if len(values) > MOST_REMEMBERED:
                values = dict(islice(values.items(), MOST_REMEMBERED))
                known = known._replace(is_whole=False)
            known = known._replace(values=values, search=None)
        with self._lock:
            self._sessions[sid] = known
            if len(self._sessions) > MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        return sure or known.values

    # ---- Values under identifying names ----

    def _redact_headers[M: (Request, Response)](self, message: M, found: _FoundValues) -> M:
        headers, has_changed = [], False
        for field in message.headers:
            name, value = field
            if (redacted := self._read_short_header(name, value)) is None:
                headers.append(field)
                continue
            new, sure, likely = redacted
            headers.append((name, new))
            has_changed = True
            found.sure.update(sure)
            found.likely |= likely
        return message.with_headers(headers) if has_changed else message

    def _read_short_header(self, name: str, value: str) -> ReadHeader | None:
        read = self._read_header if len(value) <= MOST_KEPT_HEADER else self._redact_header
        return read(name, value)

    def _redact_header(self, name: str, value: str) -> ReadHeader | None:
        """Return a header's value redacted, and what it has that identifies or might; None if it stays as it is."""
        found = _FoundValues(self)
        if not self._names.are_headers(name):
            new = redact_text(value, self._names, found.pseudonym)
            return (new, found.sure, frozenset()) if new != value or found.sure else None
        new = found.pseudonym(value) if self._names.count(name) else self.pseudonym(value)
        return new, found.sure, parts_of_header(name, value)

    def _redact_body(self, message: Request | Response, found: _FoundValues) -> tuple[bytes, PlainBody | None]:
        """Return the body of `message` with pseudonyms under identifying names, and what is known of it if plain."""
        content = message.content()
        if not content:
            return content, None
        if plain := self._plain_json.read(message, content):
            return edit(content, self._edits(content, plain, found)), plain
        if is_opaque(content, coded=message.coded):
            return self.pseudonym(content.decode("latin-1")).encode(), None
        return redact_body(content, self._names, found.pseudonym), None

    def _edits(self, content: bytes, plain: PlainBody, found: _FoundValues) -> Iterator[tuple[int, int, bytes]]:
        for start, end in plain.spans:
            token = content[start:end]
            value = decode_token(token)
            new = found.pseudonym(value)
            yield start, end, token if new == value else encode_like(token, new)


def has_body(message: Request | Response) -> bool:
    """Return whether a message has a body."""
    return bool(message.body) or message.text is not None or message.base64 is not None


def names_its_user(exchange: Exchange) -> bool:
    """Return whether an exchange opens a session and tells the identifiers of its user: its body can be searched."""
    request = exchange.request
    opens = exchange.call in (Call.SESSION, Call.DOWNLOADED) and request.saved
    return opens and bool(content := request.content()) and not is_opaque(content, coded=request.coded)


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
