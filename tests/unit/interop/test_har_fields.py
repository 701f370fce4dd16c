"""HAR fields of any type: of a call, only method, URL, time and body are needed."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.exchanges import session
from support.har_files import MOMENT, collect, entry, har, har_of, import_one
from tapehead.interop.collector import CallCollector
from tapehead.protocol.exchange import Exchange

CALLS = session("s1", [(1, 0, "play", {}), (9, 8, "ping", {}), (12, 11, "sessionComplete", {})])
NEEDED = {
    (),
    ("startedDateTime",),
    ("request",),
    ("request", "method"),
    ("request", "url"),
    ("request", "postData"),
    ("request", "postData", "text"),
}
BODY = '{"eventType":"play","playerTime":{"playhead":0,"ts":1}}'


def sound() -> dict[str, Any]:
    """A HAR with every field that HAR 1.2 has for an entry."""
    made: dict[str, Any] = orjson.loads(har_of(CALLS))
    for each in made["log"]["entries"]:
        each["request"] |= {"httpVersion": "HTTP/1.1", "cookies": [], "queryString": [], "headersSize": -1}
        each["request"]["bodySize"] = len(each["request"]["postData"]["text"])
        each["request"]["postData"] |= {"mimeType": "application/json", "params": [], "comment": ""}
        each["response"] |= {
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": 0,
        }
        each["response"]["content"] |= {"size": 0, "mimeType": "text/plain", "encoding": ""}
        each |= {"cache": {}, "timings": {"send": 0, "wait": 20, "receive": 0}, "connection": "1", "pageref": "page_1"}
    return made


def paths_of(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths to all values within a value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    yield path
    for key, child in children:
        yield from paths_of(child, (*path, key))


def needed_of(collector: CallCollector) -> list[tuple[object, ...]]:
    """Return what is needed of the calls."""
    return [needed(call.exchange) for call in collector.finish()]


def needed(exchange: Exchange) -> tuple[object, ...]:
    asked = exchange.request
    return asked.method, asked.url, exchange.started, asked.content(), exchange.session


SOUND = sound()
NEEDLESS = [path for path in paths_of(SOUND["log"]["entries"][0]) if path not in NEEDED]
STRANGE: st.SearchStrategy[object] = st.sampled_from(
    [None, True, False, 5, -1.5, "x", "5", [], {}, [[]], [{}], {"a": []}, "\x00", 10**30]
)


def changed(path: tuple[str | int, ...], index: int, *value: object) -> bytes:
    """Return the sound HAR with a field of an entry replaced, or removed if there is no value."""
    made = copy.deepcopy(SOUND)
    place: Any = made["log"]["entries"][index]
    for key in path[:-1]:
        place = place[key]
    if value:
        place[path[-1]] = value[0]
    else:
        del place[path[-1]]
    return json.dumps(made).encode()


@given(st.sampled_from(NEEDLESS), st.integers(0, len(CALLS) - 1), STRANGE)
@settings(max_examples=300, deadline=None)
def test_no_value_of_a_needless_field_changes_what_is_needed(
    path: tuple[str | int, ...], index: int, value: object
) -> None:
    assume(path in set(paths_of(SOUND["log"]["entries"][index])))
    # A status that is not positive says that the request failed.
    assume(not (path == ("response", "status") and value == -1.5))
    collector, lines = collect(changed(path, index, value))

    assert needed_of(collector) == list(map(needed, CALLS))
    assert [line for line in lines if "had no Location" not in line] == []


@pytest.mark.parametrize("path", NEEDLESS, ids=lambda path: ".".join(map(str, path)))
def test_a_needless_field_may_be_absent(path: tuple[str | int, ...]) -> None:
    collector, _ = collect(changed(path, 0))

    assert needed_of(collector) == list(map(needed, CALLS))


@pytest.mark.parametrize("path", sorted(NEEDED - {(), ("request", "postData"), ("request", "postData", "text")}))
def test_a_needed_field_may_not_be_absent(path: tuple[str, ...]) -> None:
    collector, lines = collect(changed(path, 1))

    assert (len(collector.calls), collector.malformed) == (len(CALLS) - 1, 1)
    assert lines[0].startswith("a.har: skipped log.entries[1], which is malformed: ")


@pytest.mark.parametrize("number", ["20", 20, 20.0, " 20 "])
def test_numbers_may_be_strings(number: object) -> None:
    imported = import_one(har(entry(time=number, response={"status": "201"})))

    assert imported.elapsed_ms == 20.0
    assert imported.response
    assert imported.response.status == 201


@pytest.mark.parametrize("time", [1795399200, 1795399200.0, 1795399200000, "1795399200000"])
def test_a_time_may_be_a_number_of_seconds_or_milliseconds(time: object) -> None:
    assert import_one(har(entry(startedDateTime=time))).started == import_one(har(entry())).started
    assert MOMENT.startswith("2026-11-23T02:00:00")


def test_headers_may_be_an_object() -> None:
    imported = import_one(har(entry(response={"headers": {"location": "/api/v1/sessions/s7", "x": 5}})))

    assert imported.session == "s7"
    assert imported.response
    assert imported.response.headers == [("location", "/api/v1/sessions/s7"), ("x", "5")]


def test_a_method_may_be_in_lower_case() -> None:
    assert import_one(har(entry(request={"method": "post"}))).request.method == "POST"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_count_as_absent(text: str) -> None:
    made = json.dumps({"log": {"entries": [entry(body='{"a":"NaN"}', time=float(text))]}}).encode()

    assert text.encode() in made
    assert import_one(made).elapsed_ms == 0.0
    assert import_one(made).request.content() == b'{"a":"NaN"}'


# ---- Bodies ----


@pytest.mark.parametrize(
    "posted",
    [
        json.loads(BODY),
        {"text": json.loads(BODY)},
        {"mimeType": 5, "text": BODY, "params": "x"},
        {"text": None, "params": [{"name": BODY, "value": ""}]},
        {"text": "", "params": [{"name": BODY}]},
        {"params": [{"name": '{"eventType":"play","playerTime":{"playhead":0,"ts":1}}', "value": None}, 5, {}]},
        {"params": [{"name": BODY.replace('"', "%22"), "value": ""}]},
    ],
    ids=["a string", "object", "wrong types", "params", "empty text", "bad params", "quoted"],
)
def test_a_body_is_found_in_any_form(posted: object) -> None:
    posted = BODY if posted == json.loads(BODY) else posted

    imported = import_one(har(entry(request={"postData": posted})))

    assert json.loads(imported.request.content()) == json.loads(BODY)
    assert imported.request.saved


def test_json_that_was_taken_apart_like_a_form_is_put_together() -> None:
    body = '{"params":{"media.name":"a=b&c=d"},"x":"&&"}'
    first, *rest = body.split("&")
    names = [dict(zip(("name", "value"), part.split("=", 1), strict=False)) for part in (first, *rest)]

    imported = import_one(har(entry(request={"postData": {"params": names}})))

    assert imported.request.content() == body.encode()


def test_a_form_is_put_together_as_it_is() -> None:
    pairs = [{"name": "a", "value": "1"}, {"name": "b", "value": "x y"}]

    assert import_one(har(entry(request={"postData": {"params": pairs}}))).request.text == "a=1&b=x y"


def test_a_body_as_an_object_keeps_its_numbers_as_they_are_written() -> None:
    made = har(entry(body="HERE")).replace(b'"HERE"', b'{"ts" : 1795399200000.0,\n "n": 12345678901234567890123}')

    assert import_one(made).request.content() == b'{"ts":1795399200000.0,"n":12345678901234567890123}'


@pytest.mark.parametrize(
    ("encoded", "body", "saved"),
    [('{"a":"bcd"}', b'{"a":"bcd"}', True), ("no base64!", b"", False)],
)
def test_text_that_is_not_base64_is_taken_as_it_is_if_it_is_json(encoded: str, body: bytes, saved: bool) -> None:
    collector, _ = collect(har(entry(request={"postData": {"text": encoded, "encoding": "base64"}})))
    (call,) = collector.calls

    assert call.exchange.request.content() == body
    assert call.exchange.request.saved is saved
    assert collector.without_body == (not saved)


@pytest.mark.parametrize(
    ("request_", "saved"),
    [
        ({}, False),
        ({"bodySize": 300, "postData": {"text": ""}}, False),
        ({"bodySize": "300", "postData": {"text": ""}}, False),
        ({"headers": [{"name": "Content-Length", "value": "300"}]}, False),
        ({"headers": [{"name": "Content-Length", "value": "0"}]}, True),
        ({"bodySize": 0, "postData": {"text": ""}}, True),
        ({"method": "OPTIONS"}, True),
    ],
)
def test_a_body_that_was_lost_is_told_from_one_that_was_sent_empty(request_: dict[str, Any], saved: bool) -> None:
    collector, _ = collect(har(entry(body=None, request=request_)))
    (call,) = collector.calls

    assert call.exchange.request.saved is saved


@pytest.mark.parametrize(
    ("content", "saved"), [({"size": 9}, False), ({"size": 0}, True), ({"size": "9"}, False), ({}, True)]
)
def test_the_body_of_an_answer_that_was_lost_is_told_from_an_empty_one(content: dict[str, Any], saved: bool) -> None:
    answer = import_one(har(entry(response={"content": content}))).response

    assert answer
    assert answer.saved is saved
