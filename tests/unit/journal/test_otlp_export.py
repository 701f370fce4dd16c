"""Exports of metrics: how often they come."""

import threading

import pytest

from tapehead.journal.otlp_export import DEFAULT_INTERVAL_SECONDS, interval_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1500", 1.5),
        ("1", 0.1),
        ("-5", 0.1),
        ("inf", DEFAULT_INTERVAL_SECONDS),
        ("nan", DEFAULT_INTERVAL_SECONDS),
        ("often", DEFAULT_INTERVAL_SECONDS),
        ("", DEFAULT_INTERVAL_SECONDS),
        ("1e300", threading.TIMEOUT_MAX),
    ],
)
def test_the_interval_is_one_that_a_thread_can_wait(text: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", text)
    interval = interval_seconds()
    closing = threading.Event()
    closing.set()

    assert interval == seconds
    assert closing.wait(interval)
