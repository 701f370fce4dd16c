"""What goes into a line of a recording comes out of it again, byte for byte."""

import base64
import pickle
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import exchange, request, response, start
from tapehead.protocol.exchange import (
    FORMAT_VERSION,
    Answered,
    Exchange,
    Finding,
    Severity,
    decode,
    encode,
    format_time,
)
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call

# Bodies by what is odd about them, and the field that holds each.
BODIES: dict[str, tuple[bytes, str]] = {
    "plain": (b'{"a":1}', "body"),
    "spaces inside": (b'{ "a" :\t[ 1 , 2 ] }', "body"),
    "numbers' spelling": (b"[1.0,1.00,1e2,1E+2,-0,-0.0,0.1e-7,12345678901234567890]", "body"),
    "duplicate keys": (b'{"a":1,"a":2,"b":3,"a":4}', "body"),
    "order of keys": (b'{"z":1,"a":2,"m":3}', "body"),
    "escapes": (rb'{"\u0061":"\/\u00fc\"\\\n"}', "body"),
    "beyond ASCII": ('{"a":"ü€😀\u2028"}'.encode(), "body"),
    "no object": (b"null", "body"),
    "nested deep": (b"[" * 900 + b"]" * 900, "body"),
    "several lines": (b'{\n  "a": 1\n}', "text"),
    "carriage returns": (b'{\r"a":1}', "text"),
    "broken JSON": (b'{"a":', "text"),
    "two values": (b"{} {}", "text"),
    "not a number": (b'{"a":NaN}', "text"),
    "beyond doubles": (b'{"a":1e400}', "text"),
    "lone surrogate escape": (rb'{"a":"\ud800"}', "text"),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', "text"),
    "plain text": (b"hello", "text"),
    "control characters": (b"\x00\x01\x1f\x7f", "text"),
    "blanks": (b"  ", "text"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "base64"),
    "invalid UTF-8 in JSON": (b'{"a":"\xff"}', "base64"),
    "surrogates as UTF-8": (b'"\xed\xa0\x80"', "base64"),
    "no text": (bytes(range(256)), "base64"),
}


def _stored(whole: Exchange) -> Any:
    return orjson.loads(encode(whole))


def _after(content: bytes) -> bytes:
    return decode(encode(exchange(request(content), response(400, [], content)))).request.content()


@pytest.mark.parametrize("what", BODIES)
def test_a_body_comes_back_byte_for_byte(what: str) -> None:
    content, _ = BODIES[what]
    back = decode(encode(exchange(request(content), response(400, [], content))))

    assert back.request.content() == content
    assert back.response
    assert back.response.content() == content


@pytest.mark.parametrize("what", BODIES)
def test_a_body_is_held_by_the_first_form_that_fits(what: str) -> None:
    content, form = BODIES[what]

    assert {"body", "text", "base64", "coded"} & set(_stored(exchange(request(content), None))["request"]) == {form}


@pytest.mark.parametrize("content", [b' {"a":1}', b'{"a":1} ', b"\t1\t"])
def test_blanks_around_a_body_come_back(content: bytes) -> None:
    assert _after(content) == content


def test_a_json_body_stands_in_the_line_as_sent() -> None:
    assert rb'"body":{ "a" : 1.0, "a":2 }' in encode(exchange(request(rb'{ "a" : 1.0, "a":2 }'), None))


def test_an_empty_body_takes_no_field() -> None:
    whole = exchange(request(b""), response(204))

    assert {"body", "text", "base64", "coded"}.isdisjoint(_stored(whole)["request"])
    assert decode(encode(whole)).request.content() == b""


def test_a_body_that_would_not_unpack_is_kept_and_marked() -> None:
    whole = exchange(request(b"").with_content(b'{"a":1}', coded=True), None)
    back = decode(encode(whole)).request

    assert _stored(whole)["request"]["base64"] == base64.b64encode(b'{"a":1}').decode()
    assert (back.content(), back.coded) == (b'{"a":1}', True)


def test_another_body_leaves_no_trace_of_the_first() -> None:
    bodies = (b"\xff", b"text", b"{}", b"", b"text", b"\xff", b"{}")
    message = request(b"\xff").with_content(b"gz", coded=True)

    for content in bodies:
        message = message.with_content(content)
        assert (message.content(), message.coded) == (content, False)


@given(st.binary() | st.text().map(str.encode) | st.recursive(st.text(), st.lists).map(orjson.dumps))
def test_any_bytes_come_back(content: bytes) -> None:
    assert _after(content) == content
    assert _after(b" " + content + b"\t") == b" " + content + b"\t"


@given(st.text(st.characters(max_codepoint=255)), st.text(st.characters(max_codepoint=255)))
def test_any_header_bytes_come_back_in_order(name: str, value: str) -> None:
    sent = request(b"").with_headers([(name, value), ("B", "1"), (name, "second"), ("b", "2")])

    assert decode(encode(exchange(sent, None))).request.headers == sent.headers


