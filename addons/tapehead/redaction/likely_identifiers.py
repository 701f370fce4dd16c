"""Values that might identify a person, in calls of a session whose identifiers are not known."""

import re
from collections.abc import Iterator

from tapehead.protocol.keys import EVENT_TYPE
from tapehead.protocol.parameters import PARAMETERS
from tapehead.redaction.identifiers import scalars
from tapehead.redaction.identifying_keys import IdentifyingKeys, decode_token
from tapehead.redaction.value_search import is_telling

# Keys that audits and replay read: values that only might identify a person are not replaced there.
CONTENT_KEYS = frozenset(row.key for row in PARAMETERS if not row.person) | {EVENT_TYPE, "playhead", "ts"}
_NO_NAMES = IdentifyingKeys()
_WORD = re.compile(r"[^\s\"'<>(){}\[\],;]+")


def likely_identifiers(content: bytes, *, whole: bool) -> Iterator[str]:
    """Yield the telling words and numbers of a body except in CONTENT_KEYS; if `whole`, also the strings with them."""
    if not content.lstrip().startswith((b"{", b"[", b'"')):
        yield from _telling_words(content.decode("utf-8", "replace"))
        return
    for scalar in scalars(content, _NO_NAMES, every=True):
        if scalar.key not in CONTENT_KEYS:
            value = decode_token(content[scalar.start : scalar.end])
            if whole and is_telling(value):
                yield value
            yield from _telling_words(value)


def _telling_words(text: str) -> Iterator[str]:
    return (word for each in _WORD.findall(text) if is_telling(word := each.strip(".:!?")))
