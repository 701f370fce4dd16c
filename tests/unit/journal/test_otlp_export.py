"""Exports of metrics: how often they come."""

import threading

import pytest

from tapehead.journal.otlp_export import DEFAULT_INTERVAL_SECONDS, interval_seconds, reason_of


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


POOL = "HTTPConnectionPool(host='127.0.0.1', port=9): Max retries exceeded with url: /v1/metrics (Caused by "
RETRYING = "encountered while exporting metrics batch, retrying in 1.13s."


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["Failed to export metrics batch code: 401, reason: Unauthorized"], "it answered 401 Unauthorized"),
        (["Failed to export batch code: 404, reason: "], "it answered 404"),
        (
            [f"Transient error Service Unavailable {RETRYING}", "Failed to export metrics batch due to timeout."],
            "Service Unavailable",
        ),
        (
            [f"Transient error {POOL}NewConnectionError('...: [Errno 111] Connection refused')) {RETRYING}"],
            "Connection refused",
        ),
        ([f'{POOL}NameResolutionError("...([Errno -2] Name or service not known)"))'], "Name or service not known"),
        (
            [f"{POOL}SSLError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: expired (_ssl.c:1)'))"],
            "certificate verify failed: expired",
        ),
        (
            [f"{POOL}SSLError(1, '[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1)'))"],
            "wrong version number",
        ),
        (["HTTPConnectionPool(host='a', port=9): Read timed out. (read timeout=5)"], "it does not answer"),
        (["Failed to encode\n metrics."], "Failed to encode metrics"),
        ([], "it does not take them"),
    ],
)
def test_the_reason_is_in_what_the_library_says(lines: list[str], reason: str) -> None:
    assert reason_of(lines) == reason
