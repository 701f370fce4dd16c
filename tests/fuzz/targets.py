"""Fuzz targets: every input of tapehead as a function that takes any bytes and raises nothing.

What a docstring in the house says that it raises is caught here; whatever else comes out is a finding. The parts of an
input are separated by blank lines, as in HTTP, so that inputs can be read, written by hand and mutated.
"""

import asyncio
import contextlib
import math
import tempfile
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from secrets import token_bytes
from typing import Any

import msgspec
from mitmproxy import http
from mitmproxy.test import tflow

from fuzz.importers import flow_file_of_bytes, har_of_bytes
from fuzz.steps import altered, audit_entries, compare, cover, follow, give, read, replay, report
from support.exchanges import NOW, request, response, start
from support.paths import RECORDINGS_FOLDER
from tapehead.answers import Engine
from tapehead.auditor.effective_settings import lines_in_force
from tapehead.auditor.expectations import Expectations
from tapehead.auditor.settings import AuditSettings, SettingsError
from tapehead.auditor.tracking_plan import plan_of
from tapehead.cli.config_file import load_config
from tapehead.cli.option_parsing import parse_listen, parse_target
from tapehead.cli.terminal import lines_of
from tapehead.errors import UsageError
from tapehead.internal_errors import InternalErrors
from tapehead.metrics.assumptions import parse_assumptions
from tapehead.protocol.content_coding import CodingError, decode_content
from tapehead.protocol.events import events_of
from tapehead.protocol.exchange import FORMAT_VERSION, Entry, Exchange, encode
from tapehead.protocol.messages import Request
from tapehead.protocol.routes import Call, find_call
from tapehead.protocol.schemas import Schemas
from tapehead.proxy.flows import capture, mark, request_of, to_mitmproxy
from tapehead.recording.capture import build_exchange
from tapehead.recording.format_versions import read_lines
from tapehead.redaction.redactor import Redactor
from tapehead.replay.index import build_index
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer
from tapehead.rules.exchange_checks import MOST_FINDINGS, check_exchange
from tapehead.server.asgi import App
from tapehead.simulator.endpoint import Simulator
from tapehead.simulator.faults import FaultInjector, parse_fault, parse_latency

Target = Callable[[bytes], None]

RECORDINGS = RECORDINGS_FOLDER
SCHEMAS = Schemas()
REDACTOR = Redactor(b"a key for tests")
# Findings of a body are told in lines, however long its keys and values are.
MOST_TOLD = 4000


def split(data: bytes, count: int) -> list[bytes]:
    """The first `count` parts of an input; the last one has all that is left."""
    found = data.split(b"\n\n", count - 1)
    return [*found, *[b""] * (count - len(found))]


def join(*parts: bytes) -> bytes:
    """An input of these parts."""
    return b"\n\n".join(parts)


# ---- The addon ----


def flow(data: bytes) -> None:
    """A flow as the proxy sees it: head of a request, head of its answer, body of the answer, body of the request."""
    made = _flow_of(*split(data, 4))
    route = find_call(made.request.method, made.request.path)
    if route:
        mark(made, route)
        _keep(made)


def _flow_of(head: bytes, answer: bytes, told: bytes, body: bytes) -> http.HTTPFlow:
    made = tflow.tflow(req=_request(head, body))
    made.request.timestamp_start = NOW
    if answer:
        line, *headers = answer.split(b"\n")
        status, _, reason = line.partition(b" ")
        number = int(status) if status.lstrip(b"-").isdigit() and len(status) < 30 else 204
        fields = http.Headers(_fields(headers))
        made.response = http.Response(b"HTTP/1.1", number, reason, fields, told, None, NOW, NOW + 1)
    return made


def _request(head: bytes, body: bytes) -> http.Request:
    """A request with nothing of it looked at, as it is when it comes from a connection."""
    line, *headers = head.split(b"\n")
    method, path, version = [*line.split(b" ", 2), b"", b""][:3]
    made = http.Request.make("POST", "http://example.com/", body)
    made.data.method, made.data.path, made.data.headers = method, path, http.Headers(_fields(headers))
    made.data.http_version = b"HTTP/2.0" if b"2" in version else b"HTTP/1.1"
    return made


