"""AuditSettings: limits, grades, overrides and expectations, and what is said of those that mean nothing."""

from typing import Any

import pytest

from support.sessions import CHAPTER, Timeline, ad, rules_of
from tapehead.auditor.settings import AuditSettings, SettingsError, read_settings
from tapehead.protocol.exchange import Severity

SILENT = Timeline().row("play").at(20, "ping").at(21, "sessionEnd")


def rules_with(table: dict[str, Any], timeline: Timeline = SILENT) -> list[str]:
    return timeline.rules(read_settings(table))


def test_nothing_set_is_the_contract() -> None:
    assert read_settings({}) == AuditSettings()
    assert rules_with({}) == ["ping-gap"]


def test_a_rule_can_be_off() -> None:
    assert rules_with({"rules": {"ping-gap": "off"}}) == []


def test_a_rule_can_be_graded_anew() -> None:
    (result,) = SILENT.audit(read_settings({"rules": {"ping-gap": "error"}}))
    assert [each.severity for each in result.findings] == [Severity.ERROR]


STATES = [{"media.state.name": f"s{number}"} for number in range(11)]
LONG = ad(length=650)
STARTED = {"media.qoe.timeToStart": 3}


def at_rate(rate: float) -> Timeline:
    timeline = Timeline().start().at(1, "play")
    for second in range(10, 71, 10):
        timeline.at(1 + second, "ping", playhead=second * rate)
    return timeline


def live(playhead: float) -> Timeline:
    return Timeline().start(contentType="live", length=86400).at(1, "play", playhead=playhead).at(9, "ping", playhead=8)


