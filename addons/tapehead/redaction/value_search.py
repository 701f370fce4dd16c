"""Finding known values in any text, however they are spelt there: percent-encoded, escaped as in JSON or in HTML.

Theory. A value is looked for in a text as it stands, and in the text with its escapes undone, once, twice and three
times; where it is found, just the bytes that spell it are replaced. Case does not count. Whether a value is looked for
at all depends on how likely it stands there by chance:

telling (six characters or more, with a digit or an @): wherever it is, as long as no letter or digit goes on with it.
unmistakable (sixteen characters or more without blanks, dots and slashes), and known to identify: the same.
long (twelve characters or more without blanks): the same, but not where audits and replay find out what was played.
else, with six characters or more: where it is a whole string, query value or header, with the same exception.

Before anything else is done, a plain search finds out whether there is anything to do, which there hardly ever is.
"""

import html
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice

import msgspec
import orjson

LEAST = 6
_LONG = re.compile(r"\S{12,}")
_TELLING = re.compile(r"[\d@]")
# What is as long as this stands nowhere by chance, not even within a longer word.
_UNMISTAKABLE = 16
# The same, and no media type, host or path either.
_NO_WORD = re.compile(rf"[^\s/.]{{{_UNMISTAKABLE},}}")
MOST_LEVELS = 3
# Where a text may have been cut.
_CUT = re.compile(rb"\.\.\.|\Z")
# The most values that are looked for within texts, in the order given; and how many bytes may be read for them, so that
# the work grows with the text only. So many are always looked for.
MOST_VALUES, _MOST_READ, _ALWAYS = 1000, 20_000_000, 50
# A value that is longer is looked for by its beginning.
MOST_SPELT = 256

_JSON_ESCAPES = rb'\\u(?i:d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|[0-9a-f]{4})|\\["\\/bfnrt]'
_JSON_ESCAPE = re.compile(_JSON_ESCAPES)
_HTML_ESCAPES = rb"&(?i:#[0-9]{1,7}|#x[0-9a-f]{1,6}|amp|apos|commat|gt|lt|period|quot);"
_ESCAPE = re.compile(_JSON_ESCAPES + rb"|%(?i:[0-9a-f]{2})|" + _HTML_ESCAPES)

# Spellings in lower case, and the values that they stand for.
Spellings = Mapping[bytes, str]


class Search(msgspec.Struct, frozen=True):
    """What is looked for.

    Attributes:
        sure: values that certainly identify somebody and are telling.
        likely: those and others that are telling or long.
        whole: those and others of some length, to be compared with what stands by itself.
        every: all values, whatever their length.
    """

    sure: Spellings
    likely: Spellings
    whole: Spellings
    every: Spellings

    def among(self, content: bytes) -> "Search | None":
        """The search for those values only that stand somewhere in `content`; None if there is nothing to find."""
        if not self.whole:
            return None
        plains, most = list(_plains(content)), _most_for(content)
        found = {word for plain in plains for word in islice(self.whole, most) if word in plain}
        crowded = len(self.whole) > most
        if not found and not crowded:
            return None
        sure, likely, whole = (_only(words, found) for words in (self.sure, self.likely, self.whole))
        return Search(sure, likely, self.whole if crowded else whole, self.every)

    def value_of(self, content: bytes) -> str | None:
        """The value that `content` is as a whole; None if it is none."""
        wholes = (self.whole.get(plain.strip(b"\"' \t\r\n")[:MOST_SPELT]) for plain in _plains(content))
        return next(filter(None, wholes), None)


def search_for(sure: Iterable[str], likely: Iterable[str] = ()) -> Search:
    """A search for values.

    Args:
        sure: those that certainly identify somebody.
        likely: those that might, or might say what is played: never looked for where that is told.
    """
    certain, possible = frozenset(sure), frozenset(likely)
    # The events of a session are searched for the same.
    few = len(certain) + len(possible) <= _ALWAYS
    return _search_for(certain, possible) if few else _search_for.__wrapped__(certain, possible)


@lru_cache(maxsize=1024)
def _search_for(sure: frozenset[str], likely: frozenset[str]) -> Search:
    every = _words([*sorted(sure, key=len, reverse=True), *sorted(likely, key=len, reverse=True)])
    telling = {word: value for word, value in every.items() if is_telling(value)}
    long = {word: value for word, value in every.items() if _LONG.fullmatch(value)}
    whole = {word: value for word, value in every.items() if len(value) >= LEAST}
    certain = {word: value for word, value in every.items() if _NO_WORD.fullmatch(value)} | telling
    return Search({word: value for word, value in certain.items() if value in sure}, telling | long, whole, every)


def replace(content: bytes, words: Spellings, stand_in: Callable[[str], str], *, json: bool = False) -> bytes:
    """`content` with something else for each of `words`; `json` says that it is the inside of a string of JSON."""
    pieces, copied = [], 0
    for start, end, value in sorted(_spans(content, words, json=json), key=lambda span: (span[0], -span[1])):
        if start >= copied:
            pieces += [content[copied:start], stand_in(value).encode()]
        copied = max(copied, end)
    return b"".join([*pieces, content[copied:]]) if pieces else content


