"""Replacement of known identifying values, wherever else they are in an exchange: URL, headers, bodies, findings."""

import re

import msgspec

from tapehead.protocol.exchange import Exchange, Finding
from tapehead.protocol.keys import PARAMS, PLAYER_TIME, QUALITY
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import API_PATH, Call, find_route, sid_of_location
from tapehead.redaction.identifiers import Replace, Scalar, ScalarKind, edit, encode_like, scalars
from tapehead.redaction.identifying_headers import MESSAGE_HEADERS, header_encoding
from tapehead.redaction.identifying_keys import IdentifyingKeys
from tapehead.redaction.likely_identifiers import CONTENT_KEYS
from tapehead.redaction.value_search import Search, Spellings, replace_cut
from tapehead.redaction.value_search import replace as replace_values

# What stands before a documented key in a finding's path.
_PARENT = re.compile(rf"\A(?:\[[0-9]+\]\.)?(?:(?:{PARAMS}|{PLAYER_TIME}|{QUALITY})\.)?")
_QUOTED = re.compile(r'"[^"]*"')
_QUERY_VALUE = re.compile(rb"(?<==)[^&;#\s]+")
_SCHEMA_KEYS = frozenset({"$ref", "$schema", "allOf", "definitions", "properties"})
# Findings quote no more of a response, and mark other values as cut.
_CUT = re.compile(r"\.\.\.|.{200}", re.DOTALL)
# A larger body is not searched for values that lost their end: an endpoint's error messages are short.
MOST_CUT = 10_000


class ValueReplacer:
    """A replacer of known values in the texts of an exchange.

    Args:
        names: the names whose values are replaced already.
        pseudonym: returns the pseudonym of a value.
    """

    def __init__(self, names: IdentifyingKeys, pseudonym: Replace) -> None:
        self._names = names
        self._pseudonym = pseudonym

    def replace(
        self, exchange: Exchange, texts: bytes, request_body: bytes, response_body: bytes, search: Search
    ) -> Exchange:
        """Return `exchange` with these bodies and pseudonyms for the values of `search`.

        Args:
            exchange: an exchange; its own bodies are left out.
            texts: its texts besides bodies.
            request_body: the request's body.
            response_body: the response's body; empty if there is none.
            search: the values.
        """
        request, response = exchange.request, exchange.response
        # Hardly ever is one of them anywhere.
        is_absent = search.is_absent(b"\n".join((texts, request_body, response_body)))
        among = None if is_absent else search.among(texts)
        if among:
            request = request.with_url(self._replace_in_url(request.url, among))
        request = self._replace_in_message(request, request_body, search, among, is_absent=is_absent)
        if response:
            is_schema = is_schema_response(exchange)
            response = self._replace_in_message(
                response, response_body, search, among, is_absent=is_absent, is_content=is_schema
            )
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
        self,
        message: M,
        content: bytes,
        search: Search,
        among: Search | None,
        *,
        is_absent: bool,
        is_content: bool = False,
    ) -> M:
        if among:
            headers = ((name, self._replace_in_header(name, value, among)) for name, value in message.headers)
            message = message.with_headers(headers)
        # A value that was cut is there in part.
        is_cut = b"..." in content and len(content) <= MOST_CUT
        if is_absent and not is_cut:
            return with_body(message, content)
        here = search if is_cut else search.among(content)
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
            cut = replace_cut(cut, search.likely, self._pseudonym, most=len(search.likely))
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
            return self._pseudonym(value).encode() if value else match[0]

        if value := search.value_of(content):
            return self._pseudonym(value).encode()
        return replace_values(_QUERY_VALUE.sub(replace_whole, content), search.likely, self._pseudonym)

    def _replace_words(self, text: str, words: Spellings, coding: str = "utf-8") -> str:
        return replace_values(text.encode(coding, "surrogatepass"), words, self._pseudonym).decode(coding, "replace")

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
        return with_body(message, replace_values(replaced.content(), search.likely, self._pseudonym))

    def _replace_in_scalar(self, token: bytes, scalar: Scalar, search: Search, *, is_content: bool) -> bytes:
        is_content = is_content or scalar.key in CONTENT_KEYS
        mark = token[:1] if token[:1] in (b'"', b"'") else b""
        closed = len(token) > 1 and token.endswith(mark)
        inner = token[len(mark) : len(token) - len(mark) * closed]
        if scalar.kind is ScalarKind.KEY:
            return token if is_content else mark + replace_values(inner, search.sure, self._pseudonym, json=True) + mark
        if not is_content and (value := search.value_of(inner)):
            return encode_like(token, self._pseudonym(value))
        if not mark:  # a number is itself or nothing
            return token
        words = search.sure if is_content else search.likely
        inner = replace_values(inner, words, self._pseudonym, json=True)
        if b"..." in inner and len(inner) <= MOST_CUT:
            inner = replace_cut(inner, words, self._pseudonym, ended=False)
        return mark + inner + mark * closed


def with_body[M: (Request, Response)](message: M, content: bytes) -> M:
    """Return `message` with that body."""
    return message if message.content() == content else message.with_content(content, coded=message.coded)


def is_schema_response(exchange: Exchange) -> bool:
    """Return whether the response is one of the endpoint's schemas, whose keys hold types and no identifiers."""
    if exchange.call is not Call.SCHEMA or exchange.response is None or exchange.response.status != 200:
        return False
    schema = exchange.response.json()
    return isinstance(schema, dict) and not _SCHEMA_KEYS.isdisjoint(schema)
