"""The pipeline counts sessions, and remembers a limited number of them."""

import pytest

from support.exchanges import NOW, event, opened, sent, start
from tapehead.internal_errors import InternalErrors
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
