"""The reference's sample, downloaded content, answers, real traffic, planted secrets, and anything at all."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import AD, START, event, request, response, start, start_with
from support.rules import (
    CONTRACT,
    DOWNLOADED,
    EVENTS,
    NOW_MS,
    PING,
    SAMPLE,
    SCHEMAS,
    answered_with,
    findings_of,
    found_in,
    found_in_start,
)
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import parse_body
from tapehead.protocol.exchange import Finding, Severity
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call
from tapehead.rules.body import is_downloaded
from tapehead.rules.exchange_checks import check_exchange

# ---- The reference's own sample ----


def _sample(change: bytes = b"", to: bytes = b"") -> list[Finding]:
    assert change in SAMPLE
    return findings_of(request(SAMPLE.replace(change, to) if change else SAMPLE), 1_509_045_324_153)


def test_the_references_sample_gives_warnings_only() -> None:
    found = _sample()

    assert {(each.rule, each.severity) for each in found} == {
        ("placeholder-value", Severity.WARNING),
        ("unknown-parameter", Severity.WARNING),
        ("stream-type", Severity.INFO),
    }
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
    found = findings_of(request(PING, EVENTS, Content_Type=declared))

    assert [each.rule for each in found] == ([] if sound else ["content-type"])


def test_a_missing_content_type_is_told() -> None:
    (found,) = findings_of(request(PING, EVENTS).with_headers([]))

    assert (found.rule, found.message) == ("content-type", "Content-Type is missing; expected application/json")


@pytest.mark.parametrize(("method", "path"), [("OPTIONS", EVENTS), ("GET", "/api/v1/schemas/ping")])
def test_calls_without_a_body_are_not_checked(method: str, path: str) -> None:
    assert findings_of(request(b"", path, method)) == []


def test_a_body_that_would_not_unpack_is_not_json() -> None:
    asked = request(b"", EVENTS, Content_Encoding="gzip").with_content(orjson.dumps(PING), coded=True)
    (found,) = findings_of(asked)

    assert (found.rule, found.message) == ("not-json", "the body is no valid gzip; expected JSON in it")


# ---- Downloaded content ----


DOWNLOADED_START = start_with({"media.downloaded": True})


@pytest.mark.parametrize("path", [DOWNLOADED, "/api/v1/sessions"])
def test_an_array_of_downloaded_content_is_sound(path: str) -> None:
    assert found_in([DOWNLOADED_START, PING], path) == []


@pytest.mark.parametrize(
    ("body", "place"), [([], ""), ({}, ""), (PING, ""), ("x", ""), ([DOWNLOADED_START, 7], "[1]"), ([[]], "[0]")]
)
def test_downloaded_content_is_an_array_of_objects(body: object, place: str) -> None:
    assert found_in(body, DOWNLOADED) == [("not-an-object", place)]


def test_a_fault_in_an_array_is_told_with_its_index() -> None:
    body = [DOWNLOADED_START, PING, {"eventType": "ping"}, PING | {"eventType": "pause"}]

    assert found_in(body, DOWNLOADED) == [
        ("missing-parameter", "[2].playerTime"),
        ("unknown-event-type", "[3].eventType"),
    ]


def test_downloaded_content_may_be_old_but_not_ancient() -> None:
    old, ancient = event("ping", at=-40 * 86_400), event("ping", at=-11 * 366 * 86_400)

    assert found_in([DOWNLOADED_START, old, ancient], DOWNLOADED) == [("timestamp-unit", "[2].playerTime.ts")]


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
    assert answered_with(answer) == rules


@pytest.mark.parametrize(
    ("method", "path", "status", "rules"),
    [
        ("POST", EVENTS, 204, []),
        ("POST", EVENTS, 200, ["unexpected-status"]),
        ("POST", EVENTS, 410, ["rejected"]),
        ("OPTIONS", EVENTS, 200, []),
        ("OPTIONS", EVENTS, 204, []),
        ("OPTIONS", EVENTS, 302, ["unexpected-status"]),
        ("GET", "/api/v1/schemas/ping", 200, []),
        ("GET", "/api/v1/schemas/ping", 304, ["unexpected-status"]),
        ("GET", "/api/v1/schemas/ping", 404, ["rejected"]),
    ],
)
def test_an_answer_to_another_call_is_too(method: str, path: str, status: int, rules: list[str]) -> None:
    assert answered_with(response(status), request(PING if method == "POST" else b"", path, method)) == rules


def test_a_201_to_downloaded_content_needs_no_location() -> None:
    assert answered_with(response(201), request([DOWNLOADED_START, PING])) == []
    assert answered_with(response(201), request([DOWNLOADED_START, PING], DOWNLOADED)) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"message":"bad ts"}', "the endpoint answered 400: bad ts"),
        (b'{"message":7}', "the endpoint answered 400: 7"),
        (b'{"error":"x"}', "the endpoint answered 400"),
        (b"[]", "the endpoint answered 400"),
        (b"7", "the endpoint answered 400"),
        (b"<html>", "the endpoint answered 400"),
        (b'{"message":"' + b"x" * 9999 + b'"}', "the endpoint answered 400: " + "x" * 296 + " ..."),
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

        assert [each for each in findings_of(asked, arrived_ms) if each.severity is Severity.ERROR] == []


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

    assert SECRET not in "".join(each.message for each in findings_of(request(body)))


NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
EVENT_BODIES = st.fixed_dictionaries(
    {},
    optional={
        "eventType": st.sampled_from(list(EVENT_TYPES)) | VALUES,
        "playerTime": st.fixed_dictionaries({"ts": VALUES, "playhead": VALUES}) | VALUES,
        "params": st.dictionaries(st.sampled_from([*START, *AD, "visitor.customerIDs", "statesStart"]), VALUES)
        | VALUES,
        "qoeData": st.dictionaries(st.sampled_from(["media.qoe.bitrate", "media.qoe.errorSource"]), VALUES) | VALUES,
        "customMetadata": st.dictionaries(st.text(), VALUES) | VALUES,
    },
)


@given(VALUES | EVENT_BODIES | st.lists(EVENT_BODIES), st.sampled_from([EVENTS, DOWNLOADED]))
def test_any_json_can_be_checked(body: object, path: str) -> None:
    assert all(each.rule in CONTRACT for each in findings_of(request(body, path)))


@given(st.binary())
def test_any_bytes_can_be_checked(content: bytes) -> None:
    assert all(each.rule in CONTRACT for each in findings_of(request(content)))
    answered_with(response(400, [], content))


@pytest.mark.parametrize("depth", [200, 300, 1000, 100_000])
@pytest.mark.parametrize("body", [b"DEEP", b'{"eventType":"ping","params":DEEP}', b'{"playerTime":{"ts":DEEP}}'])
def test_a_body_of_any_depth_can_be_checked(depth: int, body: bytes) -> None:
    assert findings_of(request(body.replace(b"DEEP", b"[" * depth + b"]" * depth)))


def test_an_event_type_of_any_depth_can_be_checked() -> None:
    assert findings_of(request(b'{"eventType":' + b"[" * 300 + b"]" * 300 + b"}"))


@pytest.mark.parametrize("value", ["{0}", "{x}", "{", "%s", "{expected}"])
def test_a_value_is_quoted_as_it_is(value: str) -> None:
    ids = {"visitor.customerIDs": {value: {"id": "1", "authState": 7}}}

    assert ("bad-value", "params.media.showType") in found_in_start({"media.showType": value})
    assert ("bad-value", f"params.visitor.customerIDs.{value}.authState") in found_in_start(ids)


@pytest.mark.parametrize("length", [100, 101, 1_000_000])
def test_a_long_key_makes_no_long_finding(length: int) -> None:
    key = "k" * length
    ids = {key: {f"x{number}": 1 for number in range(1000)}}
    for body in (
        start_with({key: 1}),
        start() | {"customMetadata": {key: 1}},
        start_with({"visitor.customerIDs": ids}),
    ):
        findings = findings_of(request(body))

        assert findings
        assert all(len(each.path) + len(each.message) < 1000 for each in findings)
        assert any((key in each.path) is (length == 100) for each in findings)
