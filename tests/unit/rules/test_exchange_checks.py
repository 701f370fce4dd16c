"""Findings of one exchange as a reader counts them: one for each mistake, with what the endpoint made of it."""

from typing import Any

import orjson
import pytest

from support.exchanges import AD, BREAK, CHAPTER, NOW, START, event, request, response, start_with
from support.rules import DOWNLOADED, EVENTS, NOW_MS, PING, at_time, findings_of
from tapehead.protocol.exchange import Severity
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schemas, build_schema
from tapehead.rules.exchange_checks import check_exchange, check_request

# Keys that a body lacks, the place of the finding and its words.
MISSING: list[tuple[object, str, str]] = [
    ({}, "", "event: eventType and playerTime are missing; they are required"),
    ({"eventType": "ping", "playerTime": {}}, "playerTime", "ping: playerTime.playhead and playerTime.ts are missing"),
    (
        event("adStart", params={"media.ad.id": "x", "media.ad.length": 5}),
        "params",
        "adStart: params.media.ad.podPosition and params.media.ad.playerName are missing; they are required",
    ),
    (
        {"eventType": "stateStart", "playerTime": {"playhead": 0}, "params": {}},
        "",
        "stateStart: playerTime.ts and params.media.state.name are missing; they are required",
    ),
]


@pytest.mark.parametrize(("body", "place", "words"), MISSING)
def test_missing_keys_of_a_body_are_one_finding(body: object, place: str, words: str) -> None:
    (found,) = findings_of(request(body, EVENTS))
    assert (found.rule, found.path) == ("missing-parameter", place)
    assert found.message.startswith(words)


def test_each_body_of_an_array_has_a_line_of_its_own_for_missing_keys() -> None:
    start = {key: value for key, value in START.items() if key not in ("media.id", "media.channel")}
    bodies = [event("sessionStart", params=start), {"eventType": "play"}, {"eventType": "ping", "playerTime": {}}]
    found = findings_of(request(bodies, DOWNLOADED))
    assert [(each.rule, each.path, each.message) for each in found] == [
        (
            "missing-parameter",
            "[0].params",
            "sessionStart: [0].params.media.id and [0].params.media.channel are missing; they are required",
        ),
        ("missing-parameter", "[1].playerTime", "play: [1].playerTime is missing; it is required"),
        (
            "missing-parameter",
            "[2].playerTime",
            "ping: [2].playerTime.playhead and [2].playerTime.ts are missing; they are required",
        ),
    ]


# Values that the endpoint takes although the reference, or the vendor's SDKs, do not, with the grade of the finding.
TAKEN: list[tuple[object, str, Severity]] = [
    (event("error", params={"media.errorSource": "cdn"}), "params.media.errorSource", Severity.WARNING),
    (PING | {"qoeData": {"media.qoe.errorSource": "Player"}}, "qoeData.media.qoe.errorSource", Severity.WARNING),
    (event("adBreakStart", params=BREAK | {"media.ad.podIndex": -1}), "params.media.ad.podIndex", Severity.INFO),
    (event("adBreakStart", params=BREAK | {"media.ad.podSecond": -0.5}), "params.media.ad.podSecond", Severity.INFO),
    (event("adStart", params=AD | {"media.ad.podPosition": -1}), "params.media.ad.podPosition", Severity.INFO),
    (event("chapterStart", params=CHAPTER | {"media.chapter.index": -2}), "params.media.chapter.index", Severity.INFO),
    (
        event("chapterStart", params=CHAPTER | {"media.chapter.offset": -1}),
        "params.media.chapter.offset",
        Severity.INFO,
    ),
]


@pytest.mark.parametrize(("body", "place", "severity"), TAKEN)
def test_values_that_the_endpoint_takes_are_no_errors(body: object, place: str, severity: Severity) -> None:
    (found,) = findings_of(request(body, EVENTS))
    assert (found.rule, found.severity) == ("bad-value", severity)
    assert found.path.endswith(place)