LIMITS = [
    ("ping-gap-seconds", 20, SILENT, "ping-gap"),
    ("idle-minutes", 20, Timeline().row("play").at(700, "ping"), "expired-idle"),
    ("session-hours", 48, Timeline().row("play").pings(300, 25 * 3600, 300), "session-too-long"),
    ("states", 11, Timeline().start().at(1, "statesUpdate", {"statesStart": STATES}), "too-many-states"),
    ("kept-sending", 9, Timeline().row("play").pings(10, 60, status=404), "kept-sending"),
    ("clock-skew-seconds", 400, Timeline().start().at(1, "play", arrives=300), "clock-skew"),
    ("ad-duration-seconds", 9, Timeline().row("adBreakStart", "adStart").at(18, "adComplete"), "ad-duration"),
    ("playhead-slack-seconds", 9, Timeline().start(length=60).at(1, "play", playhead=65), "playhead-range"),
    ("frozen-seconds", 60, Timeline().row("play").pings(15, 35, playhead=0), "playhead-frozen"),
    ("ping-flood-seconds", 0.1, Timeline().row("play").at(9, "ping").at(9.5, "ping"), "ping-flood"),
    ("main-ping-seconds", 4, Timeline().row("play").pings(10, 40, 5), "ping-flood"),
    ("jump-seconds", 20, Timeline().row("play").at(15, "ping").at(25, "ping", playhead=40), "playhead-jump"),
    ("slow-rate", 0.5, at_rate(0.7), "playhead-drift"),
    ("fast-rate", 1.6, at_rate(1.5), "playhead-drift"),
    ("live-offset-minutes", 720, live(0), "live-playhead"),
    ("longest-ad-seconds", 700, Timeline().row("adBreakStart").at(9, "adStart", LONG), "length-unit"),
    ("position-slack-seconds", 9, Timeline().row("play").at(9, "chapterStart", CHAPTER), "chapter-mismatch"),
    ("ad-gap-seconds", 6, Timeline().row("adBreakStart", "adStart", "adComplete", "adStart"), "content-in-break"),
    ("preroll-seconds", 1, Timeline().start().at(1, "play").at(2.5, "adBreakStart", playhead=0), "play-before-preroll"),
    ("early-seconds", 90, Timeline().start(length=90).at(1, "play").at(11, "sessionComplete"), "complete-early"),
    ("early-percent", 90, Timeline().start(length=90).at(1, "play").at(11, "sessionComplete"), "complete-early"),
    ("startup-milliseconds", 2, Timeline().start().at(1, "play", qoeData=STARTED), "time-to-start-grows"),
    ("stalled-minutes", 60, Timeline().row("pauseStart").pings(15, 31 * 60), "expired-stalled"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "value", "timeline", "rule"), LIMITS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_limits(limit: str, value: float, timeline: Timeline, rule: str) -> None:
    assert rule in rules_with({}, timeline)
    assert rule not in rules_with({"thresholds": {limit: value}}, timeline)


PAUSED = Timeline().start(length=30).at(1, "play").at(10, "pauseStart").at(910, "play").at(930, "sessionComplete")


@pytest.mark.parametrize(
    ("limits", "outcome", "completes"),
    [({}, "timed out", 0), ({"idle-minutes": 20}, "completed", 1), ({"idle-minutes": 14.9}, "timed out", 0)],
)
def test_rules_and_metrics_share_the_timeouts(limits: dict[str, float], outcome: str, completes: int) -> None:
    """A pause of 15 minutes without a ping, then the rest of the content."""
    (result,) = PAUSED.audit(read_settings({"thresholds": limits}))

    assert (result.outcome, result.metrics["content_completes"]) == (outcome, completes)
    assert ("expired-idle" in rules_of([result])) == (outcome == "timed out")


@pytest.mark.parametrize(("limits", "minutes"), [({}, 24 * 60), ({"session-hours": 25}, 25 * 60)])
def test_the_longest_session_is_shared_too(limits: dict[str, float], minutes: int) -> None:
    timeline = Timeline().start().at(0, "play").pings(300, 25 * 3600, 300)
    (result,) = timeline.audit(read_settings({"thresholds": limits}))

    assert result.metrics["content_time_spent"] == pytest.approx(minutes * 60, abs=0.01)
    assert ("session-too-long" in rules_of([result])) == (not limits)


def test_the_limit_of_order_decides_between_warning_and_error() -> None:
    timeline = Timeline().row("play").at(9, "ping").at(9.1, "ping", ts=7)
    (result,) = timeline.audit(read_settings({"thresholds": {"order-seconds": 9}}))
    assert [each.severity for each in result.findings if each.rule == "timestamp-order"] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("patterns", "applies"),
    [
        ({"player": "web"}, True),
        ({"player": "w*", "channel": "one"}, True),
        ({"path": "rec*.jsonl"}, True),
        ({"player": "tv"}, False),
        ({"player": "web", "channel": "two"}, False),
        ({"path": "other.jsonl"}, False),
    ],
)
def test_overrides_count_where_all_patterns_match(patterns: dict[str, str], *, applies: bool) -> None:
    assert (rules_with({"overrides": [{**patterns, "rules": {"ping-gap": "off"}}]}) == []) is applies
    assert (rules_with({"overrides": [{**patterns, "thresholds": {"ping-gap-seconds": 30}}]}) == []) is applies


