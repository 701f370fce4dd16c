"""HAR in each exporter's dialect, and damaged."""

import base64
import gzip
from typing import Any

import orjson
import pytest

from support.exchanges import start_with
from support.har_files import MOMENT, collect, entry, har, import_one
from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector, MalformedEntryError
from tapehead.protocol.content_coding import encode_content
from tapehead.protocol.hosts import EndpointHosts
from tapehead.protocol.routes import Call, find_call
from tapehead.recording.capture import CapturedCall, RawRequest

BODY = orjson.dumps(start_with({"media.name": "Grün"})).decode()
EVENTS = "https://example.hb-api.omtrdc.net/api/v1/sessions/s1/events"
CODED = [{"name": "content-encoding", "value": "gzip"}]
ZIPPED = base64.b64encode(gzip.compress(BODY.encode())).decode()


def test_a_call_is_imported_as_it_was_recorded() -> None:
    exchange = import_one(har(entry(body=BODY)))

    assert exchange.call is Call.SESSION
    assert exchange.session == "s1"
    assert (exchange.started, exchange.elapsed_ms) == (MOMENT, 12.5)
    assert bytes(exchange.request.body) == BODY.encode()
    assert exchange.response
    assert (exchange.response.status, exchange.response.reason) == (201, "Created")


@pytest.mark.parametrize(
    ("text", "started"),
    [
        ("2026-11-23T02:00:00.000Z", MOMENT),
        ("2026-11-23T03:00:00.000+01:00", MOMENT),
        ("2026-11-22T18:00:00.0000009-0800", MOMENT),
        ("2026-11-23T07:30:00.1234567+05:30", "2026-11-23T02:00:00.123456Z"),
        ("2026-11-23T02:00:00", MOMENT),
        ("2026-11-23T02:00:00.5+00:00", "2026-11-23T02:00:00.500000Z"),
        (" 2026-11-23 02:00Z ", MOMENT),
    ],
)
def test_times_are_read_with_any_offset_and_precision(text: str, started: str) -> None:
    assert import_one(har(entry(startedDateTime=text))).started == started


@pytest.mark.parametrize(("time", "elapsed"), [(3, 3.0), (-1, 0.0), (None, 0.0), (0.04, 0.0), (1e300, 0.0)])
def test_a_duration_that_is_none_is_nothing(time: float | None, elapsed: float) -> None:
    assert import_one(har(entry(time=time))).elapsed_ms == elapsed


def test_a_duration_may_be_missing() -> None:
    made = entry()
    del made["time"]

    assert import_one(har(made)).elapsed_ms == 0.0


@pytest.mark.parametrize(
    "posted",
    [
        {"text": BODY},
        {"mimeType": "application/json", "text": base64.b64encode(BODY.encode()).decode(), "encoding": "base64"},
        {"mimeType": "application/json", "text": base64.b64encode(BODY.encode()).decode(), "_encoding": "base64"},
        {"text": BODY.encode().decode("latin-1"), "params": []},
    ],
    ids=["text", "encoding", "_encoding", "taken for Latin-1"],
)
def test_a_body_is_that_which_was_sent(posted: dict[str, Any]) -> None:
    size = len(BODY.encode())

    assert import_one(har(entry(request={"postData": posted, "bodySize": size}))).request.content() == BODY.encode()


@pytest.mark.parametrize(
    "posted",
    [{"text": BODY}, {"text": ZIPPED, "encoding": "base64"}],
    ids=["undone by the exporter", "left on"],
)
def test_a_content_coding_is_undone_once(posted: dict[str, Any]) -> None:
    request = import_one(har(entry(request={"postData": posted, "headers": CODED}))).request

    assert bytes(request.body) == BODY.encode()
    assert not request.coded
    assert request.header("Content-Encoding") == "gzip"


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip"])
def test_an_answer_that_was_unpacked_is_not_unpacked_again(coding: str) -> None:
    headers = [{"name": "Content-Encoding", "value": coding}]
    packed = base64.b64encode(encode_content(b"an answer", coding)).decode()
    for content in ({"text": "an answer"}, {"text": packed, "encoding": "base64"}):
        answer = import_one(har(entry(response={"content": content, "headers": headers}))).response
        assert answer
        assert answer.text == "an answer"


