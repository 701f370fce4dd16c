"""The addons on flows without a proxy: what they mark, store and learn, and what they survive."""

import asyncio
from collections.abc import Sequence
from secrets import token_bytes
from typing import Any

import orjson
import pytest
from mitmproxy.http import HTTPFlow, Response
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow, tutils

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.exchange import Exchange, decode, encode
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schemas, build_schema
from tapehead.proxy.addons import CallSelector, RecorderAddon
from tapehead.proxy.flows import capture, request_of, route_of
from tapehead.proxy.hosts import Hosts
from tapehead.recording.capture import CapturedCall, build_exchange
from tapehead.recording.pipeline import ExchangePipeline
from tapehead.simulator.endpoint import Simulator

PING = b'{"eventType":"ping","playerTime":{"playhead":0,"ts":946681200000}}'


def flow_to(path: str, method: str = "POST", body: bytes = PING, host: str = "x.hb-api.omtrdc.net") -> HTTPFlow:
    request = tutils.treq(method=method.encode(), path=path.encode(), host=host, content=body)
    request.headers.clear()
    request.headers["content-type"] = "application/json"
    return tflow.tflow(req=request)


class CallList:
    """A sink that keeps the calls in a list."""

    def __init__(self) -> None:
        self.calls: list[CapturedCall] = []

    def store(self, item: CapturedCall, size: int) -> None:
        self.put(item, size)

    def put(self, item: CapturedCall, size: int) -> None:
        assert size >= len(item.request.body)
        self.calls.append(item)

    def lines(self) -> list[Exchange]:
        """Return the exchanges of a recording of these calls."""
        pipeline = ExchangePipeline(None, InternalErrors())
        return [decode(line) for line in map(pipeline.process_captured, self.calls) if isinstance(line, bytes)]


def captured(flows: Sequence[tuple[HTTPFlow, Response | None]]) -> list[CapturedCall]:
    """Return the captured calls of flows that arrive one after the other."""
    sink, internal_errors = CallList(), InternalErrors()
    select, recorder = CallSelector(Hosts(), internal_errors=internal_errors), RecorderAddon(sink, internal_errors)
    for flow, response in flows:
        select.requestheaders(flow)
        recorder.requestheaders(flow)
        flow.response = response
        asyncio.run(recorder.response(flow))
    assert internal_errors.count == 0
    return sink.calls


def record(flows: list[tuple[HTTPFlow, Response | None]]) -> list[Exchange]:
    """Return the recorded exchanges of flows that arrive one after the other."""
    sink = CallList()
    sink.calls = captured(flows)
    return sink.lines()


@pytest.mark.parametrize(
    ("host", "named", "counts"),
    [
        ("company.hb-api.omtrdc.net", (), True),
        ("HB-API.omtrdc.net", (), True),
        ("company.hb-api.omtrdc.net.example", (), False),
        ("nothb-api.omtrdc.net", (), False),
        ("stats.example", (), False),
        ("stats.example", ("stats.example",), True),
        ("stats.example", ("STATS.example:22",), True),
        ("stats.example", ("stats.example:443",), False),
    ],
)
def test_a_host_counts_by_its_name(host: str, named: tuple[str, ...], counts: bool) -> None:
    assert Hosts(named).has(host, 22) is counts


def test_a_call_has_the_key_of_its_session() -> None:
    opened = Response.make(201, b"", {"Location": "/api/v1/sessions/s-1"})
    flows = [
        (flow_to("/k/t-1/api/v1/sessions"), opened),
        (flow_to("/api/v1/sessions/s-1/events"), Response.make(204)),
        (flow_to("/api/v1/sessions/s-1/events?tapehead=t-2"), Response.make(204)),
        (flow_to("/api/v1/sessions/s-2/events"), Response.make(204)),
        (flow_to("/k/a b/api/v1/sessions"), opened),
    ]

    assert [call.key for call in captured(flows)] == ["t-1", "t-1", "t-2", "", ""]
    assert {flow.request.path.partition("/api/v1/sessions")[0] for flow, _ in flows} == {""}


