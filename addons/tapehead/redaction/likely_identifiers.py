"""Values that might identify a person, in calls of a session whose identifiers are not known."""

import re
from collections.abc import Container, Iterator

from tapehead.protocol.keys import EVENT_TYPE
from tapehead.protocol.parameters import PARAMETERS
from tapehead.redaction.identifiers import scalars
from tapehead.redaction.identifying_keys import IdentifyingKeys, decode_token
from tapehead.redaction.value_search import is_telling

# Keys that audits and replay read: values that only might identify a person are not replaced there.
CONTENT_KEYS = frozenset(row.key for row in PARAMETERS if not row.person) | {EVENT_TYPE, "playhead", "ts"}
_NO_NAMES = IdentifyingKeys()
WORD = re.compile(r"[^\s\"'<>(){}\[\],;]+")
# Values that are searched for; of an exchange with more of them, all are masked instead.
MOST_LIKELY = 1_000


def add_likely(likely: set[str], url: str, texts: tuple[bytes, ...], known: Container[str]) -> bool:
    """Add what might identify a person in an exchange; return False, with nothing added, if that is too much.

    Args:
        likely: the values found.
        url: the URL; its query is read.
        texts: the texts of the exchange; the second is the request's body, the first is not read.
        known: session id, identifiers and pseudonyms, which are left out.
    """
    query = url.partition("?")[2].replace("&", " ").replace("=", " ").encode("utf-8", "replace")
    found: set[str] = set()
    for text in (query, *texts[1:]):
        for value in likely_identifiers(text, whole=text is texts[1]):
            if value not in known:
                found.add(value)
                if len(found) > MOST_LIKELY:
                    return False
    likely |= found
    return True


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
    return (word for each in WORD.findall(text) if is_telling(word := each.strip(".:!?")))
