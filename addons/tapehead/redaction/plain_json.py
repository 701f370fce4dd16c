"""A short way through plain JSON, which nearly all players send, in place of the tokenizer.

A body is plain if it is one valid object without escapes, without a key twice in an object, and with few levels. Then
quotes alone part its strings from the rest, and the parsed body has all keys in their order.
"""

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Any, NamedTuple

from tapehead.protocol.messages import Message
from tapehead.redaction.identifying_keys import IdentifyingKeys, strip_key
from tapehead.redaction.likely_identifiers import CONTENT_KEYS

# Published bodies have three levels, and at most five keys that identify.
MOST_LEVELS, MOST_IDENTIFYING = 6, 20
# Longer keys are for the tokenizer, and are not kept.
_MOST_KEY = 100
_VALUE = re.compile(rb'\s*:\s*("[^"]*"|[^\s"\[{},\]]+)')
_CONTAINERS = (dict, list)
_NO_VALUES = (b"null", b"true", b"false")


class _KeyKind(Enum):
    """Kinds of keys: of identifiers, of values that audits and replay read, of others; and those for the tokenizer."""

    PERSON = auto()
    CONTENT = auto()
    OTHER = auto()
    ODD = auto()


class PlainBody(NamedTuple):
    """The facts about a plain body that redaction needs.

    Attributes:
        spans: the places of the values that identify people, start and end, in their order.
        is_content: whether all of its values are under keys that audits and replay read.
    """

    spans: list[tuple[int, int]]
    is_content: bool


class _Keys:
    """Keys of a body: their number, those that identify, and whether all others hold what audits and replay read."""

    def __init__(self) -> None:
        self.count = 0
        self.identifying: list[str] = []
        self.is_content = True


class _NotPlainError(Exception):
    """The body is for the tokenizer."""


class PlainJsonReader:
    """A reader that finds what identifies people in plain JSON.

    Args:
        names: the keys whose values identify people.
    """

    def __init__(self, names: IdentifyingKeys) -> None:
        self._names = names
        self._kind = lru_cache(maxsize=4096)(self._kind_of)

    def read(self, message: Message, content: bytes) -> PlainBody | None:
        """Return what is to be known of a message's body, which is `content`; None if the tokenizer has to read it."""
        if not content.startswith(b"{") or b"\\" in content or self._names.are_embedded_in(content):
            return None
        parsed, keys = message.parsed, _Keys()
        if parsed.error:
            return None
        try:
            self._collect(parsed.value, "", keys, MOST_LEVELS)
        except _NotPlainError:
            return None
        # Each key has one colon behind it, and a parsed object has no key twice.
        if b"".join(content.split(b'"')[::2]).count(b":") != keys.count:
            return None
        spans = []
        for key in keys.identifying:
            quoted = b'"%b"' % key.encode()
            at = content.find(quoted)
            match = _VALUE.match(content, at + len(quoted))
            if at < 0 or match is None or content.find(quoted, at + 1) >= 0:
                return None
            if match[1] not in _NO_VALUES:
                spans.append(match.span(1))
        return PlainBody(spans, keys.is_content)

    def _collect(self, value: Any, parent: str, keys: _Keys, levels: int) -> None:
        """Add the keys of a parsed value, which is under the key `parent`."""
        if not levels:
            raise _NotPlainError
        if isinstance(value, list):
            for each in value:
                if isinstance(each, _CONTAINERS):
                    self._collect(each, parent, keys, levels - 1)
                else:
                    keys.is_content = False
            return
        keys.count += len(value)
        for key, each in value.items():
            kind = self._kind(key, parent) if len(key) <= _MOST_KEY else _KeyKind.ODD
            if kind is _KeyKind.CONTENT and not isinstance(each, _CONTAINERS):
                continue
            if kind is _KeyKind.PERSON:
                keys.identifying.append(key)
                keys.is_content = False
            if kind is _KeyKind.ODD or len(keys.identifying) > MOST_IDENTIFYING:
                raise _NotPlainError
            if isinstance(each, _CONTAINERS):
                self._collect(each, key, keys, levels - 1)
            else:
                keys.is_content = False

    def _kind_of(self, key: str, parent: str) -> _KeyKind:
        # The tokenizer leaves out quotes and blanks around keys; and a state among identifiers identifies no one.
        if strip_key(key) != key or key.endswith("authState"):
            return _KeyKind.ODD
        if self._names.count(key, parent):
            return _KeyKind.PERSON
        return _KeyKind.CONTENT if key in CONTENT_KEYS else _KeyKind.OTHER
