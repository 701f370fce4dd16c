"""Export of a run's metrics to a collector by OpenTelemetry's protocol, OTLP over HTTP. It needs the extra `telemetry`.

The library makes and sends the messages, in a thread of its own, so that a collector that is slow or down holds up
nothing. What the environment says to every program that exports, such as `OTEL_EXPORTER_OTLP_HEADERS`,
`OTEL_RESOURCE_ATTRIBUTES` and `OTEL_METRIC_EXPORT_INTERVAL`, holds here, too.
"""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import tapehead
from tapehead.journal.run_metrics import Histogram, RunMetric, RunMetrics
from tapehead.network.offline_guard import exempt_thread
from tapehead.text import format_number

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

DEFAULT_INTERVAL_SECONDS = 60.0
# The time that a collector has for an answer, and that the end of a run waits for the last export.
EXPORT_SECONDS, CLOSE_SECONDS = 5.0, 5.0
_SCOPE = "tapehead"


class OtlpExport:
    """A thread that exports metrics every minute, or as often as `OTEL_METRIC_EXPORT_INTERVAL` says in milliseconds.

    Args:
        endpoint: the URL that takes metrics.
        metrics: the metrics.
        warn: called with one line, in the thread, when metrics cannot be exported for the first time.
    """

    def __init__(self, endpoint: str, metrics: RunMetrics, warn: Callable[[str], None]) -> None:
        self._endpoint = endpoint
        self._metrics = metrics
        self._warn = warn
        self._has_warned = False
        self._began_ns = time.time_ns()
        self._closing = threading.Event()
        self._exporter: Any = None
        self._thread = threading.Thread(target=self._run, name="tapehead-otlp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Export the metrics as of now, and end; whatever the collector does, soon."""
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        with exempt_thread():
            self._export_until_closed(interval_seconds())

    def _export_until_closed(self, interval: float) -> None:
        is_last = False
        while not is_last:
            is_last = self._closing.wait(interval)
            try:
                has_failed = not self._export()
            except Exception:  # noqa: BLE001 - of a library; the next time may succeed
                has_failed = True
            if has_failed and not self._has_warned:
                self._has_warned = True
                again = "" if is_last else f"; trying again every {format_number(interval)} s"
                self._warn(f"cannot export metrics to '{self._endpoint}': is an OTLP collector there?{again}")

    def _export(self) -> bool:
        """Export the metrics, and return whether the collector has taken them."""
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics.export import MetricExportResult

        if self._exporter is None:
            # It logs each attempt; here one line says what is wrong.
            logging.getLogger(OTLPMetricExporter.__module__).disabled = True
            self._exporter = OTLPMetricExporter(endpoint=self._endpoint, timeout=EXPORT_SECONDS)
        data = metrics_data(self._metrics.metrics(), self._began_ns, time.time_ns())
        return bool(self._exporter.export(data) is MetricExportResult.SUCCESS)


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
