"""Values of metrics as a person reads them, under the vendor's names."""

from collections.abc import Mapping
from functools import partial
from math import floor
from typing import Any

import msgspec

from tapehead.metrics.catalog import METRICS
from tapehead.text import format_number

# Values of metrics that did not occur.
EMPTY_VALUES = frozenset({"-", "no", "0", "0 s"})

_number = partial(format_number, grouped=True)


class MetricRow(msgspec.Struct, frozen=True):
    """A metric of a session: its name, its value, the names that the vendor has for it, and its definition."""

    name: str
    value: str
    path: str
    definition: str


def metric_rows(metrics: Mapping[str, Any]) -> list[MetricRow]:
    """Return the rows of a session's metrics; none without metrics."""
    return [
        MetricRow(
            metric.key.replace("_", " "),
            value_of(metrics[metric.key], metric.unit),
            ", ".join(filter(None, (metric.variable, metric.xdm))),
            metric.definition,
        )
        for metric in METRICS
        if metric.scope == "session" and metrics
    ]


def value_of(value: object, unit: str) -> str:
    """Return a metric's value with its unit, as a person reads it; a dash where there is none."""
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, str):
        return value
    measured = float(str(value))
    match unit:
        case "flag":
            return "yes" if measured else "no"
        case "fraction":
            return format_number(measured, significant=7)
        case "seconds":
            return f"{floor(measured + 0.5):,} s"  # the vendor reports whole seconds
        case "kilobits per second":
            return f"{_number(measured)} kbit/s"
        case _:
            return _number(measured)
