"""The pipeline counts findings and sessions, and remembers a limited number of them."""

import pytest

from support.exchanges import NOW, event, opened, sent, start
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.exchange import Exchange, Severity
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


def test_subscribers_get_the_key_of_a_test_that_no_recording_has() -> None:
    published: list[Exchange] = []
    pipeline_of_a_proxy = ExchangePipeline(None, InternalErrors(), [lambda exchange, _size: published.append(exchange)])

    line = pipeline_of_a_proxy.process(opened("a", start()), NOW, "test-1")

    assert line
    assert b"test-1" not in line
    assert [each.answered and each.answered.key for each in published] == ["test-1"]
