"""Hypothesis strategies for malformed JSON, and for what players really send with such JSON put into it."""

import re
from collections.abc import Sequence

from hypothesis import strategies as st

from fuzz.targets import join
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.parameters import PARAMETERS

DEEP = 100_000
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[A-Za-z_.$-]+|-?\d[\d.eE+-]*|[\[\]{}:,=]')

NUMBERS = [
    *(b"0 -0 -1 1.5 1e400 -1e400 1e-400 1E5 1e308 NaN Infinity -Infinity 01 +1 .5 5. 0x1F 1_000".split()),
    *(str(edge + more).encode() for edge in (2**31, 2**53, 2**63, 2**64) for more in (-1, 0, 1)),
    b"9" * 400,
    b"9" * 5001,
    b"-" + b"9" * 5001,
    b"0." + b"1" * 5000,
]
STRINGS = [
    *rb"""
    "\ud800" "\udc00\ud800" "\ud83d\ude00" "\u0000" "\u202e" "\x" "\u12" "{0}" "{x}" "%s" "[9]." "]." ""
    """.split(),
    *(
        b'"\xff\xfe"|"\xed\xa0\x80"|"\xe2\x80\xa8"|"\xef\xbf\xbd"|"a\x00b"|"a\nb"|" "|"<your-id>"'
        b'|"true"|"play"|"$ref"|"null"'
    ).split(b"|"),
    b'"' + b"k" * 20_000 + b'"',
    b'"' + b"\\" * 5001 + b'"',
    b'"' + rb"\u0041" * 3000 + b'"',
    b'"unclosed',
]
NESTS = [
    b"[" * DEEP + b"]" * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    b"[" * DEEP,
    b'{"a":' * DEEP,
    *(b"[" * deep + b"]" * deep for deep in (100, 254, 255, 256, 1000, 1022, 1023, 1024, 1025)),
    *(b'{"a":' * deep + b"1" + b"}" * deep for deep in (100, 254, 256, 1000, 1023)),
    b"[" + b"{}," * 3000 + b"[]]",
]
ODDITIES = [
    b"",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\x00",
    b"\n",
    b"\n\n",
    b"\r",
    b",",
    b"}",
    b"]",
    b'"',
    b"\\",
    b"/*x*/",
    b"\xc3",
]
WORDS = [b"null", b"true", b"false", b"{}", b"[]"]

SCALARS = st.sampled_from([*NUMBERS, *STRINGS, *WORDS]) | st.integers().map(lambda number: str(number).encode())
KEYS = st.sampled_from([*STRINGS, *(b'"eventType" "playerTime" "params" "media.id" "media.length" "ts" "a"'.split())])


