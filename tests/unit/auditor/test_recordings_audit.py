"""The audit of whole recordings: which exchanges make a session, how it came out, what is forgotten and when."""

import json
from typing import Any

import pytest

from support.sessions import (
    BASE,
    BEGIN_MS,
    CHAPTER,
    HOUR_MS,
    Timeline,
    ad,
    body_of,
    entries,
    make_exchange,
    mix,
    rules_of,
    run,
)
from tapehead.auditor.received_events import recorded_schemas
from tapehead.auditor.recordings_audit import MOST_OPEN, RecordingsAudit, audit
from tapehead.auditor.results import Outcome, SessionResult
from tapehead.protocol.exchange import Exchange, Severity
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import build_schema


def only(results: list[SessionResult]) -> SessionResult:
    (result,) = results
    return result


def schema_exchange(event_type: str, schema: object, status: int = 200) -> Exchange:
    exchange = make_exchange(f"/api/v1/schemas/{event_type}", b"", call=Call.SCHEMA, sid=None, status=status)
    assert exchange.response
    answered = exchange.response.with_content(json.dumps(schema).encode())
    return Exchange(**{name: getattr(exchange, name) for name in Exchange.__struct_fields__} | {"response": answered})


OUTCOMES = [
    (Timeline().row("play", "sessionComplete", "sessionEnd"), Outcome.COMPLETED),
    (Timeline().row("play", "sessionEnd"), Outcome.ENDED),
    (Timeline().row("play", "ping"), Outcome.SILENT),
    (Timeline().row("play").at(700, "ping"), Outcome.TIMED_OUT),
    (Timeline().row("play").at(9, "ping", status=410), Outcome.UNKNOWN_SESSION),
    (Timeline().row("play", "sessionEnd").at(11, "ping", status=410), Outcome.ENDED),
    (Timeline(sid=None).start(status=400), Outcome.START_REFUSED),
    (Timeline(sid=None).start(location=None), Outcome.START_REFUSED),
    (Timeline(sid=None).start(status=None), Outcome.START_UNANSWERED),
    (
        Timeline(sid=None).raw([body_of("sessionStart", 0, BEGIN_MS)], Call.DOWNLOADED, status=400),
        Outcome.START_REFUSED,
    ),
    (Timeline().at(1, "play"), Outcome.SILENT),
    # Refused events count for nothing, and neither do misspelt ones.
    (Timeline().row("play").at(9, "sessionComplete", status=400).at(10, "sessionEnd"), Outcome.ENDED),
    (Timeline().row("play").at(9, "sessionComplet", status=400).at(10, "sessionEnd"), Outcome.ENDED),
    (Timeline().row("play").at(9, "sessionComplet").at(10, "sessionEnd"), Outcome.ENDED),
    (Timeline().row("play").at(9, "sessionEnd", status=400), Outcome.SILENT),
    (Timeline().row("play").at(9, "sessionEnd", status=400).at(10, "sessionComplete"), Outcome.COMPLETED),
]


@pytest.mark.parametrize(("timeline", "outcome"), OUTCOMES, ids=lambda value: value if isinstance(value, str) else "")
def test_outcomes(timeline: Timeline, outcome: Outcome) -> None:
    assert only(timeline.audit()).outcome is outcome


def test_a_result_says_what_the_report_needs() -> None:
    result = only(Timeline().start(length=10).at(5, "play").at(10, "ping").at(15, "sessionComplete").audit())
    report = result.report()
    assert report.pop("metrics")["media_starts"] == 1
    assert report == {
        "id": "s1",
        "recording": "recording.jsonl",
        "media_id": "news-1",
        "media_name": "News",
        "player": "web",
        "started": "2026-11-23T10:00:00.005000Z",
        "events": 4,
        "outcome": "completed",
        "findings": [],
    }
    found = only(Timeline().row("play", "adSkip", "sessionEnd").audit()).report()["findings"]
    assert found == [
        {
            "rule": "ad-not-open",
            "severity": "error",
            "message": "adSkip: no ad is open; expected adStart before it (event 2, 10.0 s in)",
            "path": "",
            "event": {"index": 2, "type": "adSkip", "playhead": 5.0, "ts": BEGIN_MS + 10_000},
            "line": 3,
        }
    ]


