"""Each rule of one exchange fires on its fault, once, in its place, and not on the nearest sound neighbour."""

from typing import Any

import orjson
import pytest

from support.exchanges import AD, BREAK, CHAPTER, NOW, event, request, start_with
from support.rules import CONTRACT, EVENTS, NOW_MS, PING, at_time, findings_of, found_in, found_in_start
from support.timelines import TIMELINES
from tapehead.demo.timelines import bodies
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.exchange import Finding, Severity
from tapehead.protocol.parameters import PLACEHOLDER
from tapehead.rules.body import NOT_JSON
from tapehead.rules.catalog import RULES
from tapehead.rules.values import _is_placeholder

# Bodies on the events path that break one rule, and where.
FAULTS: list[tuple[str, object, str]] = [
    ("not-json", b"", ""),
    ("not-json", b'{"eventType":', ""),
    ("not-json", b"NaN", ""),
    ("not-json", b'{"eventType":"ping","playerTime":{"playhead":NaN,"ts":1}}', ""),
    ("not-json", orjson.dumps(PING) + b"}", ""),
    ("not-json", orjson.dumps(PING).decode().encode("utf-16"), ""),
    ("not-json", b"\xef\xbb\xbf" + orjson.dumps(PING), ""),
    ("not-json", b"eventType=ping", ""),
    ("not-an-object", [], ""),
    ("not-an-object", [PING], ""),
    ("not-an-object", "ping", ""),
    ("not-an-object", None, ""),
    ("not-an-object", 7, ""),
    ("unknown-event-type", PING | {"eventType": "pause"}, "eventType"),
    ("unknown-event-type", PING | {"eventType": "Ping"}, "eventType"),
    ("unknown-event-type", PING | {"eventType": 7}, "eventType"),
    ("unknown-event-type", PING | {"eventType": None}, "eventType"),
    ("unknown-event-type", PING | {"eventType": ["ping"]}, "eventType"),
    ("missing-parameter", {"eventType": "ping"}, "playerTime"),
    ("missing-parameter", {"eventType": "ping", "playerTime": {"ts": round(NOW_MS)}}, "playerTime.playhead"),
    ("missing-parameter", {"eventType": "ping", "playerTime": {"playhead": 0}}, "playerTime.ts"),
    ("missing-parameter", event("stateStart"), "params"),
    ("missing-parameter", event("statesUpdate"), "params"),
    ("missing-parameter", event("stateEnd", params={}), "params.media.state.name"),
    ("missing-parameter", event("statesUpdate", params={"statesEnd": [{}]}), "params.statesEnd.0.media.state.name"),
    ("wrong-type", at_time(round(NOW_MS), "1"), "playerTime.playhead"),
    ("wrong-type", at_time(round(NOW_MS), True), "playerTime.playhead"),
    ("wrong-type", at_time(round(NOW_MS), None), "playerTime.playhead"),
    ("wrong-type", at_time(str(NOW_MS)), "playerTime.ts"),
    ("wrong-type", at_time(NOW_MS + 0.5), "playerTime.ts"),
    ("wrong-type", at_time(True), "playerTime.ts"),
    ("wrong-type", PING | {"playerTime": []}, "playerTime"),
    ("wrong-type", PING | {"params": "x"}, "params"),
    ("wrong-type", PING | {"qoeData": None}, "qoeData"),
    ("wrong-type", PING | {"qoeData": {"media.qoe.bitrate": True}}, "qoeData.media.qoe.bitrate"),
    ("wrong-type", PING | {"qoeData": {"media.qoe.droppedFrames": 1.5}}, "qoeData.media.qoe.droppedFrames"),
    ("wrong-type", event("adBreakStart", params=BREAK | {"media.ad.podIndex": "0"}), "params.media.ad.podIndex"),
    ("wrong-type", event("adStart", params=AD, customMetadata={"a": 1}), "customMetadata.a"),
    ("wrong-type", event("chapterStart", params=CHAPTER, customMetadata=[]), "customMetadata"),
    ("bad-value", event("adStart", params=AD | {"media.ad.id": ""}), "params.media.ad.id"),
    ("bad-value", event("adStart", params=AD | {"media.ad.length": -1}), "params.media.ad.length"),
    (
        "bad-value",
        event("chapterStart", params=CHAPTER | {"media.chapter.length": -0.5}),
        "params.media.chapter.length",
    ),
    ("bad-value", event("stateStart", params={"media.state.name": ""}), "params.media.state.name"),
    ("unknown-parameter", PING | {"more": 1}, "more"),
    ("unknown-parameter", PING | {"qoeData": {"bitrate": 1}}, "qoeData.bitrate"),
    ("unknown-parameter", PING | {"playerTime": PING["playerTime"] | {"x": 1}}, "playerTime.x"),
    ("unknown-parameter", PING | {"qoeData": {"media.id": "x"}}, "qoeData.media.id"),
    ("unknown-parameter", event("play", params={"": 1}), "params."),
    ("misplaced-parameter", event("play", params={"media.id": "x"}), "params.media.id"),
    ("misplaced-parameter", event("adStart", params=AD | {"media.ad.podIndex": 0}), "params.media.ad.podIndex"),
    ("misplaced-parameter", event("play", params={"media.qoe.errorID": "x"}), "params.media.qoe.errorID"),
    ("misplaced-metadata", PING | {"customMetadata": {"a": "b"}}, "customMetadata"),
    ("misplaced-metadata", event("adBreakStart", params=BREAK, customMetadata={}), "customMetadata"),
    ("metadata-key", event("adStart", params=AD, customMetadata={"my key": "v"}), "customMetadata.my key"),
    ("metadata-key", event("adStart", params=AD, customMetadata={"schlüssel": "v"}), "customMetadata.schlüssel"),
    ("metadata-key", event("adStart", params=AD, customMetadata={"a.b": "v"}), "customMetadata.a.b"),
    ("metadata-key", event("adStart", params=AD, customMetadata={"media.b": "v"}), "customMetadata.media.b"),
    ("timestamp-unit", at_time(round(NOW)), "playerTime.ts"),
    ("timestamp-unit", at_time(round(NOW_MS) * 1000), "playerTime.ts"),
    ("timestamp-unit", at_time(0), "playerTime.ts"),
    ("timestamp-unit", at_time(-round(NOW_MS)), "playerTime.ts"),
    ("timestamp-unit", at_time(round(NOW_MS) + 11 * 365 * 86_400_000), "playerTime.ts"),
    ("clock-skew", event("ping", at=-61), "playerTime.ts"),
    ("clock-skew", event("ping", at=61), "playerTime.ts"),
    ("placeholder-value", event("adStart", params=AD | {"media.ad.name": "N/A"}), "params.media.ad.name"),
    ("placeholder-value", PING | {"qoeData": {"media.qoe.errorID": "undefined"}}, "qoeData.media.qoe.errorID"),
    ("placeholder-value", event("adStart", params=AD, customMetadata={"k": " \t"}), "customMetadata.k"),
    ("bitrate-unit", PING | {"qoeData": {"media.qoe.bitrate": 3200}}, "qoeData.media.qoe.bitrate"),
    ("bitrate-unit", event("play", params={"media.qoe.bitrate": 9999}), "params.media.qoe.bitrate"),
    ("ping-params", event("ping", params={"media.qoe.bitrate": 800_000}), "params"),
    ("bitrate-missing", event("bitrateChange"), "qoeData.media.qoe.bitrate"),
    ("unknown-parameter", event("bitrateChange", qoeData={"bitrate": 800_000}), "qoeData.bitrate"),
    ("unknown-parameter", event("bitrateChange", qoeData={"media.qoe.bitRate": 800_000}), "qoeData.media.qoe.bitRate"),
    ("bitrate-missing", event("bitrateChange", qoeData={"media.qoe.droppedFrames": 1}), "qoeData.media.qoe.bitrate"),
]

