"""What the live audit says while calls come, and while none come."""

import gc
from collections.abc import Iterable

import pytest

from support.live_audits import Listener
from support.sessions import BEGIN_MS, Timeline, entries, mix
from tapehead.auditor import live_findings
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import FindingState, LiveFinding
from tapehead.protocol.exchange import Entry

PROVISIONAL, CONFIRMED, WITHDRAWN = FindingState
VISITOR = "12" * 19


def after(*timelines: Timeline) -> tuple[Listener, list[Entry]]:
    """A live audit that has not heard anything yet, and the calls of some sessions in the order of their answers."""
    return Listener(), list(entries(mix(*timelines)))


def told(changes: Iterable[LiveFinding]) -> list[tuple[str, FindingState]]:
    return [(change.finding.rule, change.state) for change in changes]


def pass_seconds(listener: Listener, first: float, last: float) -> list[LiveFinding]:
    """Let a quarter of a second pass at a time; return what changed."""
    quarters = range(int(first * 4), int(last * 4) + 1)
    return [change for quarter in quarters for change in listener.tick(BEGIN_MS + quarter * 250)]


# ---- Provisional, confirmed, withdrawn ----


def test_a_finding_is_provisional_at_once_and_confirmed_after_the_window() -> None:
    listener, (start, play, ad) = after(Timeline().row("play", "adStart"))
    listener.add(start, play)
    pass_seconds(listener, 0, 10)
    assert told(listener.add(ad)) == [("ad-outside-break", PROVISIONAL)]
    assert told(pass_seconds(listener, 10, 15.75)) == []
    assert told(pass_seconds(listener, 16, 17)) == [("ad-outside-break", CONFIRMED)]


def test_ten_more_events_confirm_it_too() -> None:
    timeline = Timeline().start().at(1, "play").at(2, "adStart")
    for number in range(10):
        timeline.at(2.1 + number / 10, "stateStart", {"media.state.name": f"s{number}"})
    listener, calls = after(timeline)
    listener.add(*calls[:-1])
    assert {each.state for each in listener.standing()} == {PROVISIONAL}
    assert ("ad-outside-break", CONFIRMED) in told(listener.add(calls[-1]))


def test_an_event_that_comes_late_withdraws_what_it_explains() -> None:
    timeline = Timeline().row("play").at(10, "adStart").at(11, "adBreakStart", ts=9.9)
    listener, calls = after(timeline)
    assert told(listener.add(*calls[:-1])) == [("ad-outside-break", PROVISIONAL)]
    assert ("ad-outside-break", WITHDRAWN) in told(listener.add(calls[-1]))


def test_what_a_late_answer_shows_withdraws_even_what_was_confirmed() -> None:
    timeline = Timeline().row("play").at(15, "pauseStart", elapsed_ms=60_000).pings(20, 60).at(61, "play")
    late = timeline.exchanges.pop(2)
    listener, (*calls, pause) = Listener(), list(entries([*timeline.exchanges, late]))
    listener.add(*calls)
    assert "playhead-frozen" in {each.finding.rule for each in listener.standing(CONFIRMED)}
    assert ("playhead-frozen", WITHDRAWN) in told(listener.add(pause))


def test_a_finding_of_one_call_is_confirmed_with_it() -> None:
    listener, (start, *_) = after(Timeline().start(lenght=12))
    (change,) = listener.add(start)
    assert (change.finding.rule, change.state, change.of_call) == ("unknown-parameter", CONFIRMED, True)


def test_a_count_that_grows_is_the_same_finding() -> None:
    timeline = Timeline().row("play").pings(20, 60, 20).at(65, "ping").at(70, "sessionEnd")
    listener, calls = after(timeline)
    listener.add(*calls)
    (gap,) = [each for each in listener.latest.values() if each.finding.rule == "ping-gap"]
    assert "the first of 3 such gaps" in gap.finding.message


def test_what_another_rule_may_explain_waits_and_goes_when_it_does() -> None:
    timeline = Timeline().start(length=600).at(1, "play", playhead=0)
    for second in range(11, 61, 10):
        timeline.at(second, "ping", playhead=(second - 1) * 1000)
    listener, calls = after(timeline)
    listener.add(*calls)
    listener.close()
    ways = {each.finding.rule: listener.history[number] for number, each in listener.latest.items()}
    assert ways["playhead-unit"][-1] == CONFIRMED
    assert all(CONFIRMED not in ways[rule] for rule in ways if rule.startswith("playhead-") and rule != "playhead-unit")


def test_sessions_of_one_visitor_are_compared_at_once() -> None:
    first = Timeline(sid="a", visitor=VISITOR).row("play").pings(15, 25)
    second = Timeline(sid="b", visitor=VISITOR, begin_ms=BEGIN_MS + 30_000).row("play").pings(15, 85)
    listener, calls = after(first, second)
    begun = next(place for place, call in enumerate(calls) if call.exchange.session == "b")
    listener.add(*calls[:begun])
    assert told(listener.add(calls[begun])) == [("session-restarted", PROVISIONAL)]
    listener.add(*calls[begun + 1 :])
    listener.close()
    assert [each.session for each in listener.standing(CONFIRMED) if each.finding.rule == "session-restarted"] == ["b"]


def test_a_session_that_ended_says_what_its_end_shows() -> None:
    listener, calls = after(Timeline().start().pings(10, 30).at(31, "sessionEnd"))
    assert told(listener.add(*calls[:-1])) == []
    assert told(listener.add(calls[-1])) == [("no-play", PROVISIONAL)]


