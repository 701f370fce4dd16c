"""Texts of calls that were redacted before: headers, URLs, and bodies that differ in playhead and ts alone.

Most calls of a session have nothing that the one before did not have, but for these two. So what is to be redacted in
them is known, and one search says that no value of the session is in them. Numbers between quotes, braces and commas
have no shape of an identifier, are no key, and change nothing in what is around them.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from tapehead.protocol.body_time import split_body
from tapehead.protocol.messages import Headers, Request
from tapehead.redaction.value_search import may_be_escaped
from tapehead.redaction.value_shapes import values_by_shape

# Texts that are kept of each kind, and the longest, in characters.
MOST_KEPT, MOST_LENGTH = 2_048, 2_000

# A header's value redacted, and what it has that identifies or might; as `Redactor` reads it.
ReadHeader = tuple[str, dict[str, str], frozenset[str]]


class KnownHeaders(NamedTuple):
    """The headers of a message.

    Attributes:
        redacted: the headers redacted; None if they stay as they are.
        sure: the values in them that identify a person, with their pseudonyms.
        likely: those that might.
        searched: the values that are searched, once redacted, in lower case; None where that is not simple.
    """

    redacted: Headers | None
    sure: dict[str, str]
    likely: frozenset[str]
    searched: str | None


class KnownTexts:
    """Texts that were redacted before.

    Args:
        read_header: returns a header redacted, given name and value; None if it stays as it is.
        are_headers: returns whether the values of headers of a name identify people.
        redact_text: returns a text redacted.
    """

    def __init__(
        self,
        read_header: Callable[[str, str], ReadHeader | None],
        are_headers: Callable[[str], bool],
        redact_text: Callable[[str], str],
    ) -> None:
        self._read_header, self._are_headers, self._redact_text = read_header, are_headers, redact_text
        self._known_headers = lru_cache(maxsize=MOST_KEPT)(self._read_headers)
        self._known_text = lru_cache(maxsize=MOST_KEPT)(self._search_text)
        self._bodies: set[tuple[bytes, bytes]] = set()

    def headers(self, headers: Headers) -> KnownHeaders:
        """Return what is known of headers."""
        fields = tuple(headers)
        is_short = sum(map(len, map("".join, fields))) <= MOST_LENGTH
        return self._known_headers(fields) if is_short else self._read_headers(fields)

    def text(self, text: str) -> str | None:
        """Return a text in lower case, as it is searched; None if it is redacted, or that is not simple."""
        return self._known_text(text) if len(text) <= MOST_LENGTH else None

    def has_body(self, request: Request) -> bool:
        """Return whether a body was learnt that differs in playhead and ts alone."""
        split = split_body(request)
        return split is not None and split.rest in self._bodies

    def learn(self, request: Request, content: bytes) -> None:
        """Take the body of a request, which is `content`; there is nothing to redact under its keys."""
        split = split_body(request)
        if split is None or split.rest in self._bodies or len(content) > MOST_LENGTH:
            return
        if b"..." in content or not is_simple(content):
            return
        if len(self._bodies) >= MOST_KEPT:
            self._bodies.clear()
        self._bodies.add(split.rest)

    def _read_headers(self, fields: tuple[tuple[str, str], ...]) -> KnownHeaders:
        redacted: list[tuple[str, str]] = []
        sure: dict[str, str] = {}
        likely: set[str] = set()
        has_changed = False
        for field in fields:
            read = self._read_header(*field)
            redacted.append(field if read is None else (field[0], read[0]))
            if read:
                has_changed = True
                sure |= read[1]
                likely |= read[2]
        searched = "\n".join(value for name, value in redacted if not self._are_headers(name))
        is_known = searched.isascii() and is_simple(searched.encode())
        return KnownHeaders(
            redacted if has_changed else None, sure, frozenset(likely), searched.lower() if is_known else None
        )

    def _search_text(self, text: str) -> str | None:
        is_known = text.isascii() and is_simple(text.encode()) and self._redact_text(text) == text
        return text.lower() if is_known else None


def is_simple(content: bytes) -> bool:
    """Return whether a text has neither escapes nor values that identify by their shape."""
    return not may_be_escaped(content) and next(values_by_shape(content), None) is None