# The same for the params of a sessionStart.
START_FAULTS: list[tuple[str, dict[str, object], str]] = [
    ("missing-parameter", {"media.id": None}, "params.media.id"),
    ("missing-parameter", {"analytics.reportSuite": None}, "params.analytics.reportSuite"),
    ("wrong-type", {"media.length": "60"}, "params.media.length"),
    ("wrong-type", {"analytics.enableSSL": "false"}, "params.analytics.enableSSL"),
    ("wrong-type", {"analytics.visitorId": 17}, "params.analytics.visitorId"),
    ("wrong-type", {"visitor.customerIDs": {"a": "b"}}, "params.visitor.customerIDs.a"),
    ("wrong-type", {"visitor.aamLocationHint": 1.5}, "params.visitor.aamLocationHint"),
    ("bad-value", {"media.id": ""}, "params.media.id"),
    ("bad-value", {"media.length": -1}, "params.media.length"),
    ("bad-value", {"media.showType": "4"}, "params.media.showType"),
    ("bad-value", {"media.pass.auth": "yes"}, "params.media.pass.auth"),
    (
        "bad-value",
        {"visitor.customerIDs": {"a": {"id": "b", "authState": 3}}},
        "params.visitor.customerIDs.a.authState",
    ),
    ("unknown-parameter", {"media.lenght": 60}, "params.media.lenght"),
    ("unknown-parameter", {"visitor.customerIDs": {"a": {"id": "b", "x": 1}}}, "params.visitor.customerIDs.a.x"),
    ("misplaced-parameter", {"media.ad.id": "x"}, "params.media.ad.id"),
    (
        "identifier-format",
        {"visitor.marketingCloudOrgId": "0123456789ABCDEF01234567"},
        "params.visitor.marketingCloudOrgId",
    ),
    ("identifier-format", {"visitor.marketingCloudUserId": "1" * 37}, "params.visitor.marketingCloudUserId"),
    ("identifier-format", {"visitor.marketingCloudUserId": "1" * 37 + "٣"}, "params.visitor.marketingCloudUserId"),
    ("identifier-format", {"visitor.marketingCloudUserId": "1" * 38 + "\n"}, "params.visitor.marketingCloudUserId"),
    ("identifier-format", {"analytics.trackingServer": "https://a.omtrdc.net"}, "params.analytics.trackingServer"),
    ("identifier-format", {"analytics.trackingServer": "a.omtrdc.net/b"}, "params.analytics.trackingServer"),
    ("no-visitor-id", {"visitor.marketingCloudUserId": None}, "params"),
    ("stream-type", {"media.streamType": None}, "params.media.streamType"),
    ("stream-type", {"media.streamType": "Video"}, "params.media.streamType"),
    ("stream-type", {"media.streamType": ""}, "params.media.streamType"),
    ("placeholder-value", {"media.streamType": "N/A"}, "params.media.streamType"),
    ("placeholder-value", {"media.channel": "[YOUR_CHANNEL]"}, "params.media.channel"),
    ("placeholder-value", {"media.channel": "<your-channel>"}, "params.media.channel"),
    ("placeholder-value", {"media.channel": "NULL"}, "params.media.channel"),
    ("placeholder-value", {"media.channel": "nan"}, "params.media.channel"),
    ("placeholder-value", {"media.channel": "[object Object]"}, "params.media.channel"),
    ("placeholder-value", {"media.channel": " "}, "params.media.channel"),
    ("placeholder-value", {"visitor.marketingCloudOrgId": "test"}, "params.visitor.marketingCloudOrgId"),
]