def _fields(lines: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]


def _keep(made: http.HTTPFlow) -> None:
    """Do with a flow what recording does."""
    before = made.request.get_state()
    exchange = check(build_exchange(capture(made, None if made.response else "refused by \udcff")))
    assert made.request.get_state() == before
    assert exchange.request.content() == _unpacked(made.request)
    assert_kept(exchange)
    assert_kept(REDACTOR.redact(exchange))
    assert all("\n" not in line for line in lines_of(exchange, 80))


def check(exchange: Exchange) -> Exchange:
    """An exchange with its findings."""
    asked, answered = exchange.request, exchange.response
    found = check_exchange(exchange.call, asked, answered, exchange.error, 1_795_401_600_000, SCHEMAS)
    return msgspec.structs.replace(exchange, findings=found)


def _unpacked(message: http.Request) -> bytes:
    raw = message.raw_content or b""
    codings = [value.decode("latin-1") for name, value in message.headers.fields if name.lower() == b"content-encoding"]
    try:
        return decode_content(raw, ",".join(codings)) if raw else raw
    except CodingError:
        return raw


def assert_kept(exchange: Exchange) -> None:
    """An exchange is one line of a recording, and comes back from it as it was."""
    line = encode(exchange)
    assert line.count(b"\n") == 1
    (entry,) = read_lines([line])
    assert isinstance(entry, Entry), entry
    assert entry.exchange.request.content() == exchange.request.content()
    assert encode(entry.exchange) == line


# ---- Bodies and schemas ----

_PATHS = {
    Call.SESSION: "/api/v1/sessions",
    Call.EVENT: "/api/v1/sessions/s1/events",
    Call.DOWNLOADED: "/api/v1/downloaded",
}


def body(data: bytes) -> None:
    """A body, as the request's of each call and as the answer's: checked, stored, and taken apart into events."""
    for call, path in _PATHS.items():
        exchange = _exchange(call, request(data, path), data)
        findings = check_exchange(call, exchange.request, exchange.response, None, NOW * 1000, SCHEMAS)
        assert len(findings) <= MOST_FINDINGS + 2
        assert all(len(each.message) + len(each.path) < MOST_TOLD for each in findings)
        assert_kept(exchange)
        assert all(event.call is call for event in events_of(exchange, NOW * 1000))


def _exchange(call: Call, asked: Request, answer: bytes) -> Exchange:
    return Exchange(
        tapehead=FORMAT_VERSION,
        started="2026-11-23T00:00:00.000000Z",
        elapsed_ms=1.0,
        call=call,
        session="s1" if call is Call.EVENT else None,
        request=asked,
        response=response(400, [], answer),
        findings=[],
    )


def schema(data: bytes) -> None:
    """A schema, as an endpoint serves it and as a file has it, and a body to be checked with it."""
    served, sent = split(data, 2)
    schemas, found, checked = Schemas(), response(200, [], served).json(), request(sent).json()
    if not isinstance(found, dict):
        return
    with contextlib.suppress(ValueError):
        schemas.learn("play", found)
    assert all(complaint.keyword for complaint in schemas.schema_errors("play", checked))
    settings = AuditSettings(expect={"play": found})
    with contextlib.suppress(SettingsError):
        list(Expectations(settings).check(request(sent, _PATHS[Call.EVENT])))
        assert plan_of(settings).name


# ---- Recordings ----


def recording(data: bytes) -> None:
    """A file: read, audited, reported in every form, compared with itself and another one, and replayed."""
    with _stored(data, "recording.jsonl") as path:
        entries = read(path)
    results = audit_entries(entries)
    assert follow(entries) == results
    assert all(report(results, entries))
    assert cover(results)
    assert compare(results, audit_entries(entries)).same
    compare(results, audit_entries(altered(entries)))
    for on_miss in OnMiss:
        replay(entries, on_miss)