def test_bytes_that_mitmproxy_could_not_read_as_text_are_kept() -> None:
    sent = rb"\\\ud83d\ude00 \udcff\\\udc80 \ud800 " + "\U0010f8ff".encode()
    made = har(entry(body="HERE")).replace(b"HERE", sent)

    assert import_one(made).request.content() == b"\\\xf0\x9f\x98\x80 \xff\\\x80 \xef\xbf\xbd \xff"


def test_a_half_of_a_surrogate_pair_elsewhere_hides_no_call() -> None:
    made = har(entry("https://example.com/", body="HERE"), entry(body=BODY)).replace(b"HERE", rb"\ud800")

    assert import_one(made).request.content() == BODY.encode()


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ({"status": 0, "statusText": "", "_error": "net::ERR_CONNECTION_REFUSED"}, "net::ERR_CONNECTION_REFUSED"),
        ({"status": -1, "statusText": "", "_failureText": "net::ERR_FAILED"}, "net::ERR_FAILED"),
        ({"status": 0, "statusText": "", "_error": None}, "the HAR file has no response"),
        ({"status": 0, "_error": "net::ERR_ABORTED"}, "net::ERR_ABORTED"),
        ({"status": 200, "_error": "net::ERR_CONTENT_LENGTH_MISMATCH"}, "net::ERR_CONTENT_LENGTH_MISMATCH"),
        ({"status": 0, "statusText": "Blocked"}, "Blocked"),
        ({"status": None}, "the HAR file has no response"),
    ],
)
def test_a_request_that_failed_has_no_answer(response: dict[str, Any], error: str) -> None:
    exchange = import_one(har(entry(response=response)))

    assert exchange.response is None
    assert exchange.error == error