# Bodies on the events path that come near a fault and are sound.
SOUND: list[object] = [
    PING,
    *(
        event(name)
        for name in list(EVENT_TYPES)[1:]
        if name not in ("bitrateChange", "adStart", "adBreakStart", "chapterStart") and not name.startswith("state")
    ),
    b" \n" + orjson.dumps(PING) + b"\n ",
    at_time(round(NOW_MS), 10),
    at_time(round(NOW_MS), -0.0),
    b'{"eventType":"ping","playerTime":{"playhead":0,"ts":%d.0}}' % NOW_MS,
    PING | {"qoeData": {}},
    PING | {"params": {}},
    PING | {"qoeData": {"media.qoe.bitrate": 10_000, "media.qoe.droppedFrames": 3.0}},
    PING | {"qoeData": {"media.qoe.bitrate": 0}},
    event("bitrateChange", qoeData={"media.qoe.bitrate": 3_200_000}),
    event("bitrateChange", params={"media.qoe.bitrate": 3_200_000}),
    event("error", qoeData={"media.qoe.errorID": "x", "media.qoe.errorSource": "external"}),
    event("error", params={"media.errorId": "x", "media.errorSource": "player"}),
    event("adStart", params=AD | {"media.ad.length": 0, "media.ad.podPosition": 0, "media.ad.name": ""}),
    event("adStart", params=AD | {"media.ad.podFriendlyName": "pre"}, customMetadata={"a_b.C1": "", "am": "n.a."}),
    event("adStart", params=AD, customMetadata={"mediaid": "naan"}),
    event("adBreakStart", params=BREAK | {"media.ad.podIndex": 0, "media.ad.podFriendlyName": "post"}),
    event("chapterStart", params=CHAPTER, customMetadata={}),
    event("stateStart", params={"media.state.name": "mine"}),
    event("stateEnd", params={"media.state.name": "mute"}),
    event("statesUpdate", params={"statesStart": [{"media.state.name": "mute"}], "statesEnd": []}),
    event("statesUpdate", params={}),
    event("ping", at=-59.9),
    event("ping", at=60),
]

SOUND_STARTS: list[dict[str, object]] = [
    {},
    {"media.length": 0},
    {"media.length": 60.5, "media.contentType": "live", "media.streamType": "audio"},
    {"media.showType": "0", "media.pass.auth": "TRUE", "media.downloaded": False},
    {"visitor.aamLocationHint": None},
    {"visitor.aamLocationHint": 7},
    {"visitor.marketingCloudUserId": None, "analytics.aid": "x"},
    {"visitor.marketingCloudUserId": None, "appInstallationId": "x"},
    {"visitor.marketingCloudUserId": None, "visitor.customerIDs": {"a": {"id": "b", "authState": 0}}},
    {"media.name": "", "media.channel": "test", "media.show": "nullable", "media.genre": "your channel"},
    {"analytics.trackingServer": "metrics.example.com"},
]


