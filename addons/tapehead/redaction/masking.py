"""Masks for an exchange in which more values might identify a person than are searched for.

To collect tens of thousands of values and to search for each takes seconds. So every value that might identify a person
is replaced where it is, except in values that audits and replay read: a text by its hash, a number by 0.
"""

import re
from typing import NamedTuple

import msgspec

from tapehead.protocol.exchange import Exchange, Finding
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import find_route, sid_of_location
from tapehead.redaction.identifiers import Replace, Scalar, ScalarKind, edit, encode_like, scalars
from tapehead.redaction.identifying_headers import MESSAGE_HEADERS
from tapehead.redaction.identifying_keys import IdentifyingKeys, decode_token
from tapehead.redaction.likely_identifiers import CONTENT_KEYS, WORD
from tapehead.redaction.value_search import is_telling, unescaped

_QUERY_WORD = re.compile(r"[^?#&;=\s]+")
_ENDS = ".:!?"


class Masked(NamedTuple):
    """An exchange without anything that might identify a person, and its bodies, which are not in it yet."""

    exchange: Exchange
    request_body: bytes
    response_body: bytes


def mask(
    exchange: Exchange, request_body: bytes, response_body: bytes, names: IdentifyingKeys, substitute: Replace
) -> Masked:
    """Return an exchange of a session and its bodies with substitutes for what might identify a person."""
    request, response = exchange.request, exchange.response
    request_body = _mask_body(request, request_body, names, substitute)
    request = _mask_headers(request, names, substitute).with_url(_mask_url(request.url, substitute))
    if response:
        response_body = _mask_body(response, response_body, names, substitute)
        response = _mask_headers(response, names, substitute)
        response = msgspec.structs.replace(response, reason=_mask_words(response.reason, substitute))
    masked = msgspec.structs.replace(
        exchange,
        request=request,
        response=response,
        error=exchange.error and _mask_words(exchange.error, substitute),
        findings=[_mask_finding(finding, substitute) for finding in exchange.findings],
    )
    return Masked(masked, request_body, response_body)


def _mask_words(text: str, substitute: Replace, words: re.Pattern[str] = WORD) -> str:
    def mask_word(match: re.Match[str]) -> str:
        word = match[0].strip(_ENDS)
        return match[0].replace(word, substitute(word), 1) if _might_identify(word) else match[0]

    return words.sub(mask_word, text)


def _might_identify(value: str) -> bool:
    """Return whether a value is telling, as it is or with its escapes undone."""
    if is_telling(value):
        return True
    plains = unescaped(value.encode("utf-8", "surrogatepass"))
    return any(is_telling(plain.decode("utf-8", "replace")) for plain in plains)


def _mask_headers[M: (Request, Response)](message: M, names: IdentifyingKeys, substitute: Replace) -> M:
    def mask_header(name: str, value: str) -> str:
        if names.are_headers(name) or name.lower() in MESSAGE_HEADERS:
            return value
        return _mask_url(value, substitute) if name.lower() == "location" else _mask_words(value, substitute)

    return message.with_headers((name, mask_header(name, value)) for name, value in message.headers)


def _mask_url(url: str, substitute: Replace) -> str:
    address = re.split(r"[?#]", url, maxsplit=1)[0]
    if not (find_route(address) or sid_of_location(address)):
        return _mask_words(url, substitute)
    return address + _mask_words(url[len(address) :], substitute, _QUERY_WORD)


def _mask_finding(finding: Finding, substitute: Replace) -> Finding:
    """Return a finding without the values that it quotes, of which it may have the beginning only."""
    before, quote, quoted = finding.message.partition('"')
    message = _mask_words(before, substitute)
    if quote:
        value, end, after = quoted.rpartition('"')
        value, after = (value, after) if end else (quoted, "")
        message += f'"{substitute(value)}"{_mask_words(after, substitute)}'
    return msgspec.structs.replace(finding, message=message)


def _mask_body[M: (Request, Response)](
    message: M, content: bytes, names: IdentifyingKeys, substitute: Replace
) -> bytes:
    if content.lstrip().startswith((b"{", b"[", b'"')):
        found = scalars(content, names, every=True)
        new = edit(content, ((each.start, each.end, _mask_scalar(content, each, substitute)) for each in found))
        # In broken JSON, an apparent key may be a value.
        if not message.with_content(new, coded=message.coded).parsed.error:
            return new
        content = new
    return _mask_words(content.decode("utf-8", "surrogateescape"), substitute).encode("utf-8", "surrogateescape")


def _mask_scalar(content: bytes, scalar: Scalar, substitute: Replace) -> bytes:
    token = content[scalar.start : scalar.end]
    if scalar.kind is ScalarKind.PERSON or scalar.key in CONTENT_KEYS:
        return token
    value = decode_token(token)
    new = substitute(value) if _might_identify(value) else value
    return token if new == value else encode_like(token, new)
