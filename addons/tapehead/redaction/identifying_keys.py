"""Names whose values identify people or devices: keys of JSON, of queries and of forms, in any spelling."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import orjson

from tapehead.protocol.parameters import PARAMETERS
from tapehead.redaction.identifying_headers import HeaderNames

# In lower case: a misspelt case identifies a person as well.
_PERSON_KEYS = tuple(row.key for row in PARAMETERS if row.person)
_DOCUMENTED = frozenset(row.key.lower() for row in PARAMETERS) - {key.lower() for key in _PERSON_KEYS}
# The same identifiers, as Adobe's visitor service, cookies and links name them.
_OTHER_NAMES = (
    "ECID",
    "MCMID",
    "MCAID",
    "MCCID",
    "d_mid",
    "d_uuid",
    "d_cid",
    "d_cid_ic",
    "identityMap",
    "experienceCloudId",
    "marketingCloudId",
    "marketingCloudVisitorId",
)
# Shorter ones, such as `aid`, mean other things elsewhere: they count with the name before them only.
_LEAST_PART = 6
_SEPARATOR = re.compile(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD = re.compile(r"[\s._\-\[\]]+")
_SEPARATORS = b"._-[] \t\r\n"
# Longer keys are not kept.
_MOST_KEPT = 200
# The first characters of JSON in base64.
BASE64_OF_JSON = ("eyJ", "eyA", "ewo", "W3s")


class IdentifyingKeys:
    """Names whose values identify people: those of the table, and more that the user gives.

    Neither case nor separators matter: `analytics.visitorId` is `analytics_visitor_id`, `analytics[visitorId]`, and
    `visitorId` in an object `analytics`. A key that continues with `.` or `[` after such a name counts, too: that is
    how objects are flattened.

    Args:
        more: names of JSON keys, query keys and headers.

    Attributes:
        are_headers: returns whether the values of headers of a name identify people.
        in_path: searches the path of a finding for one of the keys.
        tokens: finds the tokens of JSON in bytes. One that has a group is a key from which broken JSON is parsed anew.
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        named = {name.strip() for name in more} - {""}
        parts = {key.rpartition(".")[2] for key in _PERSON_KEYS}
        names = {*_PERSON_KEYS, *_OTHER_NAMES, *(part for part in parts if len(part) >= _LEAST_PART), *named}
        self.are_headers = HeaderNames(named).count
        self._keys = {name.lower() for name in names}
        self._plain = {plain_name(name) for name in names} - {""}
        self._longest = max(map(len, self._plain))
        stems = {key.replace(".", "_") + "_" for key in map(str.lower, _PERSON_KEYS)}
        self._stems = (*(key + mark for key in self._keys for mark in ".["), *stems)
        self._documented = _DOCUMENTED - self._keys
        longest_first = sorted(names, key=lambda name: (-len(name), name))
        self._spelt = _shortest({sign for name in names for sign in _signs_of(name)})
        keys = b"(?i:" + b"|".join(_pattern(name).encode() for name in longest_first) + b")"
        self._embedded = re.compile(keys + rb'(?:[.\[%][^\s"\\=]{0,100}+)?(?:=|\\|%3[dD])').search
        words = "|".join(map(_pattern, longest_first))
        self.in_path = re.compile(rf"(?:^|[.\]])(?:{words})(?:$|[.\[])", re.IGNORECASE).search
        self.tokens = re.compile(_TOKEN % keys, re.DOTALL).finditer
        # Most bodies have the same keys.
        self._read_short = lru_cache(maxsize=4096)(self._read)

    def count(self, key: str, parent: str = "") -> bool:
        """Return whether values under `key`, in an object under the key `parent`, identify people."""
        key = key.strip().lower()
        if key in self._keys:
            return True
        if key in self._documented:
            return False
        plain = plain_name(key)
        return (
            plain in self._plain
            or key.startswith(self._stems)
            or bool(parent and plain and plain_name(parent) + plain in self._plain)
        )

    def may_be_in(self, content: bytes) -> bool:
        """Return whether a text spells one of the keys, or has an escape or a code that may hide one."""
        # Searches in strings take a fraction of the time of those in bytes.
        text = content.decode("latin-1")
        if "\\" in text or has_any(BASE64_OF_JSON, text):
            return True
        # Bytes have no case beyond ASCII.
        lowered = content.lower() if content.isascii() else content.decode("utf-8", "replace").lower().encode()
        letters = lowered.translate(None, _SEPARATORS).decode("latin-1")
        return has_any(self._spelt, letters)

    def are_embedded_in(self, content: bytes) -> bool:
        """Return whether a text has such a key in a query, within a string of JSON, or perhaps in base64."""
        text = content.decode("latin-1")
        if has_any(BASE64_OF_JSON, text):
            return True
        return ("=" in text or "\\" in text or "%3" in text) and self._embedded(content) is not None

    def as_parent(self, key: str) -> str:
        """Return what counts of a key for those in its object, since a long one may have very many of them."""
        return key if len(key) <= _MOST_KEPT else plain_name(key)[: self._longest + 1]

    def read(self, token: bytes, parent: str) -> tuple[str, bool]:
        """Return a key of JSON and whether values under it identify people.

        Args:
            token: the key.
            parent: the key of the object that it is in, from `as_parent`.
        """
        is_short = len(token) + len(parent) <= _MOST_KEPT
        return self._read_short(token, parent) if is_short else self._read(token, parent)

    def _read(self, token: bytes, parent: str) -> tuple[str, bool]:
        key = strip_key(decode_token(token))
        return key, self.count(key, parent)