def test_the_catalogue_is_the_contract() -> None:
    assert {name: RULES[name].severity for name in CONTRACT} == CONTRACT


def test_every_rule_says_why_and_how_to_fix() -> None:
    for rule in RULES.values():
        assert all((rule.when, rule.why, rule.fix, rule.source)), rule.id
        assert rule.when.endswith(".")
        assert rule.fix.endswith(".")


def test_a_finding_has_the_id_and_the_severity_of_its_rule() -> None:
    assert NOT_JSON.finding("p", "m") == Finding("not-json", Severity.ERROR, "p", "m")
    assert NOT_JSON.finding("p", "m", Severity.INFO).severity is Severity.INFO


@pytest.mark.parametrize(("rule", "body", "place"), FAULTS)
def test_a_fault_gives_one_finding_in_its_place(rule: str, body: object, place: str) -> None:
    assert found_in(body) == [(rule, place)]


@pytest.mark.parametrize(("rule", "params", "place"), START_FAULTS)
def test_a_start_with_a_fault_gives_one_finding(rule: str, params: dict[str, Any], place: str) -> None:
    assert found_in_start(params) == [(rule, place)]


def test_a_value_of_null_is_no_missing_one_too() -> None:
    sent = start_with({})
    sent["params"]["media.streamType"] = None
    assert found_in(sent, "/api/v1/sessions") == [("wrong-type", "params.media.streamType")]


@pytest.mark.parametrize("body", SOUND)
def test_a_sound_body_gives_no_finding(body: object) -> None:
    assert found_in(body) == []


@pytest.mark.parametrize("params", SOUND_STARTS)
def test_a_sound_start_gives_no_finding(params: dict[str, Any]) -> None:
    assert found_in_start(params) == []


@pytest.mark.parametrize("timeline", TIMELINES)
def test_the_documented_timelines_give_no_finding(timeline: int) -> None:
    for body in bodies(TIMELINES[timeline], round(NOW_MS)):
        assert findings_of(request(body), body["playerTime"]["ts"]) == []


def test_every_rule_of_a_body_is_in_the_tables() -> None:
    fired = {rule for rule, *_ in (*FAULTS, *START_FAULTS)}

    assert set(CONTRACT) - fired == {
        "content-type",
        "rejected",
        "unexpected-status",
        "no-location",
        "no-response",
    }


@pytest.mark.parametrize(("rule", "body", "place"), FAULTS)
def test_a_finding_is_graded_as_the_contract_says(rule: str, body: object, place: str) -> None:
    (found,) = findings_of(request(body, EVENTS))
    softer = place == "customMetadata.media.b"

    assert found.severity is (Severity.WARNING if softer else CONTRACT[rule])
    assert place in found.message


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (PING | {"eventType": "pause"}, "did you mean pauseStart?"),
        (PING | {"eventType": "Ping"}, "did you mean ping?"),
        (PING | {"qoeData": {"bitrate": 1}}, "did you mean media.qoe.bitrate?"),
        (PING | {"qoeData": {"media.id": "x"}}, "it belongs into params"),
        (event("adStart", params=AD | {"media.ad.lenght": 1}), "did you mean media.ad.length?"),
        (PING | {"playertime": 1}, "did you mean playerTime?"),
    ],
)
def test_a_near_spelling_is_suggested(body: object, hint: str) -> None:
    (found,) = findings_of(request(body, EVENTS))

    assert found.message.endswith(hint)


@pytest.mark.parametrize(
    ("rule", "ts", "said"),
    [
        ("timestamp-unit", round(NOW), "looks like seconds"),
        ("timestamp-unit", round(NOW_MS * 1000), "looks like microseconds"),
        ("timestamp-unit", round(NOW) * 10**9, f"is {round(NOW)}000000000, which looks like nanoseconds"),
        ("timestamp-unit", 5, "more than ten years from its arrival"),
        ("clock-skew", round(NOW_MS) - 90_000, "90 s before its arrival"),
        ("clock-skew", round(NOW_MS) + 90_000, "90 s after its arrival"),
    ],
)
def test_a_wrong_ts_is_told_how_wrong(rule: str, ts: int, said: str) -> None:
    (found,) = findings_of(request(at_time(ts), EVENTS))

    assert found.rule == rule
    assert said in found.message


def test_no_placeholder_is_missed_by_its_first_character() -> None:
    named = ["n/a", "null", "undefined", "nan", "[object Object]", "<your-id>", "[your_id]"]
    blank = [each for each in map(chr, range(0x3001)) if PLACEHOLDER.fullmatch(each)]
    values = [*named, *map(str.upper, named), *map(str.title, named), *blank]
    assert len(blank) > 20
    assert [each for each in values if not _is_placeholder("media.name", each)] == []
    assert [each for each in values if not PLACEHOLDER.fullmatch(each)] == []
