"""A body is parsed once, whatever looks at it: checks, redaction, replay, the simulated endpoint, the journal."""

from collections import Counter
from secrets import token_bytes
from typing import Any

import orjson
import pytest

from support.exchanges import NOW, START, event, exchange, index_of, request, response, session, start
from support.sessions import entries
from tapehead.answers import Engine
from tapehead.auditor.recordings_audit import audit
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.protocol.exchange import Entry, decode, encode
from tapehead.protocol.routes import Call, Route
from tapehead.protocol.schemas import Schemas
from tapehead.recording.capture import CapturedCall, RawRequest, RawResponse, request_from
from tapehead.recording.pipeline import ExchangePipeline
from tapehead.redaction.excerpts import ExcerptRedactor
from tapehead.redaction.redactor import Redactor
from tapehead.replay.index import build_index
from tapehead.replay.replayer import Replayer
from tapehead.simulator.endpoint import Simulator
from tapehead.simulator.faults import FaultInjector, parse_fault

KEY = b"k" * 32
HEADERS = ((b"Content-Type", b"application/json"),)
SCHEMAS = Schemas()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """The bodies that are parsed, with how often."""
    counts: Counter[bytes] = Counter()
    loads = orjson.loads

    def counting(content: bytes) -> Any:
        counts[bytes(content)] += content[:1] == b"{"
        return loads(content)

    monkeypatch.setattr(orjson, "loads", counting)
    return counts


def counts_of(parsed: Counter[bytes]) -> list[int]:
    return [count for count in parsed.values() if count]


def raw(body: dict[str, Any], path: str) -> RawRequest:
    return RawRequest("POST", f"https://example.hb-api.omtrdc.net{path}", HEADERS, orjson.dumps(body))


def captured(body: dict[str, Any]) -> CapturedCall:
    if body["eventType"] == "sessionStart":
        route, path = Route(Call.SESSION), "/api/v1/sessions"
        response = RawResponse(201, "Created", ((b"Location", b"/api/v1/sessions/abc"),), b"")
    else:
        route, path = Route(Call.EVENT, sid="abc"), "/api/v1/sessions/abc/events"
        response = RawResponse(204, "No Content", (), b"")
    return CapturedCall(route, raw(body, path), response, None, NOW, NOW + 0.05)


def test_a_recorded_body_is_parsed_once_as_sent_and_once_as_stored(parsed: Counter[bytes]) -> None:
    journal = Journal()
    pipeline = ExchangePipeline(Redactor(KEY), InternalErrors(), [journal.add])

    line = pipeline.process_captured(captured(start()))
    assert isinstance(line, bytes)
    assert journal.sessions()[0].content == START["media.name"]
    assert counts_of(parsed) == [1, 1]
    assert START["visitor.marketingCloudUserId"].encode() not in line


def test_a_body_that_redaction_leaves_is_parsed_once(parsed: Counter[bytes]) -> None:
    journal = Journal()
    pipeline = ExchangePipeline(Redactor(KEY), InternalErrors(), [journal.add])
    pipeline.process_captured(captured(start()))
    parsed.clear()

    assert pipeline.process_captured(captured(event("ping", 10, 10)))
    assert counts_of(parsed) == [1]


def test_the_journal_keeps_the_line_that_is_stored() -> None:
    journal = Journal()
    pipeline = ExchangePipeline(Redactor(KEY), InternalErrors(), [journal.add])
    line = pipeline.process_captured(captured(start()))

    assert [call.line for call in journal._store.calls.values()] == [line]
    assert journal._store.calls[1].line is line


@pytest.mark.parametrize(
    "engine",
    [
        Simulator(SCHEMAS, random_bytes=token_bytes),
        FaultInjector(Simulator(SCHEMAS, random_bytes=token_bytes), [parse_fault("event:ping=500")]),
        Replayer(index_of(session("abc", [])), SCHEMAS, random_bytes=token_bytes),
        Replayer(index_of([]), SCHEMAS, random_bytes=token_bytes, excerpts=ExcerptRedactor(Redactor(KEY))),
    ],
    ids=["serve", "serve with a fault", "replay", "a miss"],
)
def test_an_answered_body_is_parsed_once(engine: Engine, parsed: Counter[bytes]) -> None:
    request = request_from(raw(start(), "/api/v1/sessions"))
    answer = engine.answer(request, NOW)
    assert answer.response
    assert answer.response.status == 201
    assert counts_of(parsed) == [1, 1] if "miss" in answer.note else [1]


def test_an_audited_body_is_parsed_once(parsed: Counter[bytes]) -> None:
    lines = [encode(each) for each in session("abc", [(10, 10, "ping", {})])]
    exchanges = list(map(decode, lines))
    parsed.clear()

    assert len(list(audit(entries(exchanges)))) == 1
    assert counts_of(parsed) == [1, 1]


def test_an_index_does_not_keep_parsed_bodies() -> None:
    """An index may hold millions of exchanges; a body parsed costs several times its bytes."""
    entry = Entry(1, decode(encode(exchange(request(start()), response(201)))))
    build_index([[entry]])

    assert "parsed" not in entry.exchange.request.__dict__