def test_later_overrides_win() -> None:
    off, on = {"rules": {"ping-gap": "off"}}, {"player": "web", "rules": {"ping-gap": "info"}}
    assert rules_with({"overrides": [off, on]}) == ["ping-gap"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"rule": {}}, "unknown key 'rule'; did you mean rules?"),
        ({"rules": {"ping-gaps": "off"}}, "unknown key 'rules.ping-gaps'; did you mean ping-gap?"),
        ({"rules": {"ping-gap": "warn"}}, "rules.ping-gap: unknown value 'warn'; did you mean warning?"),
        ({"thresholds": {"states_": 3}}, "unknown key 'thresholds.states_'; did you mean states?"),
        ({"thresholds": {"states": "x"}}, "thresholds.states: expected a whole number, got a string"),
        ({"overrides": [{"players": "x"}]}, "unknown key 'overrides[0].players'; did you mean player?"),
        ({"overrides": [{"rules": {"no-pla": "off"}}]}, "unknown key 'overrides[0].rules.no-pla'; did you mean no-pl"),
        ({"overrides": {"player": "x"}}, "overrides: expected a list, got a table"),
        ({"metadata": {"sessionstart": ["a"]}}, "unknown key 'metadata.sessionstart'; did you mean sessionStart?"),
        ({"metadata": {"play": "a"}}, "metadata.play: expected a list, got a string"),
        ({"expect": {"pong": {}}}, "unknown key 'expect.pong'; did you mean ping?"),
        ({"rules": {"zzz": 1}}, "unknown key 'rules.zzz'; tapehead rules lists them"),
        ({"rules": {"ping-gap": True}}, "rules.ping-gap: expected one of error, warning, info, off, got true or false"),
        ({"rules": []}, "rules: expected a table, got a list"),
        ({"thresholds": {"ping-gap-seconds": -1}}, "thresholds.ping-gap-seconds: expected 0 or more"),
        ({"thresholds": {"ping-gap-seconds": float("nan")}}, "thresholds.ping-gap-seconds: expected 0 or more"),
        ({"thresholds": {"states": True}}, "thresholds.states: expected a whole number, got true or false"),
        ({"thresholds": {"states": 2.5}}, "thresholds.states: expected a whole number, got a number"),
        ({"overrides": ["web"]}, "overrides[0]: expected a table, got a string"),
        ({"overrides": [{}, {"player": ["web"]}]}, "overrides[1].player: expected a string, got a list"),
        ({"overrides": [{"thresholds": {"states": "x"}}]}, "overrides[0].thresholds.states: expected a whole number"),
        ({"overrides": [{"metadata": {}}]}, "unknown key 'overrides[0].metadata'; expected one of player, channel, pa"),
        ({"metadata": {"play": ["a", 3]}}, "metadata.play[1]: expected a string, got a whole number"),
        ({"expect": {"play": []}}, "expect.play: expected a string or a table, got a list"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_named_with_the_nearest(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(table)
    assert str(caught.value).startswith(message)


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="expect: the schema of play is no JSON Schema"):
        read_settings({"expect": {"play": {"type": "nonsense"}}})


# ---- Expectations ----

PROGRAMMER = {"metadata": {"chapterStart": ["programmer"]}}
QUALITY = {
    "expect": {
        "play": {"required": ["qoeData"], "properties": {"playerTime": {"properties": {"playhead": {"minimum": 5}}}}}
    }
}


def test_metadata_that_a_company_requires() -> None:
    bare = Timeline().start().at(1, "play").at(2, "chapterStart").at(3, "chapterSkip").at(4, "sessionEnd")
    (result,) = bare.audit(read_settings(PROGRAMMER))
    (found,) = result.findings
    assert (found.rule, found.path) == ("missing-parameter", "customMetadata.programmer")
    assert found.event
    assert found.event.index == 2
    full = Timeline().start().at(1, "play").at(2, "chapterStart", CHAPTER, customMetadata={"programmer": "x"})
    assert full.at(3, "chapterSkip").at(4, "sessionEnd").rules(read_settings(PROGRAMMER)) == []


def test_a_schema_that_a_company_expects() -> None:
    assert Timeline().row("play", "sessionEnd").rules(read_settings(QUALITY)) == ["missing-parameter", "bad-value"]
    fine = Timeline().start().at(1, "play", playhead=6, qoeData={"media.qoe.droppedFrames": 0})
    fine.at(2, "sessionEnd", playhead=7)
    assert fine.rules(read_settings(QUALITY)) == []


def test_what_the_documentation_says_already_is_said_once() -> None:
    expected = {"expect": {"play": {"required": ["playerTime"]}}}
    timeline = Timeline().start().raw({"eventType": "play"}).at(2, "sessionEnd")
    assert timeline.rules(read_settings(expected)) == ["missing-parameter"]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"3", b'{"eventType": 1}', b'{"eventType": "zzz"}'])
def test_bodies_that_are_no_events_are_left_to_the_rules(body: bytes) -> None:
    timeline = Timeline().row("play").raw(body)
    assert (
        timeline.rules(read_settings(PROGRAMMER | QUALITY)).count("missing-parameter")
        == timeline.rules().count("missing-parameter") + 1
    )
