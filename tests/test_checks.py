"""Each rule of one exchange fires on its fault, once, in its place, and not on the nearest sound neighbour."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapehead.api import EVENT_TYPES, Call, find_call
from tapehead.checks import check_exchange, check_request, is_downloaded, parse_body
from tapehead.exchange import Finding, Request, Response, Severity
from tapehead.rules import RULES, finding
from tapehead.schemas import Schemas
from tapehead.timelines import TIMELINES, bodies
from tapes import AD, BREAK, CHAPTER, NOW, START, event, request, response, start, start_with

NOW_MS = NOW * 1000
SCHEMAS = Schemas()
EVENTS = "/api/v1/sessions/abc/events"
DOWNLOADED = "/api/v1/downloaded"

# The contract: ids and severities.
ERRORS = (
    "not-json not-an-object unknown-event-type missing-parameter wrong-type bad-value metadata-key timestamp-unit "
    "rejected unexpected-status no-location no-response"
)
WARNINGS = (
    "content-type unknown-parameter misplaced-parameter misplaced-metadata clock-skew identifier-format "
    "no-visitor-id placeholder-value bitrate-missing"
)
INFOS = "bitrate-unit"
CONTRACT = {
    **dict.fromkeys(str.split(ERRORS), Severity.ERROR),
    **dict.fromkeys(str.split(WARNINGS), Severity.WARNING),
    **dict.fromkeys(str.split(INFOS), Severity.INFO),
}

SAMPLE = rb"""{"playerTime":{"playhead":0,"ts":1509045324153},"eventType":"sessionStart","params":{
"media.playerName":"sample-html5-api-player","analytics.trackingServer":"<your-aa-tracking-server>",
"analytics.reportSuite":"<your-aa-rsid>","analytics.visitorId":"<your-userId>","media.contentType":"VOD",
"media.length":60.39333333333333,"media.id":"MA API Sample Player","visitor.marketingCloudOrgId":"<your-org-id>",
"media.name":"ClickMe","media.channel":"sample-channel","media.sdkVersion":"va-api-0.0.0",
"analytics.enableSSL":false},"customMetadata":{"myCustomData":"<your metadata>","myCustomData2":"<your metadata>"},
"qoeData":{"param1":"<your param-value>","param2":"<your param-value>"}}"""


def _findings(asked: Request, arrived_ms: float = NOW_MS) -> list[Finding]:
    call = find_call(asked.method, asked.path)
    assert call
    return check_request(call.call, asked, arrived_ms, SCHEMAS)


def _found(body: object, path: str = EVENTS) -> list[tuple[str, str]]:
    """The rules that fire on a body, with their places."""
    return [(each.rule, each.path) for each in _findings(request(body, path))]


def _start_found(params: dict[str, Any], **parts: object) -> list[tuple[str, str]]:
    return _found(start_with(params) | parts, "/api/v1/sessions")


def _at(ts: object, playhead: object = 0) -> dict[str, Any]:
    return {"eventType": "ping", "playerTime": {"playhead": playhead, "ts": ts}}


def _answered(answer: Response | None, asked: Request | None = None) -> list[str]:
    """The rules that fire on an answer to a sound request."""
    asked = asked or request(start())
    call = find_call(asked.method, asked.path)
    assert call
    found = check_exchange(call.call, asked, answer, None if answer else "reset", NOW_MS, SCHEMAS)
    return [each.rule for each in found]


PING = event("ping")

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
    ("wrong-type", _at(round(NOW_MS), "1"), "playerTime.playhead"),
    ("wrong-type", _at(round(NOW_MS), True), "playerTime.playhead"),
    ("wrong-type", _at(round(NOW_MS), None), "playerTime.playhead"),
    ("wrong-type", _at(str(NOW_MS)), "playerTime.ts"),
    ("wrong-type", _at(NOW_MS + 0.5), "playerTime.ts"),
    ("wrong-type", _at(True), "playerTime.ts"),
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
    ("bad-value", PING | {"qoeData": {"media.qoe.errorSource": "Player"}}, "qoeData.media.qoe.errorSource"),
    ("bad-value", event("stateStart", params={"media.state.name": ""}), "params.media.state.name"),
    ("unknown-parameter", PING | {"more": 1}, "more"),
    ("unknown-parameter", PING | {"qoeData": {"bitrate": 1}}, "qoeData.bitrate"),
    ("unknown-parameter", PING | {"playerTime": PING["playerTime"] | {"x": 1}}, "playerTime.x"),
    ("unknown-parameter", PING | {"qoeData": {"media.id": "x"}}, "qoeData.media.id"),
    ("unknown-parameter", event("ping", params={"": 1}), "params."),
    ("misplaced-parameter", event("ping", params={"media.id": "x"}), "params.media.id"),
    ("misplaced-parameter", event("adStart", params=AD | {"media.ad.podIndex": 0}), "params.media.ad.podIndex"),
    ("misplaced-parameter", event("ping", params={"media.qoe.errorID": "x"}), "params.media.qoe.errorID"),
    ("misplaced-metadata", PING | {"customMetadata": {"a": "b"}}, "customMetadata"),
    ("misplaced-metadata", event("adBreakStart", params=BREAK, customMetadata={}), "customMetadata"),
    ("metadata-key", event("adStart", params=AD, customMetadata={"my key": "v"}), "customMetadata.my key"),
    ("metadata-key", event("adStart", params=AD, customMetadata={"schlüssel": "v"}), "customMetadata.schlüssel"),
    ("metadata-key", event("adStart", params=AD, customMetadata={"a.b": "v"}), "customMetadata.a.b"),
    ("metadata-key", event("adStart", params=AD, customMetadata={"media.b": "v"}), "customMetadata.media.b"),
    ("timestamp-unit", _at(round(NOW)), "playerTime.ts"),
    ("timestamp-unit", _at(round(NOW_MS) * 1000), "playerTime.ts"),
    ("timestamp-unit", _at(0), "playerTime.ts"),
    ("timestamp-unit", _at(-round(NOW_MS)), "playerTime.ts"),
    ("timestamp-unit", _at(round(NOW_MS) + 11 * 365 * 86_400_000), "playerTime.ts"),
    ("clock-skew", event("ping", at=-61), "playerTime.ts"),
    ("clock-skew", event("ping", at=61), "playerTime.ts"),
    ("placeholder-value", event("adStart", params=AD | {"media.ad.name": "N/A"}), "params.media.ad.name"),
    ("placeholder-value", PING | {"qoeData": {"media.qoe.errorID": "undefined"}}, "qoeData.media.qoe.errorID"),
    ("placeholder-value", event("adStart", params=AD, customMetadata={"k": " \t"}), "customMetadata.k"),
    ("bitrate-unit", PING | {"qoeData": {"media.qoe.bitrate": 3200}}, "qoeData.media.qoe.bitrate"),
    ("bitrate-unit", event("ping", params={"media.qoe.bitrate": 9999}), "params.media.qoe.bitrate"),
    ("bitrate-missing", event("bitrateChange"), "qoeData.media.qoe.bitrate"),
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
        for name in EVENT_TYPES[1:]
        if name not in ("bitrateChange", "adStart", "adBreakStart", "chapterStart") and not name.startswith("state")
    ),
    b" \n" + orjson.dumps(PING) + b"\n ",
    _at(round(NOW_MS), 10),
    _at(round(NOW_MS), -0.0),
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
    event("adBreakStart", params=BREAK | {"media.ad.podIndex": -1, "media.ad.podFriendlyName": "post"}),
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


def test_a_finding_of_no_rule_is_refused() -> None:
    with pytest.raises(KeyError):
        finding("no-such-rule", "", "")


@pytest.mark.parametrize(("rule", "body", "place"), FAULTS)
def test_a_fault_gives_one_finding_in_its_place(rule: str, body: object, place: str) -> None:
    assert _found(body) == [(rule, place)]


@pytest.mark.parametrize(("rule", "params", "place"), START_FAULTS)
def test_a_start_with_a_fault_gives_one_finding(rule: str, params: dict[str, Any], place: str) -> None:
    assert _start_found(params) == [(rule, place)]


@pytest.mark.parametrize("body", SOUND)
def test_a_sound_body_gives_no_finding(body: object) -> None:
    assert _found(body) == []


@pytest.mark.parametrize("params", SOUND_STARTS)
def test_a_sound_start_gives_no_finding(params: dict[str, Any]) -> None:
    assert _start_found(params) == []


@pytest.mark.parametrize("timeline", TIMELINES)
def test_the_documented_timelines_give_no_finding(timeline: int) -> None:
    for body in bodies(TIMELINES[timeline], round(NOW_MS)):
        assert _findings(request(body), body["playerTime"]["ts"]) == []


def test_a_missing_event_type_is_unknown_and_missing() -> None:
    found = [
        ("unknown-event-type", "eventType"),
        ("missing-parameter", "eventType"),
        ("missing-parameter", "playerTime"),
    ]

    assert sorted(_found({})) == sorted(found)


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
    (found,) = _findings(request(body, EVENTS))
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
    (found,) = _findings(request(body, EVENTS))

    assert found.message.endswith(hint)


@pytest.mark.parametrize(
    ("rule", "ts", "said"),
    [
        ("timestamp-unit", round(NOW), "looks like seconds"),
        ("timestamp-unit", round(NOW_MS * 1000), "looks like microseconds"),
        ("timestamp-unit", 5, "more than ten years from its arrival"),
        ("clock-skew", round(NOW_MS) - 90_000, "90 s before its arrival"),
        ("clock-skew", round(NOW_MS) + 90_000, "90 s after its arrival"),
    ],
)
def test_a_wrong_ts_is_told_how_wrong(rule: str, ts: int, said: str) -> None:
    (found,) = _findings(request(_at(ts), EVENTS))

    assert found.rule == rule
    assert said in found.message


# ---- The reference's own sample ----


def _sample(change: bytes = b"", to: bytes = b"") -> list[Finding]:
    assert change in SAMPLE
    return _findings(request(SAMPLE.replace(change, to) if change else SAMPLE), 1_509_045_324_153)


def test_the_references_sample_gives_warnings_only() -> None:
    found = _sample()

    assert {each.severity for each in found} == {Severity.WARNING}
    assert {each.rule for each in found} == {"placeholder-value", "unknown-parameter"}
    assert {each.path for each in found if each.rule == "unknown-parameter"} == {"qoeData.param1", "qoeData.param2"}


@pytest.mark.parametrize(
    ("change", "to", "rule", "path"),
    [
        (b'"media.id":"MA API Sample Player",', b"", "missing-parameter", "params.media.id"),
        (b"60.39333333333333", b'"60.39"', "wrong-type", "params.media.length"),
        (b'SSL":false', b'SSL":"false"', "wrong-type", "params.analytics.enableSSL"),
        (b'"myCustomData":"<your metadata>"', b'"myCustomData":7', "wrong-type", "customMetadata.myCustomData"),
        (b'"sessionStart"', b'"pause"', "unknown-event-type", "eventType"),
        (SAMPLE, SAMPLE[:-1], "not-json", ""),
        (SAMPLE, b"", "not-json", ""),
        (SAMPLE, b"[" + SAMPLE + b"]", "not-an-object", ""),
    ],
)
def test_a_variant_of_the_sample_gets_its_error(change: bytes, to: bytes, rule: str, path: str) -> None:
    errors = [(each.rule, each.path) for each in _sample(change, to) if each.severity is Severity.ERROR]

    assert errors == [(rule, path)]


# ---- Requests ----


@pytest.mark.parametrize(
    ("declared", "sound"),
    [
        ("application/json", True),
        ("Application/JSON ; charset=UTF-8", True),
        ("text/plain;charset=UTF-8", False),
        ("application/json+x", False),
        ("", False),
    ],
)
def test_only_json_is_declared_as_json(declared: str, sound: bool) -> None:
    found = _findings(request(PING, EVENTS, Content_Type=declared))

    assert [each.rule for each in found] == ([] if sound else ["content-type"])


def test_a_missing_content_type_is_told() -> None:
    (found,) = _findings(request(PING, EVENTS).with_headers([]))

    assert (found.rule, found.message) == ("content-type", "Content-Type is missing; expected application/json")


@pytest.mark.parametrize(("method", "path"), [("OPTIONS", EVENTS), ("GET", "/api/v1/schemas/ping")])
def test_calls_without_a_body_are_not_checked(method: str, path: str) -> None:
    assert _findings(request(b"", path, method)) == []


def test_a_body_that_would_not_unpack_is_not_json() -> None:
    asked = request(b"", EVENTS, Content_Encoding="gzip").with_content(orjson.dumps(PING), coded=True)
    (found,) = _findings(asked)

    assert (found.rule, found.message) == ("not-json", "the body is no valid gzip; expected JSON in it")


# ---- Downloaded content ----


DOWNLOADED_START = start_with({"media.downloaded": True})


@pytest.mark.parametrize("path", [DOWNLOADED, "/api/v1/sessions"])
def test_an_array_of_downloaded_content_is_sound(path: str) -> None:
    assert _found([DOWNLOADED_START, PING], path) == []


@pytest.mark.parametrize(
    ("body", "place"), [([], ""), ({}, ""), (PING, ""), ("x", ""), ([DOWNLOADED_START, 7], "[1]"), ([[]], "[0]")]
)
def test_downloaded_content_is_an_array_of_objects(body: object, place: str) -> None:
    assert _found(body, DOWNLOADED) == [("not-an-object", place)]


def test_a_fault_in_an_array_is_told_with_its_index() -> None:
    body = [DOWNLOADED_START, PING, {"eventType": "ping"}, PING | {"eventType": "pause"}]

    assert _found(body, DOWNLOADED) == [
        ("missing-parameter", "[2].playerTime"),
        ("unknown-event-type", "[3].eventType"),
    ]


def test_downloaded_content_may_be_old_but_not_ancient() -> None:
    old, ancient = event("ping", at=-40 * 86_400), event("ping", at=-11 * 366 * 86_400)

    assert _found([DOWNLOADED_START, old, ancient], DOWNLOADED) == [("timestamp-unit", "[2].playerTime.ts")]


@pytest.mark.parametrize("body", [[], [7], [PING], [start()], [{"params": 7}], {}, None])
def test_an_array_without_the_flag_is_not_downloaded(body: object) -> None:
    assert not is_downloaded(body)


# ---- Answers ----


LOCATED = [("Location", "/api/v1/sessions/abc")]


@pytest.mark.parametrize(
    ("answer", "rules"),
    [
        (response(201, LOCATED), []),
        (response(201, [("location", "https://x/va/api/v1/sessions/abc")]), []),
        (response(201), ["no-location"]),
        (response(201, [("Location", "/login")]), ["no-location"]),
        (response(200, LOCATED), ["unexpected-status"]),
        (response(204), ["unexpected-status"]),
        (response(302, [("Location", "/login")]), ["unexpected-status"]),
        (response(400), ["rejected"]),
        (response(404), ["rejected"]),
        (response(500), ["rejected"]),
        (response(503), ["rejected"]),
        (None, ["no-response"]),
    ],
)
def test_an_answer_to_a_session_call_is_held_to_its_documents(answer: Response | None, rules: list[str]) -> None:
    assert _answered(answer) == rules


@pytest.mark.parametrize(
    ("method", "path", "status", "rules"),
    [
        ("POST", EVENTS, 204, []),
        ("POST", EVENTS, 200, ["unexpected-status"]),
        ("POST", EVENTS, 410, ["rejected"]),
        ("OPTIONS", EVENTS, 200, []),
        ("OPTIONS", EVENTS, 204, ["unexpected-status"]),
        ("GET", "/api/v1/schemas/ping", 200, []),
        ("GET", "/api/v1/schemas/ping", 304, ["unexpected-status"]),
        ("GET", "/api/v1/schemas/ping", 404, ["rejected"]),
    ],
)
def test_an_answer_to_another_call_is_too(method: str, path: str, status: int, rules: list[str]) -> None:
    assert _answered(response(status), request(PING if method == "POST" else b"", path, method)) == rules


def test_a_201_to_downloaded_content_needs_no_location() -> None:
    assert _answered(response(201), request([DOWNLOADED_START, PING])) == []
    assert _answered(response(201), request([DOWNLOADED_START, PING], DOWNLOADED)) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"message":"bad ts"}', "the endpoint answered 400: bad ts"),
        (b'{"message":7}', "the endpoint answered 400: 7"),
        (b'{"error":"x"}', "the endpoint answered 400"),
        (b"[]", "the endpoint answered 400"),
        (b"7", "the endpoint answered 400"),
        (b"<html>", "the endpoint answered 400"),
        (b'{"message":"' + b"x" * 9999 + b'"}', "the endpoint answered 400: " + "x" * 200),
    ],
)
def test_a_refusal_is_told_with_its_reason(content: bytes, said: str) -> None:
    answer = response(400, [], content)
    (found,) = check_exchange(Call.SESSION, request(start()), answer, None, NOW_MS, SCHEMAS)

    assert (found.rule, found.path, found.message) == ("rejected", "", said)


# ---- Real traffic, planted secrets, and anything at all ----


@pytest.mark.parametrize("capture", ["sdk-sample-player.jsonl", "sdk-every-event.jsonl"])
def test_real_traffic_gives_no_error(captures: Path, capture: str) -> None:
    for line in map(orjson.loads, (captures / capture).read_bytes().splitlines()):
        asked = Request(method=line["method"], url=line["url"], headers=list(line["headers"].items()))
        asked = asked.with_content((line["body"] or "").encode())
        arrived_ms = parse_body(asked)["playerTime"]["ts"] if line["body"] else NOW_MS

        assert [each for each in _findings(asked, arrived_ms) if each.severity is Severity.ERROR] == []


SECRET = "jane.doe@example.com"
PLANTED: list[object] = [
    SECRET,
    [SECRET],
    {"a": SECRET},
    {"a": {"id": [SECRET]}},
    {"a": {"id": "b", "authState": SECRET}},
]
PERSON_KEYS = (
    "analytics.visitorId",
    "analytics.aid",
    "appInstallationId",
    "visitor.marketingCloudUserId",
    "visitor.customerIDs",
)


@pytest.mark.parametrize("value", PLANTED)
@pytest.mark.parametrize("key", PERSON_KEYS)
@pytest.mark.parametrize("event_type", ["sessionStart", "ping", "pause"])
def test_a_message_never_quotes_an_identifier(event_type: str, key: str, value: object) -> None:
    body = start_with({key: value}) | {"eventType": event_type}

    assert SECRET not in "".join(each.message for each in _findings(request(body)))


NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
EVENT_BODIES = st.fixed_dictionaries(
    {},
    optional={
        "eventType": st.sampled_from(EVENT_TYPES) | VALUES,
        "playerTime": st.fixed_dictionaries({"ts": VALUES, "playhead": VALUES}) | VALUES,
        "params": st.dictionaries(st.sampled_from([*START, *AD, "visitor.customerIDs", "statesStart"]), VALUES)
        | VALUES,
        "qoeData": st.dictionaries(st.sampled_from(["media.qoe.bitrate", "media.qoe.errorSource"]), VALUES) | VALUES,
        "customMetadata": st.dictionaries(st.text(), VALUES) | VALUES,
    },
)


@given(VALUES | EVENT_BODIES | st.lists(EVENT_BODIES), st.sampled_from([EVENTS, DOWNLOADED]))
def test_any_json_can_be_checked(body: object, path: str) -> None:
    assert all(each.rule in CONTRACT for each in _findings(request(body, path)))


@given(st.binary())
def test_any_bytes_can_be_checked(content: bytes) -> None:
    assert all(each.rule in CONTRACT for each in _findings(request(content)))
    _answered(response(400, [], content))


@pytest.mark.parametrize("depth", [200, 300, 1000, 100_000])
@pytest.mark.parametrize("body", [b"DEEP", b'{"eventType":"ping","params":DEEP}', b'{"playerTime":{"ts":DEEP}}'])
def test_a_body_of_any_depth_can_be_checked(depth: int, body: bytes) -> None:
    assert _findings(request(body.replace(b"DEEP", b"[" * depth + b"]" * depth)))


def test_an_event_type_of_any_depth_can_be_checked() -> None:
    assert _findings(request(b'{"eventType":' + b"[" * 300 + b"]" * 300 + b"}"))