def _array(items: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


def _object(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"{" + b",".join(key + b":" + value for key, value in pairs) + b"}"


# Keys may come twice.
JSON = st.recursive(
    SCALARS | st.sampled_from(NESTS),
    lambda inner: st.lists(inner, max_size=4).map(_array) | st.lists(st.tuples(KEYS, inner), max_size=4).map(_object),
    max_leaves=8,
)
ANYTHING = JSON | st.sampled_from(ODDITIES) | st.binary(max_size=40)


def _joined(objects: tuple[bytes, bytes]) -> bytes:
    """One object with the members of two."""
    one, other = objects
    return one[:-1] + b"," + other[1:] if len(other) > 2 else one


def _object_of(members: dict[str, st.SearchStrategy[bytes]]) -> st.SearchStrategy[bytes]:
    return st.tuples(*(st.tuples(st.just(f'"{key}"'.encode()), value) for key, value in members.items())).map(_object)


def _text(words: Sequence[str]) -> st.SearchStrategy[bytes]:
    return st.sampled_from([f'"{word}"'.encode() for word in words])


def _table(keys: st.SearchStrategy[bytes], values: st.SearchStrategy[bytes], most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.tuples(keys, values), max_size=most).map(_object)


# Events in the documented shape, with what does not belong there in some places.
_VALUES = SCALARS | JSON
_PARAMS = _text([row.key for row in PARAMETERS])
_TIME = _table(_text(["playhead", "ts"]), SCALARS, 3)
_NAMED = _table(_text(["media.state.name", "id", "authState"]) | KEYS, _VALUES, 2)
_SECTION = _table(_PARAMS | KEYS, _VALUES | _NAMED | st.lists(_NAMED, max_size=3).map(_array), 5)
EVENTS = st.tuples(
    st.tuples(st.just(b'"eventType"'), _text(list(EVENT_TYPES)) | _VALUES),
    st.tuples(st.just(b'"playerTime"'), _TIME | _VALUES),
    st.tuples(_text(["params", "qoeData", "customMetadata"]) | KEYS, _SECTION | _VALUES),
    st.tuples(_text(["params", "qoeData", "customMetadata"]) | KEYS, _SECTION | _VALUES),
).map(_object)
BODIES = EVENTS | st.lists(EVENTS, max_size=4).map(_array) | ANYTHING

# Schemas of keywords that exist, with values that they may not have, and with loops.
_REFS = _text(
    [
        "#",
        "#/definitions/a",
        "#/definitions/b",
        "#/definitions/a/allOf/0",
        "#/x/%",
        "#/~2",
        "http://127.0.0.1:9/",
        "file:///etc/passwd",
        "a#",
        "",
    ]
)
_PATTERNS = _text([r"^(a+)+$", r"(a*)*\\1b", "(", "a{99999}", r"\\p{L}", "(?<=a+)b", "[", ""])
_PLAIN = [
    "type",
    "required",
    "enum",
    "const",
    "minimum",
    "maximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "uniqueItems",
    "format",
    "id",
    "$id",
    "$schema",
]
_INNER = [
    "not",
    "items",
    "additionalProperties",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "additionalItems",
    "unevaluatedProperties",
]


def _schema(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    keywords = (
        st.tuples(_text(["$ref", "$dynamicRef", "$recursiveRef"]), _REFS)
        | st.tuples(_text(["pattern", "format"]), _PATTERNS)
        | st.tuples(_text(_INNER), inner)
        | st.tuples(_text(["allOf", "anyOf", "oneOf", "items", "prefixItems"]), st.lists(inner, max_size=3).map(_array))
        | st.tuples(_text(["properties"]), _table(_text(["eventType", "params", "a"]), inner, 3))
        | st.tuples(_text(["patternProperties"]), _table(_PATTERNS, inner, 2))
        | st.tuples(_text(["definitions", "$defs", "dependencies"]), _table(_text(["a", "b"]), inner, 2))
        | st.tuples(_text(_PLAIN), _VALUES)
    )
    return st.lists(keywords, max_size=4).map(_object)


SCHEMAS = st.builds(join, st.recursive(_schema(SCALARS), _schema, max_leaves=12), EVENTS)

# Settings: the keys that there are, with values that no rule expects.
_KEYS = """
    rules.clock-skew rules."x" rules thresholds.states thresholds.idle-minutes thresholds metadata.play metadata expect
    expect.play expect.ping.minimum overrides [overrides] [[overrides]] player path tool.tapehead a.a.a.a
    expect.play."$ref"
"""
_TOML = """
    "off" "error" 'x' 1 -1 1.5 inf -inf nan true [] {} [{}] 1979-05-27 07:32:00 1979-05-27T07:32:00Z 0x7f 0o7 0b1 1_0
    "\\u0000" "\\uD800" "/" "." "" "no-such-file.json" "\\u0000.json" {a=1} {player=1} {player="*"} [["play"]]
"""
_LONG = [
    b"9" * 5001,
    b"0x" + b"f" * 5000,
    b"[" * DEEP,
    b"{a=" * 5000,
    b"a." * 5000 + b"a = 1",
    b'"' + b"x" * 9000 + b'"',
]
_VALUE = st.sampled_from([*(word.encode() for word in _TOML.split()), *_LONG]) | _VALUES
_LINE = st.tuples(st.sampled_from([word.encode() for word in _KEYS.split()]), _VALUE).map(b" = ".join)
SETTINGS = st.lists(_LINE | ANYTHING, max_size=4).map(b"\n".join)


@st.composite
def _token_replaced(draw: st.DrawFn, data: bytes) -> bytes:
    """One word of JSON or TOML, chosen anywhere, gives way to something else."""
    tokens = list(_TOKEN.finditer(data))
    # Not `sampled_from`, which looks at each of what may be ten thousands.
    start, end = tokens[draw(st.integers(0, len(tokens) - 1))].span() if tokens else (0, 0)
    return data[:start] + draw(ANYTHING) + data[end:]


@st.composite
def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
    return data[:start] + data[end:] if draw(st.booleans()) else data[start:end]


@st.composite
def _inserted(draw: st.DrawFn, data: bytes) -> bytes:
    place = draw(st.integers(0, len(data)))
    return data[:place] + draw(ANYTHING) + data[place:]


@st.composite
def _lines_moved(draw: st.DrawFn, data: bytes) -> bytes:
    """Lines left out, repeated, and in another order."""
    lines = data.splitlines(keepends=True)
    return b"".join(draw(st.lists(st.sampled_from(lines), max_size=len(lines) + 2))) if lines else data


_EDITS = (_token_replaced, _token_replaced, _token_replaced, _cut, _inserted, _lines_moved)


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], most: int = 4) -> bytes:
    """One of the seeds after some edits."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, most))):
        data = draw(draw(st.sampled_from(_EDITS))(data))
    return data


_CODINGS = b"gzip x-gzip deflate br zstd identity gzip,gzip br,zstd unknown \xff".split()
_PATHS = b"/api/v1/sessions /api/v1/sessions/s1/events /api/v1/downloaded /api/v1/schemas/play".split()
_METHODS = b"POST GET OPTIONS HEAD PUT post \xff".split()


def _head(method: bytes, path: bytes, more: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"\n".join([method + b" " + path + more + b" HTTP/1.1", *(name + b":" + value for name, value in headers)])


HEADERS = st.lists(
    st.tuples(st.just(b"Content-Encoding"), st.sampled_from(_CODINGS))
    | st.tuples(st.sampled_from([b"Content-Type", b"Host", b"Cookie", b"", b"\xff"]), st.binary(max_size=20))
    | st.tuples(st.just(b"Location"), st.binary(max_size=9).map(lambda sid: b"/api/v1/sessions/" + sid)),
    max_size=4,
).map(lambda pairs: [(name, value.replace(b"\n", b"")) for name, value in pairs])
_PATH = st.sampled_from(_PATHS) | st.binary(max_size=9).map(lambda sid: b"/api/v1/sessions/" + sid + b"/events")
HEADS = st.builds(_head, st.sampled_from(_METHODS), _PATH, st.sampled_from([b"", b"?a=\xff", b"/", b"#"]), HEADERS)
FLOWS = st.builds(
    join,
    HEADS,
    st.builds(_head, st.sampled_from([b"201", b"400", b"99"]), _PATH, st.just(b""), HEADERS),
    ANYTHING,
    ANYTHING,
)
# Entries in the shape of HAR, with what does not belong there in some places.
_URLS = ["https://example.com/api/v1/sessions", "https://example.com/api/v1/sessions/s1/events", "http://[", "/", "x:"]
_PAIRS = st.lists(_table(_text(["name", "value"]), SCALARS, 3), max_size=3).map(_array)
_ASKED = _object_of({"method": _text(["POST", "GET"]), "url": _text(_URLS)})
_HAR_TEXT = _table(_text(["text", "encoding", "_encoding"]), SCALARS | _text(["base64", "aGk="]), 3)
_HAR_PARTS = _text(
    ["headers", "postData", "bodySize", "status", "statusText", "content", "_error", "redirectURL", "url"]
)
_MESSAGE = _table(_HAR_PARTS | KEYS, _PAIRS | _HAR_TEXT | SCALARS | JSON, 5)
_ENTRY = st.tuples(
    st.tuples(st.just(b'"startedDateTime"'), _text(["2026-11-23T02:00:00Z", "9999-12-31T23:59:59-23:59"]) | SCALARS),
    st.tuples(st.just(b'"time"'), SCALARS),
    st.tuples(st.just(b'"request"'), st.tuples(_ASKED, _MESSAGE).map(_joined) | JSON),
    st.tuples(st.just(b'"response"'), _MESSAGE | JSON),
).map(_object)
HARS = st.lists(_ENTRY | ANYTHING, max_size=4).map(lambda entries: b'{"log":{"entries":' + _array(entries) + b"}}")
REQUESTS = st.builds(join, HEADS, ANYTHING)
