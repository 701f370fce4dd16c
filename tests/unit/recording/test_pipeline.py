"""The pipeline counts findings and sessions, and remembers a limited number of them."""

import json

import msgspec
import pytest

from support.exchanges import NOW, event, exchange, opened, request, response, sent, start
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.exchange import Answered, Exchange, Severity, decode
from tapehead.protocol.schemas import build_schema
from tapehead.recording import pipeline
from tapehead.recording.pipeline import ExchangePipeline


def test_beyond_the_limit_the_session_that_was_silent_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MOST_SESSIONS", 3)
    counting = ExchangePipeline(None, InternalErrors())
    calls = [opened("a", start()), opened("b", start()), opened("c", start()), sent("a", event("play"))]
    for call in calls:
        assert counting.process(call, NOW)
    assert (list(counting.sessions), counting.session_count) == (["b", "c", "a"], 3)

    counting.process(opened("d", start()), NOW)
    assert (list(counting.sessions), counting.session_count) == (["c", "a", "d"], 4)
    counting.process(sent("b", event("ping")), NOW)
    assert (list(counting.sessions), counting.session_count) == (["a", "d", "b"], 5)


def test_findings_are_counted_from_the_worst_on() -> None:
    counting = ExchangePipeline(None, InternalErrors())
    assert counting.findings_summary() == "no findings"

    counting.findings.update({Severity.INFO: 1, Severity.WARNING: 2})
    assert counting.findings_summary() == "2 warnings, 1 info"
    counting.findings.update({Severity.ERROR: 3})
    assert counting.findings_summary() == "3 errors, 2 warnings, 1 info"


def test_a_schema_checks_the_calls_of_its_endpoint_and_key_alone() -> None:
    schema = build_schema("ping")
    schema["definitions"]["ping"]["required"].append("qoeData")
    served = exchange(
        request(path="/api/v1/schemas/ping", method="GET"), response(200, content=json.dumps(schema).encode())
    )
    ping = sent("a", event("ping"))

    def elsewhere(call: Exchange) -> Exchange:
        url = call.request.url.replace("://example", "://another")
        return msgspec.structs.replace(call, request=call.request.with_url(url))

    def of_key(call: Exchange, key: str) -> Exchange:
        return msgspec.structs.replace(call, answered=Answered("", key=key))

    def is_missing(learnt: Exchange, call: Exchange) -> bool:
        checking = ExchangePipeline(None, InternalErrors())
        checking.process(learnt, NOW)
        line = checking.process(call, NOW)
        assert line
        return "missing-parameter" in [finding.rule for finding in decode(line).findings]

    assert [is_missing(served, call) for call in (ping, elsewhere(ping), of_key(ping, "one"))] == [True, False, True]
    keyed = of_key(served, "one")
    assert [is_missing(keyed, call) for call in (ping, of_key(ping, "one"), of_key(ping, "two"))] == [
        False,
        True,
        False,
    ]


def test_a_body_that_was_checked_before_is_checked_anew_by_a_schema_that_came_since() -> None:
    schema = build_schema("ping")
    schema["definitions"]["ping"]["required"].append("qoeData")
    content = json.dumps(schema).encode()
    served = exchange(request(path="/api/v1/schemas/ping", method="GET"), response(200, content=content))
    checking, ping = ExchangePipeline(None, InternalErrors()), sent("a", event("ping"))
    lines = [checking.process(call, NOW) for call in (ping, ping, served, ping)]

    found = [len(decode(line).findings) for line in lines if line]
    assert found == [0, 0, 0, 1]


def test_schemas_of_a_limited_number_of_keys_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MOST_ENDPOINTS", 2)
    checking = ExchangePipeline(None, InternalErrors())
    content = json.dumps(build_schema("ping")).encode()
    served = exchange(request(path="/api/v1/schemas/ping", method="GET"), response(200, content=content))
    for key in ("one", "two", "one", "three"):
        checking.process(msgspec.structs.replace(served, answered=Answered("", key=key)), NOW)

    assert [endpoint.rpartition(" ")[2] for endpoint in checking._schemas] == ["one", "three"]