def test_three_tries_of_a_start_are_three_sessions() -> None:
    tries = [exchange for _ in range(2) for exchange in Timeline(sid=None).start(status=500).exchanges]
    results = run([*tries, *Timeline().row("play", "sessionEnd").exchanges])
    assert [result.outcome for result in results] == [Outcome.START_REFUSED, Outcome.START_REFUSED, Outcome.ENDED]
    assert rules_of(results) == ["rejected", "rejected"]


def test_a_rejected_start_has_no_findings_of_an_open_session() -> None:
    assert Timeline(sid=None).start(status=400).rules() == ["rejected"]


def test_the_same_id_again_is_another_session() -> None:
    first, second = Timeline().row("play"), Timeline(begin_ms=BEGIN_MS + 60_000).row("play", "ping")
    assert [result.events for result in run([*first.exchanges, *second.exchanges])] == [2, 3]


def test_an_array_is_a_session_of_its_own() -> None:
    types = ("sessionStart", "play", "ping", "adComplete", "sessionComplete")
    bodies = [body_of(name, i * 50, BEGIN_MS - HOUR_MS + i * 50_000) for i, name in enumerate(types)]
    result = only(Timeline(sid=None).raw(bodies, Call.DOWNLOADED, status=201).audit())
    assert (result.events, result.outcome) == (5, Outcome.COMPLETED)
    assert [(each.rule, each.event and each.event.index) for each in result.findings] == [
        ("ad-not-open", 3),
        ("complete-early", 4),
    ]


def test_findings_in_an_array_go_to_their_event() -> None:
    start, play = body_of("sessionStart", 0, BEGIN_MS), body_of("play", 0, BEGIN_MS + 1, {"media.ids": "x"})
    result = only(Timeline(sid=None).raw([start, play], Call.DOWNLOADED, status=201).audit())
    found = next(each for each in result.findings if each.rule == "unknown-parameter")
    assert (found.path, found.event and found.event.index) == ("[1].params.media.ids", 1)


def test_paths_in_an_array_begin_with_the_place_in_it() -> None:
    start, play = body_of("sessionStart", 0, BEGIN_MS), body_of("play", -1, BEGIN_MS + 1)
    result = only(Timeline(sid=None).raw([start, play], Call.SESSION, status=201).audit())
    paths = {each.rule: each.path for each in result.findings}
    assert paths["playhead-range"] == "[1].playerTime.playhead"
    assert paths["downloaded-flag"] == "[0].params.media.downloaded"


def test_requests_that_overtake_each_other_are_put_in_order() -> None:
    timeline = Timeline().start().at(1, "play", elapsed_ms=5)
    timeline.at(5.010, "adStart", ts=5.001, arrives=5.010).at(5.011, "adBreakStart", ts=5.0, arrives=5.011)
    assert timeline.at(10, "adComplete").at(11, "adBreakComplete").at(12, "sessionEnd").rules() == []


def test_a_request_that_overtakes_one_that_was_answered_is_put_in_order_and_reported() -> None:
    timeline = Timeline().start().at(1, "play", elapsed_ms=5)
    timeline.at(5.010, "adStart", ts=5.001, arrives=5.010, elapsed_ms=5)
    timeline.at(5.016, "adBreakStart", ts=5.0, arrives=5.016)
    assert timeline.at(10, "adComplete").at(11, "adBreakComplete").at(12, "sessionEnd").rules() == ["timestamp-order"]