def plain_name(name: str) -> str:
    """Return a name in lower case, without the separators of its words."""
    return _NO_WORD.sub("", name.lower())


def _pattern(name: str) -> str:
    """Return a regular expression of a name, with or without separators between its words."""
    return r"[._\-]?".join(map(re.escape, filter(None, _SEPARATOR.split(name)))) or re.escape(name)


def _signs_of(name: str) -> Iterator[str]:
    """Yield texts of which every text with a name has one, if neither case nor separators count; as Latin-1."""
    yield plain_name(name).encode().decode("latin-1")
    object_key, dot, part = name.rpartition(".")
    if dot and object_key:
        part = plain_name(part).encode().decode("latin-1")
        yield from (f'"{part}"', f"%5b{part}%5d")


def _shortest(words: Iterable[str]) -> tuple[str, ...]:
    """Return those of `words` that contain no other of them."""
    kept: list[str] = []
    for word in sorted(filter(None, words), key=len):
        if not has_any(kept, word):
            kept.append(word)
    return tuple(kept)


def has_any(words: Iterable[str], text: str) -> bool:
    """Return whether one of `words` is in a text."""
    for word in words:  # noqa: SIM110 - a generator takes twice the time
        if word in text:
            return True
    return False


def strip_key(key: str) -> str:
    """Return a key without what may be around it in broken JSON."""
    return key.strip("\"'\\: \t\r\n")


# A string (cut short at the end of a broken body), a bracket or separator, an identifying key without its first quote,
# a number or word. Single quotes are not JSON, but some players write them.
_TOKEN = (
    rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|'
    rb"'[^'\"\n]*+'|[{}\[\],:]|"
    rb'(%s(?:[.\[][^\s:="\'\\{},]{0,100}+)?\\*+["\']?\s*+:)|'
    rb'[^\s{}\[\],:"]++'
)


def decode_token(token: bytes) -> str:
    """Return the value of a scalar; of a number its spelling."""
    if token.startswith(b'"'):
        try:
            return str(orjson.loads(token))
        except orjson.JSONDecodeError:
            pass
    bare = token.strip(b"\"'")
    try:
        return bare.decode()
    except UnicodeDecodeError:
        return bare.decode("latin-1")
