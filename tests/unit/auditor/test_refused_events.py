"""Events that the endpoint refused: what they would have opened or closed is judged by no rule on others."""

from collections.abc import Iterator

import msgspec
import pytest

from support.sessions import BEGIN_MS, ad, make_exchange, rules_of, run
from support.sound_session import SOUND, Row, body_of_row, chapter, deliver
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Response

PARAMS = {
    "adStart": ad(1, 10),
    "chapterStart": chapter(9, 1, 10),
    "stateStart": {"media.state.name": "pip"},
    "stateEnd": {"media.state.name": "pip"},
    "bitrateChange": {},
}
# A sessionStart opens another session, where it is refused as well.
TYPES = sorted(set(EVENT_TYPES) - {"sessionStart"})
# Mistakes of the session, by the place of the event that is missing.
MISSING = {9: "chapter-not-open", 12: "state-not-open", 15: "playhead-paused", 24: "ad-outside-break"}
MISSING |= {19: "buffer-not-ended", 26: "ad-left-open", 27: "ad-break-left-open", 30: "chapter-left-open"}
# What may be open since a refused event is not judged before it is surely open or closed again.
DOUBTED = {"adBreakStart": 24, "adStart": 24, "chapterStart": 9, "stateStart": 12}


def refused(exchange: Exchange, status: int = 400) -> Exchange:
    return msgspec.structs.replace(exchange, response=Response(status=status, headers=[]))


def with_refused(event_type: str, place: int, rows: tuple[Row, ...] = SOUND) -> list[Exchange]:
    """The session with an event more behind a place, which is refused."""
    before, after = rows[place], rows[place + 1]
    params = PARAMS.get(event_type)
    if event_type == "adBreakStart":
        params = {"media.ad.podIndex": 7, "media.ad.podSecond": before.playhead}
    row = Row(round(before.at + min(0.05, (after.at - before.at) / 2), 3), event_type, before.playhead, params)
    exchanges = deliver([*rows[: place + 1], row, *rows[place + 1 :]])
    exchanges[place + 1] = refused(exchanges[place + 1])
    return exchanges


def findings_elsewhere(exchanges: list[Exchange], place: int) -> Iterator[str]:
    """The findings at other events than that behind a place."""
    for result in run(exchanges):
        yield from (each.rule for each in result.findings if each.event is None or each.event.index != place + 1)


@pytest.mark.parametrize("status", [400, 404, 410, 500])
@pytest.mark.parametrize("place", range(1, len(SOUND)))
def test_a_sound_session_has_no_finding_but_that_an_event_was_refused(place: int, status: int) -> None:
    exchanges = deliver(SOUND)
    exchanges[place] = refused(exchanges[place], status)

    assert set(rules_of(run(exchanges))) <= {"rejected"} | ({"kept-sending"} if status in (404, 410) else set())


@pytest.mark.parametrize("event_type", TYPES)
def test_a_refused_event_makes_no_finding_at_others(event_type: str) -> None:
    for place in range(len(SOUND) - 1):
        assert list(findings_elsewhere(with_refused(event_type, place), place)) == [], place


@pytest.mark.parametrize("event_type", TYPES)
def test_a_refused_event_silences_no_finding_later_on(event_type: str) -> None:
    for missing, rule in MISSING.items():
        rows = SOUND[:missing] + SOUND[missing + 1 :]
        is_found = rule in findings_elsewhere(with_refused(event_type, 7, rows), 7)
        assert is_found is (DOUBTED.get(event_type) != missing), missing


def with_retry(rows: tuple[Row, ...], place: int, delay: float) -> list[Exchange]:
    """The session with an event that is refused at first, and accepted some seconds later."""
    row, exchanges = rows[place], deliver(rows)
    arrived_ms = BEGIN_MS + (row.at + delay) * 1000 + 3
    retry = make_exchange("/api/v1/sessions/s1/events", body_of_row(row), status=204, arrived_ms=arrived_ms)
    exchanges[place] = refused(exchanges[place], 500)
    exchanges.insert(sum(each.at <= row.at + delay for each in rows), retry)
    return exchanges


@pytest.mark.parametrize("missing", MISSING)
def test_a_retry_that_is_accepted_counts_as_if_it_had_come_at_once(missing: int) -> None:
    rows = SOUND[:missing] + SOUND[missing + 1 :]
    told = sorted(rules_of(run(deliver(rows))))
    for place in range(1, len(rows)):
        for delay in (0.05, 4):
            found = rules_of(run(with_retry(rows, place, delay)))
            assert sorted(rule for rule in found if rule not in ("rejected", "repeated-event")) == told, (place, delay)


@pytest.mark.parametrize("place", range(1, len(SOUND)))
def test_a_late_retry_makes_no_finding_elsewhere(place: int) -> None:
    for delay in (5.1, 7, 12):
        assert set(rules_of(run(with_retry(SOUND, place, delay)))) <= {"rejected", "repeated-event"}, delay