def test_what_shares_a_ts_and_was_under_way_together_takes_the_order_that_makes_sense() -> None:
    timeline = Timeline().row("play", "adBreakStart", "adStart")
    timeline.at(20, "play", ts=20, arrives=20.001).at(20, "adBreakComplete", ts=20, arrives=20.002)
    timeline.at(20, "adComplete", ts=20, arrives=20.003).at(21, "sessionEnd")
    assert timeline.rules() == ["equal-timestamps"]


def test_one_after_the_other_they_stay_as_they_came() -> None:
    timeline = Timeline().row("play", "adBreakStart", "adStart")
    timeline.at(20, "adBreakComplete", ts=20, arrives=20.001).at(20, "adComplete", ts=20, arrives=20.1)
    timeline.at(21, "sessionEnd")
    assert timeline.rules() == ["ad-left-open", "equal-timestamps"]


def test_events_queued_before_the_201_are_fine() -> None:
    timeline = Timeline().start().at(0.2, "play", arrives=1.5).at(0.3, "chapterStart", arrives=1.501)
    assert timeline.at(9, "chapterSkip").at(10, "sessionEnd").rules() == []


def test_a_late_straggler_makes_no_gap() -> None:
    timeline = Timeline().row("play").pings(15, 55).at(55.2, "bitrateChange", ts=20).at(60, "ping").at(61, "sessionEnd")
    assert timeline.rules() == ["timestamp-order"]


def test_a_clock_set_back_is_one_finding_not_a_gap_each() -> None:
    timeline = Timeline().row("play").at(15, "ping")
    for second in range(20, 60, 10):
        timeline.at(second, "ping", ts=second - 15)
    assert [rule for rule in timeline.at(60, "sessionEnd", ts=45).rules() if rule != "equal-timestamps"] == [
        "timestamp-order"
    ]


