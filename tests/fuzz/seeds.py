"""Inputs to begin with, for each target of `fuzz.targets`: what players send, recordings and settings as they are."""

from collections.abc import Iterator

from orjson import dumps

from fuzz.targets import RECORDINGS, join, lines_in
from support.exchanges import event
from support.har_files import flow_file, flow_of, har_of
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.schemas import build_schema

EXCHANGES = [entry.exchange for path in sorted(RECORDINGS.glob("*.jsonl")) for entry in lines_in(path)]


def seeds(target: str) -> Iterator[bytes]:
    """The inputs for a target."""
    match target:
        case "flow":
            yield from map(_flow, EXCHANGES)
        case "engine":
            yield from (join(_request_head(each.request), each.request.content()) for each in EXCHANGES)
        case "body":
            yield from (each.request.content() for each in EXCHANGES)
        case "recording":
            yield from (path.read_bytes() for path in sorted(RECORDINGS.glob("*.jsonl")))
        case "har":
            yield from (har_of(EXCHANGES[at : at + 3]) for at in range(0, len(EXCHANGES), 3))
        case "flow_file":
            yield from (flow_file(*map(flow_of, EXCHANGES[at : at + 3])) for at in range(0, len(EXCHANGES), 9))
        case _:
            yield from _WRITTEN[target]


def _flow(exchange: Exchange) -> bytes:
    response = exchange.response
    answer = (_response_head(response), response.content()) if response else (b"", b"")
    return join(_request_head(exchange.request), *answer, exchange.request.content())


def _request_head(request: Request) -> bytes:
    return b"\n".join([f"{request.method} {request.path} HTTP/1.1".encode(), *_fields(request)])


def _response_head(response: Response) -> bytes:
    return b"\n".join([f"{response.status} {response.reason}".encode(), *_fields(response)])


def _fields(message: Request | Response) -> Iterator[bytes]:
    return (f"{name}: {value}".encode("latin-1") for name, value in message.headers)


_SETTINGS = b"""
rules.clock-skew = "off"
thresholds.ping-gap-seconds = 15
metadata.sessionStart = ["programmer"]

[expect.play]
"$schema" = "http://json-schema.org/draft-07/schema#"
required = ["qoeData"]

[[overrides]]
player = "TV*"
channel = "[ab]?"
path = "*.jsonl"
rules.ping-gap = "error"
thresholds.states = 3
"""
_OTHER_DRAFT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"word": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2}},
    "properties": {
        "params": {"properties": {"media.name": {"$ref": "#/$defs/word"}}, "required": ["media.name"]},
        "playerTime": {"anyOf": [{"properties": {"playhead": {"minimum": 5}}}, {"maxProperties": 1}]},
    },
    "unevaluatedProperties": False,
}
_SCHEMAS = [dumps(build_schema(event_type)) for event_type in EVENT_TYPES] + [dumps(_OTHER_DRAFT)]
_ARGUMENTS = """
    127.0.0.1:8080  [::1]:0  https://company.hb-api.omtrdc.net  http://h:8/x/api/v1/  event:ping:3+=410
    event:*:/5=cut  event:20%=503+delay:800  session=drop  recorded  5  20-400  error-span=excluded
    stall_after=3-repeats
"""
_WRITTEN = {
    "schema": [join(schema, dumps(event("play", 3, 1, {"media.name": "x"}))) for schema in _SCHEMAS],
    "config": [_SETTINGS, b"[tool.tapehead]\nexpect = 'schemas.json'"],
    "expectation": [*_SCHEMAS, dumps({"play": _OTHER_DRAFT, "ping": build_schema("ping")})],
    "argument": [word.encode() for word in _ARGUMENTS.split()],
}
