"""A collector of OpenTelemetry's protocol on loopback, which decodes what it gets."""

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from support.processes import TIMEOUT_SECONDS

# The value of a metric, or the buckets of a histogram, by the values of its labels in order of their names.
Points = dict[tuple[str, ...], Any]


class Collector:
    """What came, and how it is answered.

    Attributes:
        url: where it listens.
        requests: the messages so far.
        heads: the path and the headers of each, with names in lower case.
        status: the status of answers; None for none, ever.
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[ExportMetricsServiceRequest] = []
        self.heads: list[tuple[str, dict[str, str]]] = []
        self.status: int | None = 200
        self.came = threading.Condition()
        self.released = threading.Event()

    def wait_for(self, wanted: Any) -> dict[str, Points]:
        """Wait for a message for whose metrics `wanted` holds, and return them."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        with self.came:
            while True:
                for each in self.requests:
                    if wanted(found := points_of(each)):
                        return found
                assert self.came.wait(deadline - time.monotonic()), [points_of(each) for each in self.requests]

    def attributes(self) -> dict[str, str]:
        """The attributes of the resource of the latest message."""
        (metrics,) = self.requests[-1].resource_metrics
        return {each.key: each.value.string_value for each in metrics.resource.attributes}


def points_of(message: ExportMetricsServiceRequest) -> dict[str, Points]:
    """The points of a message, by the names of metrics."""
    found: dict[str, Points] = {}
    for metric in message.resource_metrics[0].scope_metrics[0].metrics:
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        points = found.setdefault(metric.name, {})
        for point in data.data_points:
            labels = tuple(each.value.string_value for each in sorted(point.attributes, key=lambda each: each.key))
            if kind == "histogram":
                points[labels] = (list(point.explicit_bounds), list(point.bucket_counts), point.count, point.sum)
            else:
                points[labels] = getattr(point, point.WhichOneof("value"))
    return found


@contextlib.contextmanager
def collector() -> Iterator[Collector]:
    """A collector that listens."""
    state = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            with state.came:
                state.requests.append(ExportMetricsServiceRequest.FromString(content))
                state.heads.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                state.came.notify_all()
            if state.status is None:
                state.released.wait()
                return
            answer = ExportMetricsServiceResponse().SerializeToString()
            self.send_response(state.status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield state
        finally:
            state.released.set()
            server.shutdown()
            thread.join()
