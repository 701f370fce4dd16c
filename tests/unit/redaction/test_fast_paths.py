"""The short ways of redaction give, to the byte, what the tokenizer and the whole search give."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.exchanges import event, exchange, opened, request, response, sent, start
from support.paths import ROOT
from support.planted_identifiers import NAMED, PLANTED
from tapehead.protocol.exchange import Entry, Exchange, Finding, Severity, encode
from tapehead.protocol.routes import location_of
from tapehead.recording.reader import read_recording
from tapehead.redaction import known_texts
from tapehead.redaction.identifying_keys import IdentifyingKeys
from tapehead.redaction.plain_json import PlainJsonReader
from tapehead.redaction.redactor import Redactor
from tapehead.redaction.value_search import Search
from tapehead.redaction.value_shapes import _values_by_signs, values_by_shape

KEY = b"a key"
ECID = "12345678901234567890123456789012345678"
IDENTIFIERS = [*PLANTED.values(), ECID, "ABCDEF0123456789-0123456789ABCDEF", "4711", "jane", "First clip", "clip-1"]
NAMES = [
    *("visitor.marketingCloudUserId", "analytics.visitorId", "analytics_aid", "visitor.customerIDs", "customerIDs"),
    *("AppInstallationId", "appInstallationId.x", "visitor", "analytics", "aid", "visitorId", "identityMap", *NAMED),
    *("authState", "householdId.authState", "eventType", "playerTime", "params", "media.id", "media.name", "ts", "x"),
    *(" aid", "aid:", "{aid", ",", ":", "", "customMetadata", "note"),
]
FOLDERS = ("recordings", "tests/data/formats", "tests/data/sdk_sessions")
RECORDINGS = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.jsonl*"))


def of_tokenizer(exchanges: Sequence[Exchange], redactor: Redactor) -> list[Exchange]:
    """The exchanges as redacted without any short way."""
    redactor._read_header = redactor._redact_header  # type: ignore[assignment]
    with (
        patch.object(PlainJsonReader, "read", return_value=None),
        patch.object(Search, "is_absent", return_value=False),
        patch.object(Redactor, "_redact_known", return_value=None),
    ):
        return [redactor.redact(each) for each in exchanges]


def assert_same(exchanges: Sequence[Exchange]) -> None:
    """Both ways give the same, also where the session's start is not among them, and twice."""
    for part in (exchanges, exchanges[1:], [*exchanges, *exchanges]):
        fast = Redactor(KEY, NAMED)
        assert [*map(encode, map(fast.redact, part))] == [*map(encode, of_tokenizer(part, Redactor(KEY, NAMED)))]


SPACES = [""] * 9 + [" ", "  ", "\t", "\n"]
WORDS = [
    "play",
    "ping",
    "0",
    "{",
    'a"b',
    "a...",
    "%41",
    "&amp;",
    "Zoë",
    "\u2028",
    "https://jane@host/",
    "visitorId=jane&x=1",
]
LITERALS = [ECID, "4711", "0", "1", "-1.5e3", "null", "true", "false", "{}", "[]"]
HEADERS = ["Cookie", "Referer", "X-Device", "User-Agent", "Date", "Set-Cookie", "Content-Type", "X-Id"]
PATHS = ["", "params.media.id", "params.analytics.visitorId", "customMetadata.note"]
QUERIES = ["", "", "?visitorId=jane%2Bx", f"?x={ECID}", "?{}"]


