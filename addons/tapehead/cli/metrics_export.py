"""The export of a run's metrics to a collector, as `--otlp` asks for it."""

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tapehead.errors import UsageError
from tapehead.extras import needing
from tapehead.internal_errors import InternalErrors
from tapehead.remote.urls import without_secrets

if TYPE_CHECKING:
    from tapehead.journal.journal import Journal

# The path of metrics behind the URL of a collector.
METRICS_PATH = "/v1/metrics"
_LIBRARIES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def parse_otlp(url: str | None) -> str | None:
    """Return the URL that takes metrics, given the one of a collector; None for none.

    Raises:
        UsageError: it is no http or https URL, has a query, a fragment or a space, it contains a login, which the
            message does not repeat, or the libraries are not installed.
    """
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        has_login = parts.username is not None or (not is_valid and "@" in url)
    except ValueError:
        is_valid, has_login = False, "@" in url
    if has_login:
        raise UsageError("--otlp contains a login; leave it out, and set a header in OTEL_EXPORTER_OTLP_HEADERS")
    names = {"?": "a query", "#": "a fragment", " ": "a space"}
    found = next((f"it has {name}; " for part, name in names.items() if part in url), "")
    if not is_valid or found or not url.isprintable():
        raise UsageError(
            f"invalid --otlp '{without_secrets(url)}': {found}expected the URL of a collector, such as"
            " http://127.0.0.1:4318"
        )
    with needing("telemetry", "--otlp"):
        for name in _LIBRARIES:
            if importlib.util.find_spec(name) is None:
                raise ModuleNotFoundError(name=name)
    return f"{url.rstrip('/').removesuffix(METRICS_PATH)}{METRICS_PATH}"


def begin_export(
    endpoint: str, command: str, internal_errors: InternalErrors, warn: Callable[[str], None], journal: "Journal"
) -> Callable[[], None]:
    """Begin to export the metrics of a run, and return what ends that.

    Args:
        endpoint: the URL that takes metrics.
        command: the name of the command.
        internal_errors: the errors of the run.
        warn: prints a line on stderr, in any thread.
        journal: the calls of the run.
    """
    from tapehead.journal.otlp_export import OtlpExport
    from tapehead.journal.run_metrics import RunMetrics

    metrics = RunMetrics(journal, command, internal_errors)
    return OtlpExport(endpoint, metrics, internal_errors, warn).close
