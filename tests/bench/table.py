"""The table of benchmarks: each row sets a command beside its peer in the same run."""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

HEADERS = ("what", "peer", "load", "ratio (spread)", "ours / peer", "CPU", "p50, p99 in ms", "peak MB")


class Measured(NamedTuple):
    """A measurement.

    Attributes:
        amount: requests a second, or the seconds that it took.
        cpu: the CPU's time, microseconds per request or seconds in all; 0 where it was not measured, as below.
        median, slow: the milliseconds until an answer, and of the slowest in a hundred.
        memory: megabytes at the peak.
        parts: the CPU's seconds of each process.
    """

    amount: float
    cpu: float
    median: float = 0
    slow: float = 0
    memory: float = 0
    parts: Sequence[float] = ()


class Row(NamedTuple):
    """A command and its peer: in every pair of measurements they took turns."""

    what: str
    peer: str
    load: str
    unit: str
    ours: Sequence[Measured]
    theirs: Sequence[Measured]

    def ratios(self, field: str = "amount") -> list[float]:
        """Return ours in times of the peer's, for each pair."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return [getattr(mine, field) / max(getattr(other, field), 1e-9) for mine, other in pairs]

    def medians(self, field: str) -> tuple[float, float]:
        """Return the medians of ours and of the peer's."""
        ours, theirs = (statistics.median(getattr(each, field) for each in side) for side in (self.ours, self.theirs))
        return ours, theirs

    def cells(self) -> list[str]:
        """Return the row's texts, as many as there are headers."""
        ratios, is_rate, times = self.ratios(), self.unit == "requests/s", statistics.median(self.ratios("cpu"))
        spread = f" ({min(ratios):.2f}-{max(ratios):.2f})" if len(ratios) > 1 else ""
        latencies = zip(self.medians("median"), self.medians("slow"), strict=True)
        return [
            self.what,
            self.peer,
            self.load,
            f"{statistics.median(ratios):.2f} x{spread}",
            f"{_pair(self.medians('amount'))} {self.unit}",
            f"{_pair(self.medians('cpu'))} {'us' if is_rate else 's'}, {times:.2f} x{self._busiest()}" if times else "",
            " / ".join(", ".join(map(_number, each)) for each in latencies) if is_rate else "",
            _pair(self.medians("memory")) if any(self.medians("memory")) else "",
        ]

    def _busiest(self) -> str:
        """Return the share that the busiest of our processes has in their time."""
        shares = [max(each.parts) / sum(each.parts) for each in self.ours if len(each.parts) > 1]
        return f"; {statistics.median(shares):.0%} in one process" if shares else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _pair(values: tuple[float, float]) -> str:
    return " / ".join(map(_number, values))


def text(rows: Iterable[Row]) -> str:
    """Return the table with aligned columns."""
    table = [list(HEADERS), *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, cells, widths)).rstrip() for cells in table)


def markdown(rows: Iterable[Row]) -> str:
    """Return the table in Markdown."""
    lines = [HEADERS, ["---"] * len(HEADERS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
