"""Search for known values in any text, in all their spellings: percent-encoded, escaped as in JSON or in HTML.

Theory. A value is searched for in a text as it is, and in the text with its escapes undone, once, twice and three
times; where it is found, only the bytes that spell it are replaced. Case does not matter. The places where a value is
searched for depend on how likely it is there by chance:

telling (six characters or more, with a digit or an @): anywhere, unless a letter or digit adjoins it.
unmistakable (sixteen characters or more without blanks, dots and slashes), and known to identify: the same.
long (twelve characters or more without blanks): the same, but not in values that audits and replay read.
else, with six characters or more: where it is a whole string, query value or header, with the same exception.

A plain search comes first and decides whether there is anything to do, which there hardly ever is.
"""

import html
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import islice

import msgspec
import orjson

from tapehead.redaction.identifying_keys import has_any

LEAST = 6
_LONG = re.compile(r"\S{12,}")
_TELLING = re.compile(r"[\d@]")
# A value of this length is nowhere by chance, not even within a longer word.
_UNMISTAKABLE = 16
# The same, and not a media type, host or path either.
_NO_WORD = re.compile(rf"[^\s/.]{{{_UNMISTAKABLE},}}")
MOST_LEVELS = 3
# Places where a text may have been cut.
_CUT = re.compile(rb"\.\.\.|\Z")
# Values that are searched for one by one within a text, and bytes that may be read for them, so that the work grows
# with the text only. The last number of values is always searched for like that.
MOST_VALUES, _MOST_READ, _ALWAYS = 1000, 20_000_000, 50
# A longer value is searched for by its beginning.
MOST_SPELT = 256

_JSON_ESCAPES = rb'\\u(?i:d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|[0-9a-f]{4})|\\["\\/bfnrt]'
_JSON_ESCAPE = re.compile(_JSON_ESCAPES)
_HTML_ESCAPES = rb"&(?i:#[0-9]{1,7}|#x[0-9a-f]{1,6}|amp|apos|commat|gt|lt|period|quot);"
_ESCAPE = re.compile(_JSON_ESCAPES + rb"|%(?i:[0-9a-f]{2})|" + _HTML_ESCAPES)

# Of longer spellings, the beginning is looked up.
_MOST_INDEXED = 32


class Spellings(dict[bytes, str]):
    """Spellings in lower case, and the values that they spell."""

    @cached_property
    def _index(self) -> tuple[dict[bytes, list[int]], list[int], dict[bytes, list[bytes]]]:
        """Lengths of beginnings by their first LEAST bytes, those of shorter words, and spellings by beginning."""
        words: dict[bytes, list[bytes]] = {}
        for word in self:
            words.setdefault(word[:_MOST_INDEXED], []).append(word)
        lengths: dict[bytes, set[int]] = {}
        for beginning in words:
            lengths.setdefault(beginning[:LEAST], set()).add(len(beginning))
        short = {len(word) for word in words if len(word) < LEAST}
        return {first: sorted(each) for first, each in lengths.items()}, sorted(short), words

    @cached_property
    def in_latin(self) -> tuple[str, ...]:
        """The spellings as text, for searches in text, which take a fraction of the time of those in bytes."""
        return tuple(word.decode("latin-1") for word in self)

    def within(self, plain: bytes) -> frozenset[bytes]:
        """Return the spellings that are in a text; of those that begin alike, perhaps more."""
        if len(self) <= most_values_for(plain):
            # `in` takes several times as long with bytes.
            return frozenset(word for word in self if plain.find(word) >= 0)
        lengths, short, words = self._index
        found: set[bytes] = set()
        for at in range(len(plain)):
            if plain[at : at + LEAST] in lengths:
                found.update([plain[at : at + length] for length in lengths[plain[at : at + LEAST]]])
            if short:
                found.update([plain[at : at + length] for length in short])
        return frozenset(word for beginning in found for word in words.get(beginning, ()))