class Writer:
    """Writes the calls of players who put identifiers anywhere, in any JSON, at random."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def text(self) -> str:
        """A text, with identifiers as it comes."""
        words = self.random.choices([*IDENTIFIERS, *IDENTIFIERS, *WORDS], k=self.random.choice([1, 1, 1, 2]))
        return " of ".join(words)

    def string(self, text: str) -> str:
        """A string of JSON, sometimes with escapes that it does not need."""
        if self.random.random() < 0.03:
            return '"' + "".join(rf"\u{ord(each):04x}" for each in text) + '"'
        return json.dumps(text, ensure_ascii=self.random.random() < 0.03)

    def space(self) -> str:
        return self.random.choice(SPACES)

    def value(self, levels: int) -> str:
        """Any value of JSON."""
        kind = self.random.random()
        if kind < 0.2 and levels:
            items = [self.space() + self.value(levels - 1) for _ in range(self.random.randrange(3))]
            return f"[{','.join(items)}]"
        if kind < 0.5 and levels:
            return self.object(levels - 1)
        return self.random.choice(LITERALS) if kind < 0.7 else self.string(self.text())

    def object(self, levels: int) -> str:
        """An object, whose keys may come twice."""
        keys = [self.random.choice(NAMES) for _ in range(self.random.randrange(6))]
        pairs = [f"{self.string(key)}{self.space()}:{self.space()}{self.value(levels)}{self.space()}" for key in keys]
        return f"{{{self.space()}{','.join(pairs)}}}"

    def body(self) -> bytes:
        """Mostly an object, sometimes broken or something else."""
        kind, body = self.random.random(), self.object(3).encode()
        at = self.random.randrange(len(body))
        if kind < 0.8:
            return body
        cut, odd = body[:at] + body[at + 1 :], body[:at] + self.random.choice([b'"', b"\\", b"\xff"]) + body[at:]
        return self.random.choice([cut, odd, body[:at], body + b"}", self.value(3).encode(), self.text().encode()])

    def headers(self) -> list[tuple[str, str]]:
        """Some headers."""
        names = self.random.choices(HEADERS, k=self.random.randrange(4))
        return [(name, self.text().encode().decode("latin-1")) for name in names]

    def findings(self) -> list[Finding]:
        """At most one finding, which may quote what it should not."""
        path = self.random.choice(PATHS)
        found = Finding(rule="bad-value", severity=Severity.ERROR, path=path, message=f'it is "{self.text()}"')
        return [found] if self.random.random() < 0.2 else []

    def calls(self) -> list[Exchange]:
        """A session: its start and events."""
        return [self.call(number) for number in range(self.random.randrange(1, 4))]

    def call(self, number: int) -> Exchange:
        """The start of a session, or an event."""
        path = "/api/v1/sessions" + ("/abc/events" if number else "") + self.random.choice(QUERIES)
        asked = request(self.body(), path)
        issued = [] if number else [("Location", location_of("abc"))]
        content = self.body() if self.random.random() < 0.3 else b""
        answered = response(204 if number else 201, [*issued, *self.headers()], content)
        asked = asked.with_headers([*asked.headers, *self.headers()])
        return msgspec.structs.replace(exchange(asked, answered), findings=self.findings(), session="abc")


@settings(deadline=None)
@given(st.integers(0, 2**32).map(lambda seed: Writer(seed).calls()))
@example([opened("abc", b'{"params":{"analytics.visitorId":"jane"},"params":{}}')])
@example([opened("abc", b'{"a" :1,":b":2,"params":{"aid":"jane"},"params":{}}')])
@example([opened("abc", b'{"x":"visitorId","visitorId" : "jane"}')])
@example([opened("abc", b'{"a":{"aid":"4711-a"},"analytics":{"aid":"4711-b"}}')])
@example([opened("abc", b'{"media.name":"see visitorId=jane&x=1"}')])
@example([sent("abc", b'{"ts":{"x":"secret-4711"},"ts":1}')])
@example([sent("abc", b'{"householdId":{"authState":1},"authState":1,"a":[{"aid":"4711-jane"}]}')])
@example([sent("abc", b'{"analytics":{"aid":"jane"},"visitor":[{"customerIDs":"jane"}],"aid":"x"}')])
def test_short_ways_replace_the_same(exchanges: list[Exchange]) -> None:
    assert_same(exchanges)


TIMES = ["0", "10", "10.5", "4711471", "123456789012345.12345678901234567890", "1795411234567", "123456", "1"]
TAILS = [
    *(["}"] * 3),
    '},"qoeData":{"media.qoe.bitrate":1000}}',
    '},"params":{"note":"jane"}}',
    '},"x":"1234567"}',
    '},"x":"jane-4..."}',
    '},"x":"jane%2D4711"}',
    '},"params":{"analytics.visitorId":"jane-4711"}}',
    '},"params":{"media.id":"clip-1"}}',
    '},"playerTime":{"playhead":1,"ts":1234567}}',
    "}",
]
SENT = [
    *([] for _ in range(3)),
    [("User-Agent", "player")],
    [("Cookie", "id=jane-4711")],
    [("X-Device", "1795411234567")],
    [("Cookie", "id=4711471"), ("Referer", "https://a/?visitorId=jane-4711")],
    [("X-Id", ECID)],
    [("X-Name", "Zo\xe9")],
    [("User-Agent", "jane%2D4711")],
]


def times(random: Random) -> str:
    """A playhead and a ts in either order."""
    pair = [f'"playhead":{random.choice(TIMES)}', f'"ts":{random.choice(TIMES[3:])}']
    return ",".join(random.sample(pair, 2))


def repeated_calls(seed: int) -> list[Exchange]:
    """Sessions of persons whose identifiers may be numbers; their events differ in little."""
    random, made = Random(seed), list[Exchange]()
    known = [random.choice(["1795411234567", "4711471", "jane-4711", "123456", "ts", ECID, ":1,", "", "playhead"])]
    for sid in ("abc", "def"):
        if random.random() < 0.8:
            params = {"analytics.visitorId": random.choice(known), "media.id": random.choice(["clip-1", "x"])}
            made.append(opened(sid, json.dumps({"eventType": "sessionStart", "params": params}).encode()))
    for number in range(random.randrange(1, 12)):
        sid = random.choice(["abc", "def"])
        body = f'{{"eventType":"ping","playerTime":{{{times(random)}}}{random.choice(TAILS)[1:]}'
        asked = request(body.encode(), f"/api/v1/sessions/{sid}/events{random.choice(QUERIES + [''] * 9)}")
        asked = asked.with_headers([*asked.headers, *random.choice(SENT)])
        answered = response(random.choice([204, 204, 404]), random.choice([[], [("Date", str(number)), *SENT[3]]]))
        call = exchange(asked, msgspec.structs.replace(answered, reason=random.choice(["", "No Content", "jane-4711"])))
        made.append(msgspec.structs.replace(call, session=sid))
    return made


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**32).map(repeated_calls))
def test_calls_like_earlier_ones_are_redacted_the_same(exchanges: list[Exchange]) -> None:
    assert_same(exchanges)


def test_a_ping_like_an_earlier_one_is_not_searched_again() -> None:
    redactor = Redactor(KEY)
    pings = [sent("abc", event("ping", at, at)) for at in range(3)]
    redactor.redact(opened("abc", start()))
    redactor.redact(pings[0])
    with patch.object(Redactor, "_redact_any", side_effect=AssertionError):
        assert [*map(redactor.redact, pings)] == pings


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_texts, "MOST_KEPT", 3)
    redactor = Redactor(KEY)
    redactor.redact(opened("abc", start()))
    for at in range(10):
        redactor.redact(sent("abc", event("ping", 1, 1, {f"name-{at}": 1})))
    assert 0 < len(redactor._texts._bodies) <= 3


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_short_ways_replace_the_same_in_recordings(path: Path) -> None:
    exchanges = [each.exchange for each in read_recording(path) if isinstance(each, Entry)]
    assert exchanges
    assert_same(exchanges)


def test_what_players_send_takes_the_short_way() -> None:
    reader = PlainJsonReader(IdentifyingKeys())
    asked, ping = request(start()), request(event("ping"))
    plain = reader.read(asked, asked.content())
    assert plain is not None
    assert [asked.content()[start:end] for start, end in plain.spans] == [b'"%b"' % ECID.encode()]
    assert not plain.is_content
    assert reader.read(ping, ping.content()) == ([], True)


@given(st.lists(st.sampled_from([*IDENTIFIERS, "1.2345678901234567e+37", "1234567890", "e+36", ".eyJ", "0", "-", "F"])))
def test_shapes_are_found_without_the_first_look(parts: list[str]) -> None:
    content = "".join(parts).encode()
    zeros = content.translate(bytes(48 if byte in b"0123456789ABCDEF" else byte for byte in range(256)))
    assert list(values_by_shape(content)) == list(_values_by_signs(content, zeros.decode("latin-1")))