@pytest.mark.parametrize("params", [{"media.showType": "sitcom"}, {"media.pass.auth": "no"}])
def test_free_strings_of_a_start_are_warnings(params: dict[str, object]) -> None:
    (found,) = findings_of(request(start_with(params), "/api/v1/sessions"))
    assert (found.rule, found.severity) == ("bad-value", Severity.WARNING)


def test_a_value_that_a_recorded_schema_refuses_is_an_error() -> None:
    schema = build_schema("ping")
    schema["definitions"]["qoeData"]["properties"]["media.qoe.errorSource"]["enum"] = ["player"]
    body = PING | {"qoeData": {"media.qoe.errorSource": "external"}}
    (found,) = check_request(Call.EVENT, request(body), NOW_MS, Schemas({"ping": schema}))
    assert (found.rule, found.severity) == ("bad-value", Severity.ERROR)


@pytest.mark.parametrize(
    ("stream", "severity"), [(None, Severity.INFO), ("hls", Severity.WARNING), ("Audio", Severity.WARNING)]
)
def test_a_stream_type_that_is_missing_is_an_information(stream: str | None, severity: Severity) -> None:
    (found,) = findings_of(request(start_with({"media.streamType": stream}), "/api/v1/sessions"))
    assert (found.rule, found.severity) == ("stream-type", severity)
    assert found.message.endswith("; expected audio or video")


@pytest.mark.parametrize(
    ("params", "named"),
    [({"media.id": "x"}, "media.id"), ({"media.id": "x", "media.name": "y", "media.length": 1}, "media.id and 2 more")],
)
def test_params_of_a_ping_are_one_finding(params: dict[str, object], named: str) -> None:
    body = request(event("ping", params=params), EVENTS)
    (found,) = check_exchange(Call.EVENT, body, response(204), None, NOW_MS, Schemas())
    assert (found.rule, found.path) == ("ping-params", "params")
    assert found.message == f"ping: params has {named}; expected no params"


# ---- A refusal and its cause ----

START_WITHOUT_ID = start_with({"media.id": None, "media.streamType": "hls"})
LONG = "the value of a parameter is not what the schema of this event type says " * 9


def refused(body: object, status: int = 400, said: str = "no", path: str = EVENTS) -> list[tuple[str, str]]:
    """Return the rules and messages of the findings where the endpoint refuses a body."""
    answer = response(status, [], orjson.dumps({"message": said}))
    call = Call.SESSION if path.endswith("sessions") else Call.EVENT
    found = check_exchange(call, request(body, path), answer, None, NOW_MS, Schemas())
    return [(each.rule, each.message) for each in found]


def test_the_cause_of_a_refusal_has_the_answer_as_a_detail() -> None:
    (stream, missing) = sorted(refused(START_WITHOUT_ID, said="media.id is needed", path="/api/v1/sessions"))[::-1]
    assert missing == (
        "missing-parameter",
        "sessionStart: params.media.id is missing; it is required (string); the endpoint answered 400: "
        "media.id is needed",
    )
    assert stream == ("stream-type", 'sessionStart: params.media.streamType is "hls"; expected audio or video')


def test_the_answer_to_a_misspelt_type_is_a_sentence_of_its_own() -> None:
    ((_, message),) = refused(PING | {"eventType": "pign"}, said="no such type")
    assert message.endswith("did you mean ping? The endpoint answered 400: no such type")


def test_an_answer_that_says_what_the_finding_says_is_not_repeated() -> None:
    said = 'ping: playerTime.playhead is a string, "1"; expected a number'
    ((_, message),) = refused(at_time(round(NOW_MS), "1"), said=said)
    assert message == f"{said}; the endpoint answered 400"