def test_a_ts_in_seconds_is_one_finding() -> None:
    timeline = Timeline().start()
    bodies = [("sessionStart", 0), ("play", 1), ("ping", 11), ("ping", 21), ("sessionEnd", 25)]
    timeline.exchanges.clear()
    for name, second in bodies:
        call = Call.SESSION if name == "sessionStart" else Call.EVENT
        body = body_of(name, 0 if second < 2 else second, BEGIN_MS // 1000 + second)
        status, location = (201, "/api/v1/sessions/s1") if call is Call.SESSION else (204, None)
        timeline.raw(body, call, status=status, arrived_ms=BEGIN_MS + second * 1000, location=location)
    assert timeline.rules() == ["timestamp-unit"]


def test_a_skewed_clock_is_one_finding() -> None:
    timeline = Timeline().row("play")
    for second in (10, 20, 30):
        timeline.at(second, "ping", arrives=second + 300)
    assert timeline.rules().count("clock-skew") == 1


def test_after_a_404_what_follows_is_not_rejected_anew() -> None:
    timeline = Timeline().row("play").pings(15, 55, status=404)
    assert timeline.rules() == ["rejected", "kept-sending"]


def test_a_400_each_is_a_rejection_each() -> None:
    assert Timeline().row("play").pings(15, 35, status=400).rules().count("rejected") == 3


def test_a_recording_that_began_late_forgives_what_it_cannot_know() -> None:
    timeline = Timeline().at(1, "adComplete").at(2, "adStart").at(7, "adComplete").at(8, "adBreakComplete")
    timeline.at(9, "chapterComplete").at(10, "stateEnd").at(11, "ping").at(12, "sessionEnd")
    assert timeline.rules() == ["unknown-session"]


def test_a_restart_after_a_day_repeats_what_is_open() -> None:
    first = Timeline(sid="a").row("play", "chapterStart", "chapterSkip", "sessionEnd")
    second = Timeline(sid="b", begin_ms=BEGIN_MS + 30_000).start(resume=True).at(0.01, "chapterStart", CHAPTER)
    second.at(0.02, "stateStart").at(0.03, "play").at(5, "chapterSkip").at(6, "sessionEnd")
    assert rules_of(run(mix(first, second))) == []


def test_a_session_end_after_the_longest_rest_leaves_open_what_the_next_session_repeats() -> None:
    first = Timeline(sid="a").row("play", "chapterStart", "pauseStart").pings(20, 30 * 60)
    second = Timeline(sid="b", begin_ms=BEGIN_MS + HOUR_MS).start(resume=True).at(0.01, "chapterStart")
    second.at(0.02, "adBreakStart").at(0.03, "adStart", ad(3)).at(0.04, "stateStart").at(5, "adComplete")
    second.at(5.1, "adBreakComplete").at(6, "play").at(9, "chapterSkip").at(10, "sessionEnd")
    assert rules_of(run(mix(first.at(1806, "sessionEnd"), second))) == []


def test_a_session_end_before_that_does_not() -> None:
    timeline = Timeline().row("play", "chapterStart", "pauseStart").pings(20, 28 * 60).at(28 * 60 + 6, "sessionEnd")
    assert timeline.rules() == ["chapter-left-open"]


def test_a_refused_preflight_belongs_to_no_session() -> None:
    refused = make_exchange("/api/v1/sessions", b"", call=Call.PREFLIGHT, sid=None, status=403)
    result = only(run([refused]))
    assert (result.outcome, result.events, rules_of([result])) == (Outcome.NONE, 0, ["rejected"])
    assert only(run([refused])).findings[0].event is None


def test_a_preflight_of_a_session_goes_with_it() -> None:
    timeline = Timeline().row("play")
    path, came = "/api/v1/sessions/s1/events", BEGIN_MS + 5500
    timeline.exchanges.append(make_exchange(path, b"", call=Call.PREFLIGHT, status=403, arrived_ms=came))
    assert only(timeline.at(6, "sessionEnd").audit()).findings[0].rule == "rejected"


def test_a_session_in_several_recordings_is_one_and_names_them_all() -> None:
    start, play, first, second, end = Timeline().row("play", "ping", "ping", "sessionEnd").exchanges
    path, came = "/api/v1/sessions/s1/events", BEGIN_MS + 30_000
    preflight = make_exchange(path, b"", call=Call.PREFLIGHT, status=302, arrived_ms=came)
    parts = {"a.jsonl": [start], "c.jsonl": [play, first], "b.jsonl": [second, end], "d.jsonl": [preflight]}
    result = only(list(audit(entry for name, part in parts.items() for entry in entries(part, name))))
    assert (result.recording, result.recordings) == ("a.jsonl", ("a.jsonl", "c.jsonl", "b.jsonl", "d.jsonl"))
    assert result.events == 5


# ---- Memory ----


def sessions(count: int, *event_types: str, every_ms: float = 10_000) -> list[Exchange]:
    counts = [Timeline(sid=f"s{n}", begin_ms=BEGIN_MS + n * every_ms).row(*event_types, every=1) for n in range(count)]
    return mix(*counts)


def feed(driver: RecordingsAudit, exchanges: list[Exchange]) -> tuple[list[SessionResult], int]:
    results: list[SessionResult] = []
    most = 0
    for entry in entries(exchanges):
        results += driver.add(entry)
        most = max(most, driver.open_sessions)
    return results, most


def test_ended_sessions_are_given_and_dropped() -> None:
    driver = RecordingsAudit()
    results, most = feed(driver, sessions(200, "play", "sessionEnd"))
    assert most < 20
    assert len(results) + len(list(driver.close())) == 200
    assert driver.open_sessions == 0


def test_of_silent_sessions_only_so_many_are_kept() -> None:
    results, most = feed(RecordingsAudit(), sessions(MOST_OPEN + 300, "play"))
    assert most <= MOST_OPEN + 1
    assert len(results) >= 299


def test_events_for_a_session_that_is_gone_are_known_to_be_late() -> None:
    timeline = Timeline().row("play", "sessionEnd")
    other = Timeline(sid="other", begin_ms=BEGIN_MS + HOUR_MS).row("play", "sessionEnd")
    results = run(
        [*timeline.exchanges, *other.exchanges, *Timeline().at(2 * 3600, "ping").at(2 * 3600 + 9, "ping").exchanges]
    )
    late = next(result for result in results if result.outcome is Outcome.LATE_EVENTS)
    assert (late.id, late.events, rules_of([late])) == ("s1", 2, ["event-after-end"])


def test_a_session_that_was_silent_for_days_is_late() -> None:
    days = Timeline(sid="other", begin_ms=BEGIN_MS + 48 * HOUR_MS).row("play", "sessionEnd")
    results = run(
        [*Timeline().row("play").exchanges, *days.exchanges, *Timeline().at(48 * 3600 + 60, "ping").exchanges]
    )
    late = next(result for result in results if result.outcome is Outcome.LATE_EVENTS)
    assert rules_of([late]) == ["expired-idle"]


def test_of_ended_sessions_the_one_that_ended_first_is_closed_first() -> None:
    """s1's two minutes are over when s3 plays, those of s2 are not: its late ping is part of it."""
    first = Timeline(sid="s1").start().at(1, "play").at(10, "sessionEnd")
    second = Timeline(sid="s2").start().at(2, "play").at(100, "sessionEnd")
    third = Timeline(sid="s3", begin_ms=BEGIN_MS + 140_000).start().at(1, "play").at(5, "sessionEnd")
    late = Timeline(sid="s2").at(150, "ping", status=410)
    driver = RecordingsAudit()
    early, _ = feed(driver, mix(first, second, third, late))
    results = [*early, *driver.close()]
    assert [(result.id, result.events) for result in early] == [("s1", 3)]
    assert [(result.id, result.events) for result in results] == [("s1", 3), ("s2", 4), ("s3", 3)]


# ---- Schemas ----


def strict() -> dict[str, Any]:
    schema = build_schema("play")
    schema["definitions"]["play"]["required"].append("qoeData")
    return schema


def test_recorded_schemas_take_precedence() -> None:
    timeline = Timeline().row("play", "sessionEnd")
    results = run([schema_exchange("play", strict()), *timeline.exchanges])
    assert rules_of(results) == ["missing-parameter"]


def test_schemas_found_before_count_from_the_first_event_on() -> None:
    timeline = Timeline().row("play", "sessionEnd")
    found = recorded_schemas([schema_exchange("play", strict())])
    assert list(found) == [BASE] == [timeline.exchanges[0].endpoint]
    assert rules_of(run(timeline.exchanges, schemas=found)) == ["missing-parameter"]
    assert rules_of(run(timeline.exchanges, schemas={"https://elsewhere.example": found[BASE]})) == []


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, [], "x"])
def test_what_is_no_schema_is_left_out(schema: object) -> None:
    assert recorded_schemas([schema_exchange("play", schema)]) == {}
    assert recorded_schemas([schema_exchange("plays", strict()), schema_exchange("play", strict(), 500)]) == {}


def test_severities_come_from_the_catalogue_or_the_finding() -> None:
    timeline = Timeline().start().at(1, "play", {"media.ids": "x"}).at(2, "sessionEnd")
    assert [each.severity for each in only(timeline.audit()).findings] == [Severity.WARNING]


def test_the_session_that_ended_first_closes_first() -> None:
    """Late events belong to a session for two minutes after its end, whatever other sessions ended before it."""
    first = Timeline(sid="s1").row("play", "sessionEnd")
    second = Timeline(sid="s2", begin_ms=BEGIN_MS + 90_000).row("play", "sessionEnd")
    clock = Timeline(sid="s3", begin_ms=BEGIN_MS + 135_000).start()
    late = Timeline(sid="s2", begin_ms=BEGIN_MS + 140_000).at(0, "ping")

    results = run([*first.exchanges, *second.exchanges, *clock.exchanges, *late.exchanges])

    assert [(result.id, result.events) for result in results] == [("s1", 3), ("s2", 4), ("s3", 1)]