@pytest.mark.parametrize("path", ["/k/t-1/api/v1/sessions", "/api/v1/sessions?tapehead=t-1", "/other"])
def test_what_goes_to_other_hosts_keeps_what_looks_like_a_key(path: str) -> None:
    flow = flow_to(path, host="stats.example")
    flow.request.headers["X-Tapehead-Key"] = "t-1"
    CallSelector(Hosts(), internal_errors=InternalErrors()).requestheaders(flow)

    assert (flow.request.path, flow.request.headers["X-Tapehead-Key"]) == (path, "t-1")


def test_in_reverse_mode_every_host_counts() -> None:
    flow = flow_to("/api/v1/sessions", host="stats.example")
    assert not Hosts().counts(flow)
    flow.client_conn.proxy_mode = ProxyMode.parse("reverse:http://stats.example")
    assert Hosts().counts(flow)


def test_other_requests_are_streamed() -> None:
    flow = flow_to("/video/segment-1.ts", "GET")
    select = CallSelector(Hosts(), internal_errors=InternalErrors())
    select.requestheaders(flow)
    flow.response = tutils.tresp()
    select.responseheaders(flow)

    assert route_of(flow) is None
    assert (flow.request.stream, flow.response.stream) == (True, True)


def test_an_exchange_is_stored_once_even_if_it_fails_afterwards() -> None:
    sink, internal_errors = CallList(), InternalErrors()
    select, recorder = CallSelector(Hosts(), internal_errors=internal_errors), RecorderAddon(sink, internal_errors)
    flow = flow_to("/api/v1/sessions/1/events")
    select.requestheaders(flow)
    recorder.requestheaders(flow)
    flow.response = Response.make(204)
    asyncio.run(recorder.response(flow))
    flow.error = tflow.terr()
    asyncio.run(recorder.error(flow))

    assert [each.response and each.response.status for each in sink.lines()] == [204]


def test_a_schema_that_the_endpoint_serves_counts_from_then_on() -> None:
    narrow: dict[str, Any] = build_schema("ping")
    narrow["definitions"]["playerTime"]["properties"]["playhead"]["minimum"] = 5
    served = Response.make(200, orjson.dumps(narrow), {"content-type": "application/json"})
    event = "/api/v1/sessions/1/events"
    before, schema, after = record(
        [
            (flow_to(event), Response.make(204)),
            (flow_to("/api/v1/schemas/ping", "GET", b""), served),
            (flow_to(event), Response.make(204)),
        ]
    )

    assert schema.call is Call.SCHEMA
    assert [finding.rule for finding in before.findings] == []
    assert [finding.rule for finding in after.findings] == ["bad-value"]


def test_a_served_schema_that_is_invalid_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    served = Response.make(200, b'{"type": 3}')
    event = "/api/v1/sessions/1/events"
    exchanges = record(
        [(flow_to("/api/v1/schemas/ping", "GET", b""), served), (flow_to(event), Response.make(204))],
    )

    assert [each.call for each in exchanges] == [Call.SCHEMA, Call.EVENT]
    assert "a schema from the endpoint is not used" in caplog.text


@pytest.mark.parametrize("sid", [b"\xff", "é".encode(), b"a b", b"%2"])
def test_a_session_id_of_any_bytes_is_recorded_as_in_its_url(sid: bytes) -> None:
    flow = flow_to("/api/v1/sessions/x/events")
    flow.request.data.path = b"/api/v1/sessions/" + sid + b"/events"
    (exchange,) = record([(flow, Response.make(204))])

    assert decode(encode(exchange)).session == exchange.session
    assert exchange.request.path == f"/api/v1/sessions/{exchange.session}/events"


def test_a_failure_is_recorded_whatever_bytes_it_quotes() -> None:
    flow = flow_to("/api/v1/sessions/x/events")
    CallSelector(Hosts(), internal_errors=InternalErrors()).requestheaders(flow)

    assert decode(encode(build_exchange(capture(flow, "no host \udcff")))).error == "no host ?"


def test_a_method_of_any_bytes_can_be_answered() -> None:
    flow = flow_to("/api/v1/sessions")
    flow.request.data.method = b"\xff"

    answer = Simulator(Schemas(), random_bytes=token_bytes).answer(request_of(flow.request), 0).response
    assert answer is not None
    assert orjson.loads(answer.content()) == {"message": "%FF is not allowed here"}
