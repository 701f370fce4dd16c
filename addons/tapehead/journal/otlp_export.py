"""Export of a run's metrics to a collector by OpenTelemetry's protocol, OTLP over HTTP. It needs the extra `telemetry`.

The library makes and sends the messages, in a thread of its own, so that a collector that is slow or down holds up
nothing. What the environment says to every program that exports, such as `OTEL_EXPORTER_OTLP_HEADERS`,
`OTEL_RESOURCE_ATTRIBUTES` and `OTEL_METRIC_EXPORT_INTERVAL`, holds here, too.
"""

import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import tapehead
from tapehead.internal_errors import InternalErrors
from tapehead.journal.run_metrics import Histogram, RunMetric, RunMetrics
from tapehead.network.offline_guard import exempt_thread
from tapehead.text import format_number, shorten

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

DEFAULT_INTERVAL_SECONDS = 60.0
# The time that a collector has for an answer, and that the end of a run waits for the last export.
EXPORT_SECONDS, CLOSE_SECONDS = 5.0, 5.0
_SCOPE = "tapehead"
_MOST_SAID = 200
_ANSWERED = re.compile(r"code: (\d{3}), reason: ([ -~]{0,80})")
# The reason in errors of the libraries below: a certificate's, the system's, or a status that may pass.
_REASONS = tuple(
    re.compile(form)
    for form in (
        r"(certificate verify failed[^(\"']*)",
        r"\[SSL: \w+\] ([^(\"']*)",
        r"\[Errno -?\d+\] ([^\"')]*)",
        r"Transient error (.{1,80}) encountered",
    )
)


class OtlpExport:
    """A thread that exports metrics every minute, or as often as `OTEL_METRIC_EXPORT_INTERVAL` says in milliseconds.

    Args:
        endpoint: the URL that takes metrics.
        metrics: the metrics.
        internal_errors: takes errors of tapehead itself; the export goes on.
        warn: called with one line, in the thread, when metrics cannot be exported any more, and when they can again.
    """

    def __init__(
        self, endpoint: str, metrics: RunMetrics, internal_errors: InternalErrors, warn: Callable[[str], None]
    ) -> None:
        self._endpoint = endpoint
        self._metrics = metrics
        self._internal_errors = internal_errors
        self._warn = warn
        self._is_failing = False
        self._began_ns = time.time_ns()
        self._closing = threading.Event()
        self._exporter: Any = None
        self._log = _Log()
        self._thread = threading.Thread(target=self._run, name="tapehead-otlp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Export the metrics as of now, and end within `CLOSE_SECONDS`."""
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        with exempt_thread():
            interval = interval_seconds()
            is_last = False
            while not is_last:
                is_last = self._closing.wait(interval)
                try:
                    data = metrics_data(self._metrics.metrics(), self._began_ns, time.time_ns())
                except Exception as error:  # noqa: BLE001 - the next time may succeed
                    self._internal_errors.record("export of metrics", error)
                else:
                    self._tell(
                        self._export(data), "" if is_last else f"; trying again every {format_number(interval)} s"
                    )

    def _tell(self, problem: str | None, again: str) -> None:
        """Tell that exports fail from now on, or that they succeed again."""
        if problem is not None and not self._is_failing:
            self._warn(f"cannot export metrics to '{self._endpoint}': {problem}{again}")
        elif problem is None and self._is_failing:
            self._warn(f"exporting metrics to '{self._endpoint}' again")
        self._is_failing = problem is not None

    def _export(self, data: "MetricsData") -> str | None:
        """Export metrics, and return why the collector has not taken them, or None if it has."""
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics.export import MetricExportResult

        self._log.lines.clear()
        try:
            if self._exporter is None:
                self._log.take_over(OTLPMetricExporter.__module__)
                self._exporter = OTLPMetricExporter(endpoint=self._endpoint, timeout=EXPORT_SECONDS)
            if self._exporter.export(data) is MetricExportResult.SUCCESS:
                return None
        except Exception as error:  # noqa: BLE001 - of a library; the next time may succeed
            self._log.lines.append(str(error) or type(error).__name__)
        return reason_of(self._log.lines)


class _Log(logging.Handler):
    """The lines that the library logs, for each attempt one; here one line says what is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def take_over(self, name: str) -> None:
        """Take all that a logger gets."""
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [self], False

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def reason_of(lines: list[str]) -> str:
    """Return why an export failed, of the lines that the library has logged and the error that it raised."""
    for line in lines:
        if answered := _ANSWERED.search(line):
            return f"it answered {' '.join(answered.groups())}".rstrip()
        if "timed out" in line:
            return "it does not answer"
        for form in _REASONS:
            if found := form.search(line):
                return found[1].strip()
    return shorten(" ".join(lines[-1].split()).rstrip("."), _MOST_SAID) if lines else "it does not take them"


def interval_seconds() -> float:
    """Return the seconds between exports, as the environment says; if that is no number, the default."""
    try:
        seconds = float(os.environ["OTEL_METRIC_EXPORT_INTERVAL"]) / 1000
    except (KeyError, ValueError):
        return DEFAULT_INTERVAL_SECONDS
    return min(max(seconds, 0.1), threading.TIMEOUT_MAX) if math.isfinite(seconds) else DEFAULT_INTERVAL_SECONDS


def metrics_data(metrics: Iterable[RunMetric], began_ns: int, now_ns: int) -> "MetricsData":
    """Return metrics as the library exports them, all of them since the start, of this process.

    Args:
        metrics: the metrics.
        began_ns: when the run began, in nanoseconds since 1970.
        now_ns: now, likewise.
    """
    from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    names: dict[str, Any] = {
        "service.name": "tapehead",
        "service.version": tapehead.__version__,
        "process.pid": os.getpid(),
    }
    resource = Resource(names).merge(OTELResourceDetector().detect())
    scope = InstrumentationScope(_SCOPE, tapehead.__version__)
    made = list(_metrics_of(metrics, began_ns, now_ns))
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, made, "")], "")])


def _metrics_of(metrics: Iterable[RunMetric], began_ns: int, now_ns: int) -> Iterator[Any]:
    from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, Metric, NumberDataPoint, Sum
    from opentelemetry.sdk.metrics.export import Histogram as HistogramData

    for metric in metrics:
        data: Any
        if metric.histogram:
            point = _histogram_point(metric.histogram, began_ns, now_ns)
            data = HistogramData([point], AggregationTemporality.CUMULATIVE)
        elif not metric.samples:
            continue  # a message without points has no kind
        else:
            points = [
                NumberDataPoint(
                    attributes=dict(sample.labels),
                    start_time_unix_nano=began_ns,
                    time_unix_nano=now_ns,
                    value=sample.value,
                )
                for sample in metric.samples
            ]
            is_sum = metric.kind == "counter"
            data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True) if is_sum else Gauge(points)
        yield Metric(f"{_SCOPE}.{metric.name}", metric.description, metric.unit or "1", data)


def _histogram_point(histogram: Histogram, began_ns: int, now_ns: int) -> Any:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    nothing: Any = None  # of the messages, the least and the largest value may be left out
    return HistogramDataPoint(
        attributes={},
        start_time_unix_nano=began_ns,
        time_unix_nano=now_ns,
        count=sum(histogram.counts),
        sum=histogram.sum,
        bucket_counts=histogram.counts,
        explicit_bounds=histogram.bounds,
        min=nothing,
        max=nothing,
    )
