"""The audit of recordings in parts: the results of one audit, however many parts there are."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.session_strategies import record, sessions
from support.sessions import BEGIN_MS, Timeline, entries, make_exchange, visitor_of
from tapehead.auditor import divided_audit, recordings_audit
from tapehead.auditor.arrival_order import sort_by_arrival
from tapehead.auditor.divided_audit import DividingAudit, NotDivisibleError, PartialAudit
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.metrics.calculator import calculate
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Answered, Entry, Exchange, encode, format_time
from tapehead.protocol.messages import Response
from tapehead.protocol.outline import outline_of
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import build_schema
from tapehead.rules.several_sessions import SESSION_RESTARTED, STRAY_PINGS

SOME = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


def divided(given: Iterable[Entry], parts: int, batch: int = 1) -> list[SessionResult]:
    """The results of an audit in parts, with so many exchanges a batch."""
    divider = DividingAudit(parts)
    partial = [PartialAudit(parts, AuditSettings(), {}, calculate) for _ in range(parts)]
    results: dict[int, SessionResult | None] = {}

    def pass_on() -> None:
        times, steps = divider.take_batch()
        for part, own in zip(partial, steps, strict=True):
            results.update(part.follow(memoryview(times).cast("d"), own))

    for number, entry in enumerate(sort_by_arrival(map(outlined, given))):
        divider.add(entry)
        if number % batch == 0:
            pass_on()
    for _ in divider.close():
        pass
    pass_on()
    assert sorted(results) == list(range(divider.closed))
    return [result for _, result in sorted(results.items()) if result]


def outlined(entry: Entry) -> Entry:
    """The entry as it is read to be divided; of some recordings, as it is read from other formats."""
    outline = outline_of(encode(entry.exchange)) if entry.line % 5 else None
    return entry._replace(exchange=outline or entry.exchange)


def moved(exchange: Exchange, sid: str, visitor: str, seconds: float, key: str) -> Exchange:
    """The exchange as one of another session, visitor, time and test."""
    arrived, old = arrival_of(exchange), exchange.session
    assert arrived is not None
    content = exchange.request.content().replace(visitor_of(old).encode(), visitor.encode())
    return msgspec.structs.replace(
        exchange,
        started=format_time(arrived / 1000 + seconds),
        session=old and sid,
        request=exchange.request.with_content(content) if exchange.request.body else exchange.request,
        answered=Answered("hit", key=key) if key else None,
    )


@st.composite
def schemas(draw: st.DrawFn) -> Exchange:
    """The fetch of a schema, which asks for more than the documented one."""
    name = draw(st.sampled_from(["ping", "play", "sessionStart"]))
    schema = build_schema(name) | {"required": ["eventType", draw(st.sampled_from(["params", "other"]))]}
    fetch = make_exchange(f"/api/v1/schemas/{name}", b"", call=Call.SCHEMA, sid=None, status=200)
    response = Response(status=200, headers=[]).with_content(msgspec.json.encode(schema))
    return msgspec.structs.replace(fetch, response=response)


@st.composite
def mixes(draw: st.DrawFn) -> list[Exchange]:
    """Sessions of few visitors, ids and tests, which overlap or follow after hours, with schemas and preflights."""
    exchanges: list[Exchange] = []
    seconds = st.integers(0, 200) | st.sampled_from([4000, 50_000, 95_000])
    for _ in range(draw(st.integers(1, 6))):
        sid, visitor = (
            draw(st.sampled_from(["s1", "s2", "s3", "s4"])),
            draw(st.sampled_from(["1" * 37 + "2", "7" * 37])),
        )
        shift, key = draw(seconds), draw(st.sampled_from(["", "", "one", "two"]))
        exchanges += [moved(each, sid, visitor, shift, key) for each in draw(sessions("s"))]
    for _ in range(draw(st.integers(0, 3))):
        extra = draw(schemas() | st.just(make_exchange("/api/v1/sessions", b"", call=Call.PREFLIGHT, sid=None)))
        exchanges.append(moved(extra, "", "", draw(seconds), ""))
    return record(exchanges)


@SOME
@given(mixes(), st.integers(1, 3), st.integers(1, 40))
def test_parts_find_what_the_whole_finds(exchanges: list[Exchange], parts: int, batch: int) -> None:
    expected = list(audit(entries(exchanges)))
    try:
        results = divided(entries(exchanges), parts, batch)
    except NotDivisibleError:
        assume(False)
    assert results == expected


@SOME
@given(mixes(), st.integers(2, 3), st.randoms(use_true_random=False))
def test_rubbish_may_come_in_any_order(exchanges: list[Exchange], parts: int, chance: Any) -> None:
    chance.shuffle(exchanges)
    try:
        results = divided(entries(exchanges), parts)
    except NotDivisibleError:
        assume(False)
    assert results == list(audit(entries(exchanges)))


@SOME
@given(mixes(), st.integers(2, 3))
def test_few_sessions_may_be_open(exchanges: list[Exchange], parts: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recordings_audit, "MOST_OPEN", 1)
        patched.setattr(recordings_audit, "MOST_REMEMBERED", 1)
        try:
            results = divided(entries(exchanges), parts)
        except NotDivisibleError:
            assume(False)
        assert results == list(audit(entries(exchanges)))


def many(count: int) -> Iterator[Timeline]:
    """Pairs of sessions of one visitor: a restart in half of the pairs, and pings that go on in the other half."""
    for number in range(count):
        begin, visitor = BEGIN_MS + number * 1700, f"{number + 10**37:038d}"
        yield Timeline(f"a{number}", begin, visitor).row("play").pings(10, 200 if number % 2 else 50)
        later = Timeline(f"b{number}", begin + 60_000, visitor)
        yield later.start(id="news-2" if number % 2 else "news-1").at(1, "play").pings(10, 200)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_rules_on_several_sessions_find_them_in_one_part(parts: int) -> None:
    exchanges = record([each for timeline in many(12) for each in timeline.exchanges])
    results = divided(entries(exchanges), parts, batch=7)
    assert results == list(audit(entries(exchanges)))
    rules = [finding.rule for result in results for finding in result.findings]
    assert (rules.count(SESSION_RESTARTED.id), rules.count(STRAY_PINGS.id)) == (6, 6)


def test_sessions_are_spread_evenly() -> None:
    exchanges = record([each for timeline in many(30) for each in timeline.exchanges])
    divider = DividingAudit(3)
    for entry in entries(exchanges):
        divider.add(entry)
    sizes = sorted(map(len, divider.take_batch()[1]))
    assert sizes[0] > 0.8 * sizes[-1]


def test_a_client_in_two_parts_is_not_divisible() -> None:
    """The start of each session comes late, when it is in a part already."""
    late = []
    for number in range(3):
        start, *events = Timeline(f"s{number}", visitor="1" * 37 + "2").row("play", "ping").exchanges
        late.append([*events, msgspec.structs.replace(start, started=format_time(BEGIN_MS / 1000 + 60))])
    with pytest.raises(NotDivisibleError):
        divided(entries([each for row in zip(*late, strict=True) for each in row]), 2)


def test_more_comparisons_than_are_kept_are_not_divisible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divided_audit, "MOST_OVERLAPS", 10)
    exchanges = record([each for timeline in many(30) for each in timeline.exchanges])
    with pytest.raises(NotDivisibleError):
        divided(entries(exchanges), 2)