@given(st.binary())
def test_an_exchange_is_one_line(content: bytes) -> None:
    line = encode(exchange(request(content, X_Odd="a\nb\r\x85"), response(400, [], content)))

    assert line.endswith(b"\n")
    assert len(line.splitlines()) == 1


def test_a_whole_exchange_comes_back_equal() -> None:
    finding = Finding("bad-value", Severity.ERROR, "params.media.length", "sessionStart: too short")
    whole = exchange(request(start()), response(400, [("X-Odd", "\xff")], b'{"message":"no"}'), 3.25)
    whole = msgspec.structs.replace(whole, findings=[finding, finding])

    assert encode(decode(encode(whole))) == encode(whole)
    assert decode(encode(whole)).findings == [finding, finding]


def test_a_line_has_the_documented_fields() -> None:
    answered = _stored(exchange(request(start()), response(204)))
    failed = _stored(exchange(request(start()), None))
    always = ["tapehead", "started", "elapsed_ms", "call", "session", "request", "response"]

    assert list(answered) == [*always, "findings"]
    assert list(failed) == [*always, "error", "findings"]
    assert list(answered["request"]) == ["method", "url", "headers", "body"]
    assert list(answered["response"]) == ["status", "reason", "headers"]


def test_a_line_has_every_field_that_is_known_in_the_documented_order() -> None:
    whole = exchange(msgspec.structs.replace(request(), saved=False), None)
    whole = msgspec.structs.replace(whole, order=3, source="player.har", closed_by="client", replaces="sid-1")
    whole = msgspec.structs.replace(whole, answered=Answered("miss", "not recorded", "test-1"))

    stored = _stored(whole)
    assert list(stored) == [
        *("tapehead", "started", "order", "elapsed_ms", "call", "session", "source"),
        *("request", "response", "error", "closed_by", "replaces", "answered", "findings"),
    ]
    assert list(stored["answered"]) == ["outcome", "reason", "key"]
    assert stored["request"]["saved"] is False
    assert decode(encode(whole)) == whole


def test_a_call_outside_a_session_has_null() -> None:
    stored = _stored(exchange(request(b"", "/api/v1/schemas/ping", "GET"), None))

    assert (stored["session"], stored["response"], stored["call"]) == (None, None, "schema")


def test_fields_of_a_later_version_do_no_harm() -> None:
    line = encode(exchange(request(b"{}"), None)).replace(b'{"tapehead":', b'{"more":[1],"tapehead":', 1)

    assert decode(line).request.content() == b"{}"


LINE = encode(exchange(request(b"\xff"), response(204)))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        LINE[:-3],
        LINE + LINE,
        LINE.replace(b'"call":"session"', b'"call":"sessions"'),
        LINE.replace(b'"elapsed_ms":12.5', b'"elapsed_ms":"12.5"'),
        LINE.replace(b'"/w=="', b'"/w="'),
        LINE.replace(b'"base64":"/w=="', rb'"text":"\ud800"'),
        LINE.replace(b'"status":204', b'"status":null'),
        b"[" * 100_000,
    ],
)
def test_a_line_that_is_no_exchange_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        decode(line)


def test_a_header_is_found_in_any_case() -> None:
    sent = request(b"").with_headers([("content-TYPE", "one"), ("Content-Type", "two")])

    assert sent.header("Content-Type") == "one"
    assert list(sent.header_values("CONTENT-TYPE")) == ["one", "two"]
    assert sent.header("Content-Length") is None


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://example.com/api/v1/sessions?x=/y", "/api/v1/sessions"),
        ("https://example.com:8443/a/b", "/a/b"),
        ("http://[::1]:80/a", "/a"),
        ("https://example.com", "/"),
        ("https://example.com/", "/"),
    ],
)
def test_the_path_is_the_urls_without_its_query(url: str, path: str) -> None:
    assert Request(method="GET", url=url, headers=[]).path == path


def test_exchanges_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        response(204).status = 410  # type: ignore[misc]


def test_the_fields_say_version_and_call() -> None:
    whole = exchange(request(start()), Response(status=201, headers=[]))

    assert (whole.tapehead, whole.call) == (FORMAT_VERSION, Call.SESSION)


@given(st.floats(0, 10**11) | st.integers(0, 10**10).map(lambda half: half + 0.9999995))
def test_a_time_is_written_as_the_library_does(seconds: float) -> None:
    expected = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert format_time(seconds) == expected


def test_messages_are_the_same_when_they_come_from_another_process() -> None:
    for message in (response(204), response(200).with_content(b'{"a":1}'), request(b"x"), request()):
        copied = pickle.loads(pickle.dumps(message))
        assert copied == message
        assert msgspec.json.encode(copied) == msgspec.json.encode(message)
