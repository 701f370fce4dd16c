"""Refusals by the endpoint: a detail of what explains them, and a finding of their own where nothing does."""

import pytest

from support.rule_pairs import row, timeline
from support.sessions import BEGIN_MS, Timeline, body_of, rules_of, run
from tapehead.auditor.results import SessionFinding
from tapehead.auditor.session_audit import SessionAudit
from tapehead.protocol.routes import Call


def findings(played: Timeline) -> list[SessionFinding]:
    (result,) = played.audit()
    return result.findings


@pytest.mark.parametrize("status", [404, 410])
def test_a_second_session_end_may_be_refused(status: int) -> None:
    assert row("play", "sessionEnd").at(11, "sessionEnd", status=status).rules() == []


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("arrives", [9.999, 10.02])
def test_a_call_in_flight_as_the_session_closes_may_be_refused(status: int, arrives: float) -> None:
    played = row("play").at(9.9, "ping", arrives=arrives, status=status).at(10, "sessionEnd", arrives=10)
    assert played.rules() == []


def test_a_refusal_that_comes_late_waits_for_an_end_in_flight_with_it() -> None:
    """The ping is answered after 20 s; the sessionEnd arrives before that, and is answered last."""
    played = row("play").at(10, "ping", status=410, elapsed_ms=20_000).at(20, "ping").at(29, "bitrateChange")
    played.at(29.5, "sessionEnd", elapsed_ms=3_000)
    start, play, refused, ping, change, end = played.exchanges
    audit = SessionAudit(hold_ms=1_000)
    told = [found.rule for each in (start, play, ping, change, refused, end) for found in audit.add(each)]
    assert [*told, *(found.rule for found in audit.close().findings)] == []


def test_a_call_that_was_answered_before_the_end_may_not_be_refused() -> None:
    played = row("play").at(9.9, "ping", arrives=9.91, status=410, elapsed_ms=20).at(10, "sessionEnd", arrives=10)
    (found,) = findings(played)
    assert (found.rule, found.message) == ("rejected", "the endpoint answered 410 (event 2 ping, 9.9 s in)")


def test_an_event_after_the_end_has_the_answer_as_a_detail() -> None:
    (found,) = findings(row("play", "sessionEnd").at(11, "ping", status=410).at(12, "play", status=410))
    assert found.rule == "event-after-end"
    assert found.message.endswith(
        "expected nothing after it (2 such events); the endpoint answered 410 (event 3, 11.0 s in)"
    )


def test_an_unknown_session_has_the_answer_as_a_detail() -> None:
    (found,) = findings(Timeline().at(1, "play", status=404).at(2, "ping", status=404).at(3, "sessionEnd", status=404))
    assert found.rule == "unknown-session"
    assert "; the endpoint answered 404 (event 0" in found.message


def test_a_session_that_was_known_at_first_and_then_not_has_a_finding_of_its_own() -> None:
    assert Timeline().at(1, "play").at(2, "ping", status=404).rules() == ["unknown-session", "rejected"]


@pytest.mark.parametrize("late_answer", [False, True])
def test_an_expired_session_has_the_answer_as_a_detail(late_answer: bool) -> None:
    played = row("play").at(700, "ping", status=204 if late_answer else 410)
    (found,) = findings(played.at(701, "sessionEnd", status=410))
    assert found.rule == "expired-idle"
    assert ("; the endpoint answered 410 (event 2" in found.message) is not late_answer


def test_a_start_by_the_wrong_call_has_the_answer_as_a_detail() -> None:
    (found,) = findings(Timeline().raw(body_of("play", 0, BEGIN_MS), Call.SESSION, status=400))
    assert (found.rule, found.message.endswith("; the endpoint answered 400 (event 0, 0.0 s in)")) == (
        "session-start-misplaced",
        True,
    )


@pytest.mark.parametrize("status", [400, 404, 410, 500, 503])
def test_what_nothing_explains_stands_alone(status: int) -> None:
    assert row("play").at(10, "ping", status=status).at(11, "sessionEnd").rules() == ["rejected"]


def test_what_comes_after_the_end_is_refused_for_that_reason() -> None:
    played = row("play", "sessionEnd").at(11, "ping", status=204).at(12, "ping", status=400)
    assert played.rules() == ["event-after-end"]


def test_a_refusal_is_a_detail_of_what_comes_after_the_end_however_the_session_is_driven() -> None:
    played = row("play", "sessionEnd").at(20, "ping", status=410).at(40, "ping", status=410).at(60, "play", status=410)
    audit = SessionAudit()
    for exchange in played.exchanges:
        audit.add(exchange)
    assert [each.message for each in audit.close().findings] == [each.message for each in findings(played)]


def test_a_refusal_is_told_while_the_session_goes_on() -> None:
    played = row("play").at(10, "ping", status=400).pings(20, 90).at(91, "sessionEnd")
    audit = SessionAudit()
    told = [[each.rule for each in audit.add(exchange)] for exchange in played.exchanges]
    audit.close()
    assert [rule for rules in told for rule in rules] == ["rejected"]
    assert told.index(["rejected"]) < 6
    assert audit.remaining == []


def test_late_events_of_a_session_that_ended_may_be_refused() -> None:
    ended = row("play", "sessionEnd").exchanges
    other = Timeline(sid="s2", begin_ms=BEGIN_MS + 200_000).row("play", "sessionEnd").exchanges
    again = Timeline(begin_ms=BEGIN_MS + 400_000).at(1, "sessionEnd", status=410).exchanges
    assert rules_of(run([*ended, *other, *again])) == []


def test_bitrates_and_pings_with_params_are_named_once_a_session() -> None:
    played = timeline().at(1, "play", qoeData={"media.qoe.bitrate": 3200})
    for second in (11, 21, 31):
        played.at(second, "ping", {"media.qoe.bitrate": 2500})
    assert played.at(32, "sessionEnd").rules() == ["bitrate-unit", "ping-params"]
