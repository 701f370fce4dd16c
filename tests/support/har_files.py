"""HAR and flow files for tests, as exporters would have saved exchanges."""

import io
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

import orjson
from mitmproxy import flow, http
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow

from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector
from tapehead.interop.har import read_har
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.hosts import EndpointHosts
from tapehead.protocol.messages import Headers, Request, Response

Json = dict[str, Any]
MOMENT = "2026-11-23T02:00:00.000000Z"


def entry(url: str = "https://example.hb-api.omtrdc.net/api/v1/sessions", body: str | None = "{}", **more: Any) -> Json:
    """A call as every exporter writes it; `request` and `response` are added to, all else replaces."""
    request = {"method": "POST", "url": url, "headers": _pairs([("Content-Type", "application/json")])}
    posted = {} if body is None else {"postData": {"mimeType": "application/json", "text": body}}
    answer = {"status": 201, "statusText": "Created", "headers": _pairs([("Location", "/api/v1/sessions/s1")])}
    made: Json = {
        "startedDateTime": MOMENT,
        "time": 12.5,
        "request": request | posted,
        "response": answer | {"content": {}},
    }
    for part in ("request", "response"):
        made[part] |= more.pop(part, {})
    return made | more


def har(*entries: object) -> bytes:
    """A HAR with these entries."""
    return orjson.dumps({"log": {"version": "1.2", "creator": {"name": "a test", "version": "1"}, "entries": entries}})


def har_of(exchanges: Iterable[Exchange]) -> bytes:
    """A HAR of exchanges."""
    return har(*map(_entry_of, exchanges))


def _entry_of(exchange: Exchange) -> Json:
    response = exchange.response
    answer = {"status": 0, "_error": exchange.error} if response is None else _answer_of(response)
    return {
        "startedDateTime": exchange.started,
        "time": exchange.elapsed_ms,
        "request": _request_of(exchange.request),
        "response": answer,
    }


def _request_of(request: Request) -> Json:
    made = {"method": request.method, "url": request.url, "headers": _pairs(request.headers)}
    return made | {"postData": {"text": request.content().decode()}} if request.content() else made


def _answer_of(response: Response) -> Json:
    content = {"text": response.content().decode("utf-8", "replace")}
    headers = _pairs(response.headers)
    return {"status": response.status, "statusText": response.reason, "headers": headers, "content": content}


def _pairs(headers: Headers) -> list[Json]:
    return [{"name": name, "value": value} for name, value in headers]


def collect(data: bytes, *named: str) -> tuple[CallCollector, list[str]]:
    """Return the collector of a HAR's calls, and its warnings."""
    lines: list[str] = []
    collector = CallCollector(EndpointHosts(named), lines.append)
    collector.start_file("a.har")
    read_har("a.har", data, collector)
    with suppress(RecordingError):  # there is no call in it
        collector.finish_file()
    return collector, lines


def import_one(data: bytes, *named: str) -> Exchange:
    """The one exchange of a HAR in which nothing is wrong."""
    collector, lines = collect(data, *named)
    assert lines == []
    (call,) = collector.calls
    return call.exchange


# ---- Flow files ----


def flow_of(exchange: Exchange) -> http.HTTPFlow:
    """An exchange as mitmproxy's flow."""
    asked, answered = exchange.request, exchange.response
    began = datetime.fromisoformat(exchange.started).timestamp()
    made = tflow.tflow(req=http.Request.make(asked.method, asked.url, asked.content(), _fields(asked)))
    made.request.timestamp_start, made.request.timestamp_end = began, began
    made.error = None if answered else flow.Error(exchange.error or "", began)
    if answered:
        made.response = http.Response.make(answered.status, answered.content(), _fields(answered))
        made.response.timestamp_start = made.response.timestamp_end = began + exchange.elapsed_ms / 1000
    return made


def _fields(message: Request | Response) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in message.headers]


def flow_file(*flows: flow.Flow) -> bytes:
    """A flow file with these flows."""
    file = io.BytesIO()
    for each in flows:
        FlowWriter(file).add(each)
    return file.getvalue()