def test_the_finding_whose_key_the_answer_names_is_the_cause() -> None:
    found = dict(refused(START_WITHOUT_ID, said="bad media.streamType", path="/api/v1/sessions"))
    assert found["stream-type"].endswith("; the endpoint answered 400: bad media.streamType")
    assert "400" not in found["missing-parameter"]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"{", "not-json"),
        ([], "not-an-object"),
        (PING | {"eventType": "stop"}, "unknown-event-type"),
        (PING | {"more": 1}, "unknown-parameter"),
        (event("play", params={"media.id": "x"}), "misplaced-parameter"),
        (PING | {"customMetadata": {"a": "b"}}, "misplaced-metadata"),
        (event("ping", params={"media.id": "x"}), "ping-params"),
        (at_time(round(NOW_MS), "1"), "wrong-type"),
    ],
)
def test_a_refused_body_has_one_finding(body: object, rule: str) -> None:
    ((found, message),) = refused(body)
    ends = "; the endpoint answered 400: no", "? The endpoint answered 400: no"
    assert (found, message.endswith(ends)) == (rule, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (PING, 400),
        (PING | {"qoeData": {"media.qoe.bitrate": 3200}}, 400),
        (at_time(round(NOW)), 400),
        (PING | {"more": 1}, 500),
        (PING | {"more": 1}, 404),
    ],
)
def test_rejected_stands_alone_where_nothing_explains_it(body: object, status: int) -> None:
    assert refused(body, status)[-1] == ("rejected", f"the endpoint answered {status}: no")


def test_a_long_reason_is_cut_between_words() -> None:
    ((_, message),) = refused(PING, said=LONG)
    said = message.removeprefix("the endpoint answered 400: ")
    assert 150 < len(said) <= 300
    assert said.endswith(" ...")
    assert LONG.startswith(said.removesuffix("...")), "the last word is whole"


# ---- The words of a value that a schema does not allow ----

MANY = [f"channel-{number}" for number in range(31)]
LISTED = ", ".join(f'"{name}"' for name in MANY[:30])
# The schema of a parameter, a value that it does not allow, and what the finding expects.
WANTED: list[tuple[dict[str, Any], object, str]] = [
    ({"enum": ["a", "b"]}, "c", 'a string, "c"; expected one of "a", "b"'),
    ({"enum": MANY[:30]}, "c", f'a string, "c"; expected one of {LISTED}'),
    ({"enum": MANY}, "c", f'a string, "c"; expected one of {LISTED} and 1 more'),
    ({"const": 7}, 8, "a number, 8; expected 7"),
    ({"minimum": 1}, 0, "a number, 0; expected at least 1"),
    ({"maximum": 1}, 2, "a number, 2; expected at most 1"),
    ({"exclusiveMinimum": 1}, 1, "a number, 1; expected more than 1"),
    ({"exclusiveMaximum": 1}, 1, "a number, 1; expected less than 1"),
    ({"minLength": 1}, "", 'a string, ""; expected a string that is not empty'),
    ({"minLength": 2}, "x", 'a string, "x"; expected a string of 2 characters or more'),
    ({"minimum": -1}, -2, "a number, -2; expected at least -1"),
    ({"maxLength": 1}, "xy", 'a string, "xy"; expected a string of at most 1 characters'),
    ({"pattern": "^a$"}, "b", 'a string, "b"; expected a match of ^a$'),
    ({"multipleOf": 2}, 3, "a number, 3; expected a value that satisfies multipleOf in the schema"),
]


@pytest.mark.parametrize(("schema", "value", "wanted"), WANTED, ids=[str(schema)[:30] for schema, *_ in WANTED])
def test_a_value_that_is_not_allowed_is_told_with_what_is(schema: dict[str, Any], value: object, wanted: str) -> None:
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"params": {"properties": {"mine": schema}}},
    }
    body = event("play", params={"mine": value})
    found = check_request(Call.EVENT, request(body), NOW_MS, Schemas({"play": whole}))
    assert [(each.rule, each.path, each.message) for each in found] == [
        ("bad-value", "params.mine", f"play: params.mine is {wanted}")
    ]


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"media.length": -1}, "params.media.length is a number, -1; expected at least 0"),
        ({"media.id": ""}, 'params.media.id is a string, ""; expected a string that is not empty'),
        (
            {"media.showType": "sitcom"},
            'params.media.showType is a string, "sitcom"; expected one of "0", "1", "2", "3"',
        ),
    ],
)
def test_documented_values_are_told(params: dict[str, object], wanted: str) -> None:
    (found,) = findings_of(request(start_with(params), "/api/v1/sessions"))
    assert found.message == f"sessionStart: {wanted}"