class Search(msgspec.Struct, frozen=True):
    """Values that are searched for.

    Attributes:
        sure: values that certainly identify a person and are telling.
        likely: those and others that are telling or long.
        whole: those and others of some length, to be compared with whole strings.
        every: all values, whatever their length.
    """

    sure: Spellings
    likely: Spellings
    whole: Spellings
    every: Spellings

    def among(self, content: bytes) -> "Search | None":
        """Return the search for only those values that are somewhere in `content`; None if there are none."""
        if not self.whole:
            return None
        none: frozenset[bytes] = frozenset()
        found = none.union(*map(self.whole.within, unescaped(content)))
        if not found:
            return None
        sure, likely, whole = (
            Spellings((word, value) for word, value in words.items() if word in found)
            for words in (self.sure, self.likely, self.whole)
        )
        return Search(sure, likely, whole, self.every)

    def is_absent(self, content: bytes) -> bool:
        """Return whether none of the values is in `content`; False as well where that is not clear at once."""
        if not self.whole:
            return True
        return not may_be_escaped(content) and self.is_absent_from(content.lower().decode("latin-1"))

    def is_absent_from(self, text: str) -> bool:
        """Return the same of a text in lower case without escapes, as Latin-1."""
        return len(self.whole) <= _ALWAYS and not has_any(self.whole.in_latin, text)

    def value_of(self, content: bytes) -> str | None:
        """Return the value that `content` spells as a whole; None if it spells none."""
        wholes = (self.whole.get(plain.strip(b"\"' \t\r\n")[:MOST_SPELT]) for plain in unescaped(content))
        return next(filter(None, wholes), None)


def search_for(sure: Iterable[str], likely: Iterable[str] = ()) -> Search:
    """Return a search for values.

    Args:
        sure: those that certainly identify a person.
        likely: those that might, or might name content: never searched for in values that audits and replay read.
    """
    certain, possible = frozenset(sure), frozenset(likely)
    # The events of a session have the same search.
    few = len(certain) + len(possible) <= _ALWAYS
    return _search_for(certain, possible) if few else _search_for.__wrapped__(certain, possible)


@lru_cache(maxsize=1024)
def _search_for(sure: frozenset[str], likely: frozenset[str]) -> Search:
    every = Spellings()
    for value in [*sorted(sure, key=len, reverse=True), *sorted(likely, key=len, reverse=True)]:
        # An empty one is everywhere.
        for spelling in filter(None, spellings(value)):
            every.setdefault(spelling[:MOST_SPELT], value)
    telling = {word: value for word, value in every.items() if is_telling(value)}
    long = {word: value for word, value in every.items() if _LONG.fullmatch(value)}
    whole = Spellings((word, value) for word, value in every.items() if len(value) >= LEAST)
    certain = {word: value for word, value in every.items() if _NO_WORD.fullmatch(value)} | telling
    of_sure = Spellings((word, value) for word, value in certain.items() if value in sure)
    return Search(of_sure, Spellings(telling | long), whole, every)


def replace(content: bytes, words: Spellings, substitute: Callable[[str], str], *, json: bool = False) -> bytes:
    """Return `content` with substitutes for `words`; `json` says that it is the inside of a JSON string."""
    pieces, copied = [], 0
    for start, end, value in sorted(find_spans(content, words, json=json), key=lambda span: (span[0], -span[1])):
        if start >= copied:
            pieces += [content[copied:start], substitute(value).encode()]
        copied = max(copied, end)
    return b"".join([*pieces, content[copied:]]) if pieces else content


def replace_cut(
    content: bytes, words: Spellings, substitute: Callable[[str], str], *, ended: bool = True, most: int = _ALWAYS
) -> bytes:
    """Return `content`, which was cut somewhere, with substitutes for those of `words` that lost their end there.

    Args:
        content: a text; dots mark where it was cut.
        words: the words that may have lost their end.
        substitute: returns the substitute of a value.
        ended: whether it may have been cut at its own end, with no dots.
        most: the number of words that are tried, the longest first.
    """
    for at in [match.start() for match in _CUT.finditer(content) if ended or match[0]][::-1]:
        tail = content[max(0, at - MOST_SPELT) : at].lower()
        for word, value in islice(words.items(), most):
            if word[:LEAST] not in tail:
                continue
            lengths = range(len(word) - 1, LEAST - 1, -1)
            if kept := next((length for length in lengths if tail.endswith(word[:length])), 0):
                content = content[: at - kept] + substitute(value).encode() + content[at:]
                break
    return content


def spellings(value: str) -> Iterator[bytes]:
    """Yield a value in lower case, and its forms in a text whose escapes are undone."""
    spelt = value.encode("utf-8", "surrogatepass")
    yield from unescaped(spelt)
    if b" " in spelt:
        yield from unescaped(spelt.replace(b" ", b"+"))
    if not value.isascii() and max(value) <= "\xff":
        yield value.encode("latin-1").lower()


def is_telling(value: str) -> bool:
    """Return whether a value is unlikely to be anywhere by chance."""
    return len(value) >= LEAST and _TELLING.search(value) is not None