@pytest.mark.parametrize(
    ("error", "who"),
    [
        ("net::ERR_ABORTED", "client"),
        ("NS_BINDING_ABORTED", "client"),
        ("Client disconnected.", "client"),
        ("net::ERR_EMPTY_RESPONSE", "endpoint"),
        ("net::ERR_CONNECTION_RESET", "endpoint"),
        ("net::ERR_NAME_NOT_RESOLVED", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("said", ["_error", "_failureText"])
def test_who_closed_the_connection_is_read_from_the_error(said: str, error: str, who: str | None) -> None:
    assert import_one(har(entry(response={"status": 0, "statusText": "", said: error}))).closed_by == who


@pytest.mark.parametrize("said", ["_error", "_failureText"])
def test_an_answer_that_the_page_did_not_read_is_one(said: str) -> None:
    exchange = import_one(har(entry(response={"status": 201, said: "net::ERR_ABORTED"})))

    assert exchange.error is None
    assert exchange.session == "s1"


def test_an_answer_may_be_missing() -> None:
    made = entry()
    del made["response"]

    assert import_one(har(made)).error == "the HAR file has no response"


def test_pseudo_headers_are_left_out_and_joined_ones_parted() -> None:
    pairs = [(":authority", "h"), (":path", "/x"), ("Set-Cookie", "a=1\nb=2"), ("X", None), ("Y", "é"), ("Z", "√")]
    headers = [{"name": name, "value": value} for name, value in pairs]

    assert import_one(har(entry(request={"headers": headers}))).request.headers == [
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X", ""),
        ("Y", "é"),
        ("Z", "√".encode().decode("latin-1")),
    ]


def test_without_headers_a_session_is_known_by_where_it_leads() -> None:
    made = entry(response={"redirectURL": "/api/v1/sessions/s2"})
    del made["response"]["headers"], made["request"]["headers"]

    assert import_one(har(made)).session == "s2"


def test_a_fragment_is_not_sent() -> None:
    assert import_one(har(entry(f"{EVENTS}?a=b#c"))).request.url == f"{EVENTS}?a=b"


def test_preflights_count_and_other_methods_do_not() -> None:
    collector, _ = collect(
        har(*(entry(EVENTS, None, request={"method": method}) for method in ("OPTIONS", "GET", "PUT")))
    )

    assert [each.exchange.call for each in collector.calls] == [Call.PREFLIGHT]
    assert (collector.others, collector.without_body) == (2, 0)


@pytest.mark.parametrize(
    ("request_", "missing"),
    [
        ({}, 1),
        ({"postData": {"mimeType": "text/plain", "params": []}}, 1),
        ({"postData": {"text": ""}, "bodySize": 300}, 1),
        ({"bodySize": 0}, 1),
        ({"headers": [{"name": "content-length", "value": "0"}]}, 0),
        ({"postData": {"text": ""}, "bodySize": 0}, 0),
    ],
)
def test_bodies_that_were_left_out_are_counted(request_: dict[str, Any], missing: int) -> None:
    collector, lines = collect(har(entry(EVENTS, None, request=request_)))

    assert collector.without_body == missing
    assert collector.calls[0].exchange.request.content() == b""
    assert lines == []


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({}, "required field `request`"),
        ([], "Expected `object`"),
        (None, "Expected `object`"),
        ({"request": {"method": "POST"}}, "required field `url`"),
        ({"request": {"method": "POST", "url": 5}}, "`$.request.url`"),
        (entry("https://[::1/api/v1/sessions"), "its URL is malformed"),
        (entry("https://example.hb-api.omtrdc.net:99999/api/v1/sessions"), "its URL is malformed"),
        (entry(startedDateTime="yesterday"), "startedDateTime"),
        (entry(startedDateTime="0001-01-01T00:00:00+23:59"), "1970"),
        (entry(startedDateTime=5), "its startedDateTime is not a time in ISO 8601"),
        (entry(startedDateTime=None), "its startedDateTime is not a time in ISO 8601"),
    ],
)
def test_a_damaged_entry_is_told_of_and_hides_no_other(broken: object, reason: str) -> None:
    collector, lines = collect(har(entry(), broken, entry()))

    assert len(collector.calls) == 2
    assert collector.malformed == 1
    (line,) = lines
    assert line.startswith("a.har: skipped log.entries[1], which is malformed: ")
    assert reason in line


def test_a_body_that_is_not_utf_8_is_kept_as_it_was_sent() -> None:
    imported = import_one(har(entry(body='HERE"\n')).replace(b"HERE", b"\xff\xc3"))

    assert imported.request.content() == b'\xff\xc3"\n'


def test_many_damaged_entries_are_told_of_in_one_line() -> None:
    collector, lines = collect(har(*[{}] * 1000, entry()))

    assert len(collector.calls) == 1
    assert len(lines) == 21
    assert lines[-1] == "a.har: skipped 980 more malformed entries"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (har(entry())[:-40], "is cut short"),
        (har(entry())[:200], "is cut short"),
        (b"{}", "is not a HAR file"),
        (b'{"log": {}}', "is not a HAR file"),
        (b'{"log": {"entries": {}}}', "is not a HAR file"),
        (b"[1]", "is not a HAR file"),
        (b"{nothing}", "is not a HAR file"),
        (har() + b"\x00", "is not a HAR file"),
        (b'{"log": {"entries": ' + b"[" * 100_000, "nests too deep"),
        (b'{"tapehead":1,"started":"x"}\n{}', "is a recording of tapehead"),
    ],
)
def test_what_is_no_har_is_refused_in_a_sentence(data: bytes, reason: str) -> None:
    with pytest.raises(RecordingError, match=reason) as problem:
        collect(data)

    assert "\n" not in str(problem.value)


def test_hosts_that_were_called_like_the_endpoint_are_remembered() -> None:
    urls = [f"https://{host}/api/v1/sessions" for host in ("a.example", "b.example:8443", "a.example")]
    collector, _ = collect(har(entry(), *map(entry, urls), entry("https://c.example/")))

    assert collector.elsewhere.similar_hosts().startswith("a.example (2), b.example:8443 (1); ")
    assert (collector.others, collector.entries) == (4, 5)
    assert import_one(har(*map(entry, urls)), "B.example:8443").request.url == urls[1]


def test_what_would_make_a_line_that_nobody_reads_is_not_taken() -> None:
    collector = CallCollector(EndpointHosts(), pytest.fail)
    asked = RawRequest("POST", "https://example.hb-api.omtrdc.net/api/v1/sessions?\ud800", (), b"{}")
    route = find_call(asked.method, "/api/v1/sessions")
    assert route

    with pytest.raises(MalformedEntryError, match="not an exchange: "):
        collector.add(CapturedCall(route, asked, None, None, 1.0, 2.0))

    assert collector.calls == []