@contextlib.contextmanager
def _stored(data: bytes, name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        yield path


def lines_in(path: Path) -> list[Entry]:
    """The entries of a recording that is one."""
    entries = read(path)
    assert entries
    return entries


# ---- AuditSettings and arguments ----

SAMPLE = lines_in(RECORDINGS / "mistakes.jsonl")[:12]


def config(data: bytes) -> None:
    """A file with settings, which are then used."""
    with _stored(data, "tapehead.toml") as path, contextlib.suppress(UsageError):
        _use(load_config(path).settings)


def expectation(data: bytes) -> None:
    """A file with expectations, which are then used."""
    with _stored(b"", "tapehead.toml") as empty, _stored(data, "play.json") as path:
        for named in (str(path), f"sessionStart={path}"):
            with contextlib.suppress(UsageError):
                _use(load_config(empty, [named]).settings)


def _use(settings: AuditSettings) -> None:
    assert lines_in_force(settings)
    assert cover(audit_entries(SAMPLE, settings), settings)


def argument(data: bytes) -> None:
    """The value of an option on the command line."""
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(UsageError):
        assert parse_target(text).mode.startswith("reverse:http")
    with contextlib.suppress(UsageError):
        assert parse_listen(text)[0].strip("[]").encode("ascii")
    with contextlib.suppress(ValueError):
        assert parse_assumptions([text])
    with contextlib.suppress(UsageError):
        _break(FaultInjector(Simulator(SCHEMAS, random_bytes=token_bytes), [parse_fault(text)]))
    with contextlib.suppress(UsageError):
        _break(FaultInjector(Simulator(SCHEMAS, random_bytes=token_bytes), [], parse_latency(text)))


def _break(engine: Engine) -> None:
    for asked in (request(start()), request(b"{}", _PATHS[Call.EVENT])):
        delay = give(engine, asked).delay_ms
        assert math.isfinite(delay)
        assert delay >= 0


# ---- Engines ----

INDEX = build_index([lines_in(path) for path in sorted(RECORDINGS.glob("*.jsonl"))])


def engine(data: bytes) -> None:
    """A request, as a flow's, to every engine, through the proxy's doors and through the plain server's."""
    head, sent = split(data, 2)
    asked = request_of(_request(head, sent))
    for each in _engines():
        answer = give(each, asked)
        assert answer.response is None or to_mitmproxy(answer.response).status_code == answer.response.status
    asyncio.run(_serve(Simulator(SCHEMAS, random_bytes=token_bytes), asked.method, _request(head, sent)))


def _engines() -> Iterator[Engine]:
    yield Simulator(SCHEMAS, strict=True, random_bytes=token_bytes)
    for on_miss in OnMiss:
        yield Replayer(INDEX, SCHEMAS, on_miss=on_miss, random_bytes=token_bytes)


async def _serve(answering: Engine, method: str, asked: http.Request) -> None:
    """Send a request to the ASGI application, in the form that uvicorn has for it."""
    path, _, query = asked.data.path.partition(b"?")
    headers = [(name.lower(), value) for name, value in asked.headers.fields]
    scope = {"type": "http", "method": method, "scheme": "http", "headers": headers}
    told: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": asked.raw_content}

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(message)

    failures = InternalErrors()
    await App(answering, failures)(scope | {"raw_path": path, "query_string": query}, receive, send)
    assert [message["type"] for message in told] == ["http.response.start", "http.response.body"]
    assert failures.count == 0


# ---- Files of other tools ----


def har(data: bytes) -> None:
    """A HAR, imported."""
    _store(har_of_bytes(data))


def flow_file(data: bytes) -> None:
    """A flow file, imported."""
    _store(flow_file_of_bytes(data))


def _store(imported: Sequence[Exchange]) -> None:
    for exchange in imported:
        assert_kept(check(exchange))
        assert_kept(REDACTOR.redact(exchange))


_ALL = (flow, body, schema, recording, config, expectation, argument, engine, har, flow_file)
TARGETS: dict[str, Target] = {target.__name__: target for target in _ALL}
