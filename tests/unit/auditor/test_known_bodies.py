"""Bodies that are known from an earlier one are read as those that are not."""

from itertools import product
from unittest.mock import patch

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import NOW, exchange, request, response
from support.session_strategies import FEW, sessions
from support.sessions import Timeline, entries, mix
from tapehead.auditor import received_events
from tapehead.auditor.received_events import EventReader, ReceivedEvent
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.settings import AuditSettings
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.body_time import split_anew, split_body
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Exchange, decode, encode
from tapehead.recording.pipeline import ExchangePipeline
from tapehead.rules import known_bodies
from tapehead.rules.known_bodies import KnownBodies

MS = round(NOW * 1000)
# Seconds of that day.
AT = NOW % 86_400
# The text of bodies, with the places of their time.
FORMS = [
    '{"eventType":"ping","playerTime":%s}',
    '{"playerTime":%s,"eventType":"play"}',
    '{"eventType":"play","playerTime": %s,"params":{"media.ad.podPosition":1},"customMetadata":{"a.b":"c"}}',
    '{"eventType":"bitrateChange","playerTime":%s,"qoeData":{"media.qoe.bitrate":800}}',
    '{"eventType":"ping","params":{"playerTime":%s}}',
    '{"eventType":"ping","playerTime":{"playhead":5,"ts":1795401600000},"params":{"playerTime":%s}}',
    '{"eventType":"ping","playerTime":%s,"playerTime":{"playhead":5,"ts":1795401600000}}',
    '{"eventType":"ping","playerTime":%s,"player\\u0054ime":{"playhead":5,"ts":1795401600000}}',
    '{"eventType":"ping","customMetadata":{"x":"\\"playerTime\\":{"},"playerTime":%s}',
    '{"eventType":"error","playerTime":%s,"qoeData":{"media.qoe.errorID":"playerTime"}}',
    '{"eventType":"resume","playerTime":%s}',
    '{"eventType":7,"playerTime":%s}',
    '[{"eventType":"ping","playerTime":%s}]',
    '{"playerTime":%s',
    '{"eventType":"ping","playerTime":%s} {}',
]
GOOD = f'{{"playhead":10,"ts":{MS}}}'
PLAYHEADS = ["0", "10.0", "10.25", "-1", "-0", "1e3", "01", "3.", '"3"', "null", "true", "123456789012345.1", "1" * 400]
STAMPS = [MS, MS + 59_000, MS - 61_000, MS // 1000, MS * 1000, f"{MS}.0", 0, "1" * 19, "null"]
TIMES = [
    *(f'{{"playhead":{playhead},"ts":{ts}}}' for playhead, ts in product(PLAYHEADS, STAMPS)),
    *(f'{{"ts":{ts},"playhead":{playhead}}}' for playhead, ts in product(PLAYHEADS, STAMPS)),
    f'{{"playhead": 20, "ts": {MS}}}',
    f'{{"playhead":20,"ts":{MS},"x":1}}',
    '{"playhead":20}',
    f'{{"playhead":20,"ts":{MS},"ts":5}}',
]


def call(body: str, declared: str = "application/json", status: int | None = 204, late: float = 0) -> Exchange:
    asked = request(body.encode(), "/api/v1/sessions/s1/events", Content_Type=declared)
    return exchange(asked, None if status is None else response(status), AT + late)


def unusual(body: str) -> list[Exchange]:
    """Calls with this body whose findings, or whose event, are not those of the body alone."""
    sent = call(body)
    others = [call(body, "text/plain"), call(body, status=400), call(body, status=201), call(body, status=None)]
    others += [call(body, late=61), msgspec.structs.replace(sent, closed_by="client")]
    return [*others, msgspec.structs.replace(sent, request=msgspec.structs.replace(sent.request, saved=False))]


def read(exchanges: list[Exchange]) -> list[list[ReceivedEvent]]:
    reader = EventReader(AuditSettings())
    return [reader.read(entry) for entry in entries(exchanges)]


def read_in_full(exchanges: list[Exchange]) -> list[list[ReceivedEvent]]:
    with patch.object(KnownBodies, "find", return_value=None):
        return read(exchanges)


def record(exchanges: list[Exchange]) -> list[bytes | None]:
    pipeline = ExchangePipeline(None, InternalErrors())
    return [pipeline.process(each, (arrival_of(each) or 0) / 1000) for each in exchanges]


def record_in_full(exchanges: list[Exchange]) -> list[bytes | None]:
    with patch.object(KnownBodies, "find", return_value=None):
        return record(exchanges)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("known", [GOOD, f'{{"playhead":5,"ts":{MS}}}'])
def test_bodies_of_all_forms_are_read_alike(form: str, known: str) -> None:
    first = call(form % known)
    exchanges = [first, *(call(form % time) for time in TIMES), first, *unusual(form % GOOD), first]
    assert repr(read(exchanges)) == repr(read_in_full(exchanges))
    assert repr(read(exchanges[::-1])) == repr(read_in_full(exchanges[::-1]))
    assert record(exchanges) == record_in_full(exchanges)


@given(st.lists(st.tuples(st.integers(0, 10**15), st.none() | st.integers(0, 10**21)), min_size=1))
def test_playheads_have_the_same_value(parts: list[tuple[int, int | None]]) -> None:
    playheads = [str(whole) if part is None else f"{whole}.{part}" for whole, part in parts]
    exchanges = [call(FORMS[0] % f'{{"playhead":{playhead},"ts":{MS}}}') for playhead in playheads]
    assert repr(read(exchanges)) == repr(read_in_full(exchanges))


@FEW
@given(st.lists(sessions("s"), min_size=1, max_size=3))
def test_sessions_are_read_alike(parts: list[list[Exchange]]) -> None:
    together = mix(*(Timeline(sid="", exchanges=part) for part in parts))
    assert repr(read(together)) == repr(read_in_full(together))


def pings(count: int, **more: object) -> list[Exchange]:
    bodies = [
        {"eventType": "ping", "playerTime": {"playhead": at, "ts": MS + at * 1000}, **more} for at in range(count)
    ]
    path = "/api/v1/sessions/s1/events"
    return [exchange(request(body, path), response(204), AT + at) for at, body in enumerate(bodies)]


def checked(exchanges: list[Exchange]) -> int:
    """How many exchanges were checked in full."""
    reader = EventReader(AuditSettings())
    with patch.object(reader, "_check", wraps=reader._check) as check:
        for entry in entries(exchanges):
            reader.read(entry)
    return check.call_count


@pytest.mark.parametrize("more", [{}, {"qoeData": {"media.qoe.bitrate": 3200}}], ids=["plain", "with a finding"])
def test_of_equal_pings_the_first_is_checked(more: dict[str, object]) -> None:
    assert checked(pings(30, **more)) == 1


def test_the_audit_does_not_keep_the_parts_of_a_body() -> None:
    exchanges = pings(3)
    read(exchanges)
    assert not any("split" in each.request.__dict__ for each in exchanges)
    for each in exchanges:
        assert split_body(each.request) == split_anew(each.request) is not None


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_bodies, "MOST_KNOWN", 10)
    known, (asked,) = KnownBodies(), pings(1)
    event = read([asked])[0][0].event
    assert event
    for number in range(25):
        body = {"eventType": "ping", "playerTime": {"playhead": 0, "ts": MS}, "customMetadata": {"n": str(number)}}
        sent = request(body)
        known.learn(sent, event, ())
        assert known.find(sent, MS) is not None
    assert len(known._known) <= 10
    long = request({"eventType": "ping", "playerTime": {"playhead": 0, "ts": MS}, "customMetadata": {"n": "x" * 2000}})
    known.learn(long, event, ())
    assert known.find(long, MS) is None
    assert orjson.loads(bytes(long.body))


def test_events_share_the_texts_that_all_lines_of_a_session_have() -> None:
    exchanges = [decode(encode(each)) for each in Timeline().row("play", "ping", "ping", "ping").exchanges]
    (result,) = audit(entries(exchanges))
    assert len({id(step.event.sid) for step in result.steps[3:]}) == 1 < len({id(each.session) for each in exchanges})


def test_results_do_not_depend_on_how_many_texts_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (Timeline(sid=sid).row("play", "ping", "ping", "sessionEnd").exchanges for sid in ("s1", "s2"))
    exchanges = [each for pair in zip(one, other, strict=True) for each in pair]
    expected = list(audit(entries(exchanges)))
    monkeypatch.setattr(received_events, "_MOST_SHARED", 1)
    assert list(audit(entries(exchanges))) == expected