# ---- Silence ----


def test_silence_shows_a_gap_that_the_next_event_confirms_under_the_same_number() -> None:
    listener, calls = after(Timeline().row("play").at(25, "ping").at(26, "ping"))
    listener.add(*calls[:2])
    assert told(pass_seconds(listener, 5, 17)) == []
    (gap,) = pass_seconds(listener, 17.25, 18.5)
    assert told([gap]) == [("ping-gap", PROVISIONAL)]
    assert told(pass_seconds(listener, 18.75, 25)) == []
    (same,) = listener.add(calls[2])
    assert (same.number, same.state, same.finding.line) == (gap.number, PROVISIONAL, 3)


def test_queued_events_withdraw_the_gap() -> None:
    timeline = Timeline().row("play").at(15, "ping", arrives=40).at(25, "ping", arrives=40.1).at(35, "ping", arrives=41)
    listener, calls = after(timeline)
    listener.add(*calls[:2])
    assert told(pass_seconds(listener, 5, 40)) == [("ping-gap", PROVISIONAL)]
    assert told(listener.add(calls[2])) == [("ping-gap", WITHDRAWN)]
    assert told(listener.add(*calls[3:])) == []


def test_a_clock_that_stood_still_is_no_silence() -> None:
    listener, calls = after(Timeline().row("play"))
    listener.add(*calls)
    pass_seconds(listener, 5, 10)
    assert told(pass_seconds(listener, 3600, 3601)) == []
    assert told(pass_seconds(listener, 0, 1)) == []  # and one that was set back


@pytest.mark.parametrize("last", ["sessionEnd", "sessionComplete"])
def test_a_session_that_is_over_may_be_silent(last: str) -> None:
    listener, calls = after(Timeline().row("play", last))
    listener.add(*calls)
    assert "ping-gap" not in {rule for rule, _ in told(pass_seconds(listener, 10, 120))}


def test_a_start_that_nothing_follows_is_shown_and_confirmed_at_the_end() -> None:
    listener, calls = after(Timeline().start())
    listener.add(*calls)
    assert told(pass_seconds(listener, 0, 14)) == [("nothing-followed", PROVISIONAL)]
    listener.close()
    assert {each.finding.rule: each.state for each in listener.latest.values()} == {"nothing-followed": CONFIRMED}


def test_the_timeout_leaves_open_what_is_open_until_an_event_comes() -> None:
    listener, calls = after(Timeline().row("play", "adBreakStart", "adStart").at(1000, "ping"))
    listener.add(*calls[:-1])
    assert told(pass_seconds(listener, 15, 600)) == [("ping-gap", PROVISIONAL)]
    assert set(told(pass_seconds(listener, 600, 617))) == {
        ("ping-gap", WITHDRAWN),
        ("session-not-closed", PROVISIONAL),
        ("ad-break-left-open", PROVISIONAL),
        ("ad-left-open", PROVISIONAL),
    }
    assert {("session-not-closed", WITHDRAWN), ("expired-idle", PROVISIONAL)} <= set(told(listener.add(calls[-1])))


# ---- What a session is so far, and what is left out ----


def test_the_result_so_far_is_that_of_a_recording_that_ends_here() -> None:
    listener, calls = after(Timeline().row("play", "adStart").pings(15, 95).at(100, "sessionEnd"))
    for number, call in enumerate(calls, start=1):
        listener.add(call)
        (expected,) = audit(calls[:number])
        assert listener.audit.result("s1") == expected
    assert listener.audit.result("s2") is None


def test_a_session_that_is_forgotten_is_left_out() -> None:
    listener, calls = after(Timeline(sid="a").row("play", "adStart", "ping"), Timeline(sid="b").row("play", "adStart"))
    listener.add(*calls[:-2])
    listener.audit.forget("a")
    assert ("ad-outside-break", WITHDRAWN) in told(listener.add(*calls[-2:]))
    assert [result.id for result in listener.close()] == ["b"]
    assert (listener.audit.left_out_sessions, list(listener.audit.left_out)) == (1, ["a"])


def test_more_sessions_than_can_be_kept_are_left_out() -> None:
    listener = Listener(most_sessions=3)
    listener.add(*entries(mix(*(Timeline(sid=f"s{number}").row("play", "ping") for number in range(5)))))
    assert len(listener.close()) == 3
    assert listener.audit.left_out_sessions == 2
    assert listener.audit.left_out_calls == 6


def test_the_session_with_the_most_events_goes_if_there_are_too_many() -> None:
    listener = Listener(most_events=100)
    listener.add(*entries(mix(Timeline(sid="a").row("play").pings(10, 2000), Timeline(sid="b").row("play"))))
    assert [result.id for result in listener.close()] == ["b"]
    assert list(listener.audit.left_out) == ["a"]


def kept_findings() -> int:
    """The number of findings in memory that may still change."""
    gc.collect()
    return sum(isinstance(each, live_findings._Known) for each in gc.get_objects())


def test_sessions_that_are_over_leave() -> None:
    before, listener, timelines = kept_findings(), Listener(), []
    for number in range(20):
        begin_ms = BEGIN_MS + number * 400_000
        timelines.append(Timeline(sid=f"s{number}", begin_ms=begin_ms).row("play", "adStart", "sessionEnd"))
    listener.add(*entries(mix(*timelines)))
    assert len(listener.results) == 18
    assert listener.audit.open_sessions == 1  # and one that waits for calls that arrived before it
    pass_seconds(listener, 8_000, 8_300)
    assert kept_findings() - before <= 3 * 3  # of the last three sessions