def replace_cut(content: bytes, words: Spellings, stand_in: Callable[[str], str], *, ended: bool = True) -> bytes:
    """`content`, which was cut somewhere, with something else for each of `words` that lost its end there.

    Args:
        content: a text; dots stand where it was cut.
        words: what may have lost its end.
        stand_in: gives what is put in the place of a value.
        ended: whether it may have been cut at its own end, with no dots.
    """
    for at in [each.start() for each in _CUT.finditer(content) if ended or each[0]][::-1]:
        tail = content[max(0, at - MOST_SPELT) : at].lower()
        for word, value in islice(words.items(), _ALWAYS):
            if kept := _kept_of(word, tail):
                content = content[: at - kept] + stand_in(value).encode() + content[at:]
                break
    return content


def _kept_of(word: bytes, tail: bytes) -> int:
    """How many bytes of a word's beginning end a text; 0 for fewer than are telling."""
    if word[:LEAST] not in tail:
        return 0
    return next((n for n in range(len(word) - 1, LEAST - 1, -1) if tail.endswith(word[:n])), 0)


def _only(words: Spellings, found: set[bytes]) -> Spellings:
    return {word: value for word, value in words.items() if word in found}


def _words(values: Iterable[str]) -> dict[bytes, str]:
    """Each value by its spellings; where two share one, by the first of them."""
    words: dict[bytes, str] = {}
    for value in values:
        for spelling in _spellings(value):
            words.setdefault(spelling[:MOST_SPELT], value)
    return words


def _spellings(value: str) -> Iterator[bytes]:
    """A value in lower case, and what becomes of it where the escapes of a text are undone."""
    spelt = value.encode("utf-8", "surrogatepass")
    yield from _plains(spelt)
    if b" " in spelt:
        yield from _plains(spelt.replace(b" ", b"+"))
    if not value.isascii() and max(value) <= "\xff":
        yield value.encode("latin-1").lower()


def is_telling(value: str) -> bool:
    """Whether a value is likely to stand nowhere by chance."""
    return len(value) >= LEAST and _TELLING.search(value) is not None


def _most_for(content: bytes) -> int:
    """How many values are looked for in a text of this size."""
    return min(MOST_VALUES, max(_ALWAYS, _MOST_READ // (len(content) + 1)))


def _spans(content: bytes, words: Spellings, *, json: bool) -> Iterator[tuple[int, int, str]]:
    """Where values stand."""
    for plain, places in _levels(content, json=json):
        found = frozenset(word for word in islice(words, _most_for(plain)) if word in plain)
        match = _pattern(found).search(plain) if found else None
        while match:
            start, end = match.start(), _end_of(plain, match, words[match[0]])
            yield (places[start], places[end], words[match[0]]) if places else (start, end, words[match[0]])
            match = _pattern(found).search(plain, end)


def _end_of(plain: bytes, match: re.Match[bytes], value: str) -> int:
    """Where a value ends that was found by its beginning: as far as the text agrees with it."""
    start, end = match.span()
    if end - start < MOST_SPELT:
        return end
    spelt = next(each for each in _spellings(value) if each.startswith(match[0]))
    there = plain[start : start + len(spelt)]
    return start + next(
        (at for at, pair in enumerate(zip(there, spelt, strict=False)) if len(set(pair)) > 1), len(there)
    )


@lru_cache(maxsize=256)
def _pattern(words: frozenset[bytes]) -> re.Pattern[bytes]:
    """The longest first, so that an identifier within another leaves nothing of it."""
    ordered = sorted(words, key=lambda word: (-len(word), word))
    long = b"|".join(re.escape(word) for word in ordered if len(word) >= _UNMISTAKABLE)
    short = b"|".join(re.escape(word) for word in ordered if len(word) < _UNMISTAKABLE)
    bounded = b"(?<![0-9a-z])(?:" + short + b")(?![0-9a-z])" if short else b""
    return re.compile(b"|".join(filter(None, (long, bounded))))


# ---- Escapes undone ----


def _plains(content: bytes) -> Iterator[bytes]:
    """`content` in lower case, then with its escapes undone, and again, as long as there are any."""
    yield content.lower()
    for _ in range(MOST_LEVELS):
        content, count = _ESCAPE.subn(_undo, content)
        if not count:
            return
        yield content.lower()


def _levels(content: bytes, *, json: bool) -> Iterator[tuple[bytes, Sequence[int] | None]]:
    """The same, with where each byte and the end stood in `content`; None where nothing has moved.

    In a string of JSON a backslash is never itself, so its own escapes are undone from the first.
    """
    plain, places = _undone(content, None, _JSON_ESCAPE) if json else (content, None)
    yield plain.lower(), places
    for _ in range(MOST_LEVELS):
        if not _ESCAPE.search(plain):
            return
        plain, places = _undone(plain, places, _ESCAPE)
        yield plain.lower(), places


def _undone(
    content: bytes, places: Sequence[int] | None, escape: re.Pattern[bytes]
) -> tuple[bytes, Sequence[int] | None]:
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