def most_values_for(content: bytes) -> int:
    """Return the number of values that are searched for one by one in a text of this size, and replaced in it."""
    return min(MOST_VALUES, max(_ALWAYS, _MOST_READ // (len(content) + 1)))


def find_spans(content: bytes, words: Spellings, *, json: bool) -> Iterator[tuple[int, int, str]]:
    """Yield the places of values: start, end, value. A text of more of them than can be replaced is a value itself."""
    for plain, places in unescaped_with_offsets(content, json=json):
        found = words.within(plain)
        if len(found) > most_values_for(plain):
            yield 0, len(content), content.decode("utf-8", "replace")
            return
        match = _pattern(found).search(plain) if found else None
        while match:
            start, end = match.start(), end_of_value(plain, match, words[match[0]])
            yield (places[start], places[end], words[match[0]]) if places else (start, end, words[match[0]])
            match = _pattern(found).search(plain, end)


def end_of_value(plain: bytes, match: re.Match[bytes], value: str) -> int:
    """Return the end of a value that was found by its beginning: as far as the text agrees with it."""
    start, end = match.span()
    if end - start < MOST_SPELT:
        return end
    spelt = next(spelling for spelling in spellings(value) if spelling.startswith(match[0]))
    there = plain[start : start + len(spelt)]
    return start + next(
        (at for at, pair in enumerate(zip(there, spelt, strict=False)) if len(set(pair)) > 1), len(there)
    )


@lru_cache(maxsize=256)
def _pattern(words: frozenset[bytes]) -> re.Pattern[bytes]:
    """Return a pattern of words, the longest first, so that one within another leaves nothing of it."""
    ordered = sorted(words, key=lambda word: (-len(word), word))
    long = b"|".join(re.escape(word) for word in ordered if len(word) >= _UNMISTAKABLE)
    short = b"|".join(re.escape(word) for word in ordered if len(word) < _UNMISTAKABLE)
    bounded = b"(?<![0-9a-z])(?:" + short + b")(?![0-9a-z])" if short else b""
    return re.compile(b"|".join(filter(None, (long, bounded))))


# ---- Escapes undone ----


def may_be_escaped(content: bytes) -> bool:
    """Return whether a text has an escape."""
    return has_any("%&\\", content.decode("latin-1")) and _ESCAPE.search(content) is not None


def unescaped(content: bytes) -> Iterator[bytes]:
    """Yield `content` in lower case, then with its escapes undone, and again, as long as there are any."""
    return map(bytes.lower, unescaped_as_spelt(content))


def unescaped_as_spelt(content: bytes) -> Iterator[bytes]:
    """Yield the same in the case in which it is spelt."""
    yield content
    for _ in range(MOST_LEVELS):
        content, count = _ESCAPE.subn(_undo, content)
        if not count:
            return
        yield content


def unescaped_with_offsets(content: bytes, *, json: bool) -> Iterator[tuple[bytes, Sequence[int] | None]]:
    """Yield the same with the offsets of each byte and of the end in `content`; None where nothing has moved.

    In a JSON string a backslash is always an escape, so those are undone from the first.
    """
    plain, places = unescape_once(content, None, _JSON_ESCAPE) if json else (content, None)
    yield plain.lower(), places
    for _ in range(MOST_LEVELS):
        if not _ESCAPE.search(plain):
            return
        plain, places = unescape_once(plain, places, _ESCAPE)
        yield plain.lower(), places


def unescape_once(
    content: bytes, places: Sequence[int] | None, escape: re.Pattern[bytes]
) -> tuple[bytes, Sequence[int] | None]:
    """Return `content` with its escapes undone, and the offsets of its bytes before; `places` are those so far."""
    undone, moved, copied = bytearray(), array("I"), 0
    for match in escape.finditer(content):
        start, end = match.span()
        plain = _undo(match)
        undone += content[copied:start]
        undone += plain
        moved.extend(range(copied, start))
        moved.extend([start] * len(plain))
        copied = end
    if not copied:
        return content, places
    moved.extend(range(copied, len(content) + 1))
    return bytes(undone + content[copied:]), array("I", (places[each] for each in moved)) if places else moved


def _undo(match: re.Match[bytes]) -> bytes:
    return _plain_of(match[0])


@lru_cache(maxsize=1024)
def _plain_of(escape: bytes) -> bytes:
    if escape.startswith(b"%"):
        return bytes.fromhex(escape[1:].decode())
    if escape.startswith(b"&"):
        return html.unescape(escape.decode()).encode("utf-8", "replace")
    try:
        return str(orjson.loads(b'"' + escape + b'"')).encode()
    except orjson.JSONDecodeError:  # half of a pair
        return b"?"
