"""Answers of `/metrics` and `/healthz`, for those who operate tapehead: in Prometheus' text format, and as JSON."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from tapehead.journal.run_metrics import RunMetric
from tapehead.live.api_model import OK, UNAVAILABLE, Api, ApiRequest, as_json

if TYPE_CHECKING:
    from prometheus_client import Metric as MetricFamily

# The format's version that every Prometheus reads.
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
_SUFFIXES = {"": "", "s": "_seconds", "By": "_bytes"}


def show_metrics(api: Api, _request: ApiRequest) -> Response:
    """Answer with the metrics of the run and the process."""
    return Response(render_metrics(api.metrics.metrics()), OK, media_type=TEXT_FORMAT)


def show_health(api: Api, _request: ApiRequest) -> Response:
    """Answer with the health of the run: 503 if something does not work as it should."""
    health = api.metrics.health()
    return as_json(health, UNAVAILABLE if health.error else OK)


def render_metrics(metrics: Iterable[RunMetric]) -> bytes:
    """Return metrics, and those of this process, in Prometheus' text format."""
    # Nothing but these answers needs it, and it takes a while to load.
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    registry.register(_Families(metrics))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Families:
    """Metrics as the library takes them."""

    def __init__(self, metrics: Iterable[RunMetric]) -> None:
        self._families = list(map(family_of, metrics))

    def describe(self) -> Iterator[Any]:
        """Yield nothing: names are not checked for those of others."""
        yield from ()

    def collect(self) -> "Iterator[MetricFamily]":
        """Yield the metrics."""
        yield from self._families


def family_of(metric: RunMetric) -> "MetricFamily":
    """Return a metric as the library has it."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    name = f"tapehead_{metric.name.replace('.', '_')}{_SUFFIXES[metric.unit]}"
    if metric.histogram:
        bounds = [*map(str, metric.histogram.bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(metric.histogram.counts), strict=True))
        return HistogramMetricFamily(name, metric.description, buckets, metric.histogram.sum)
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    labels = list(metric.samples[0].labels) if metric.samples else []
    family = make(name, metric.description, labels=labels)
    for sample in metric.samples:
        family.add_metric(list(sample.labels.values()), sample.value)
    return family
