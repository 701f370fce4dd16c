"""The cost of hostile shapes as they grow: about 2 for a size that doubles is linear, 4 is the square.

cd tests && python -m bench.complexity

Bodies are checked, redacted and encoded; recordings are audited,
reported, compared with themselves after some changes, and replayed. The time is the CPU's, the least of
some tries. JSON is set against Python's own parser, which has to read the same bytes.
"""

import argparse
import contextlib
import gc
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from fuzz import large_inputs
from fuzz.steps import altered, audit_entries, compare, follow, replay, report
from fuzz.targets import REDACTOR, check
from support.exchanges import exchange, request, response
from tapehead.protocol.exchange import Entry, encode
from tapehead.protocol.http_wire import unpack
from tapehead.protocol.messages import Request

MEGABYTE = 1_000_000
SIZES = tuple(round(MEGABYTE * part) for part in (0.25, 0.5, 1, 2))
COUNTS = (400, 800, 1600)
HUGE = 10 * MEGABYTE
# Of what is this large, too; each of them is one thing without end, so that no step may look at it again and again.
WITHOUT_END = ("arrays in arrays", "objects in objects", "one string", "one number", "one key", "blanks", "nothing")
# What grows by more than this with a doubling, and with the next one again, is no longer linear with some noise.
MOST = 2.6

Action = Callable[[], object]


class Growth(NamedTuple):
    """The cost of a shape: its sizes, the milliseconds for each, and the ratio to a plain parse of the largest."""

    name: str
    sizes: tuple[int, ...]
    took: tuple[float, ...]
    parses: float | None = None

    @property
    def factors(self) -> list[float]:
        """By how much the time grows from size to size, brought down to a doubling."""
        steps = itertools.pairwise(zip(self.sizes, self.took, strict=True))
        return [(after / before) ** (1 / math.log2(large / small)) for (small, before), (large, after) in steps]

    @property
    def grows(self) -> bool:
        """Tell whether it grows too fast twice in a row."""
        return any(min(pair) > MOST for pair in itertools.pairwise(self.factors))


def cost(action: Action, tries: int) -> float:
    """The least milliseconds of CPU that something takes."""
    took = []
    for _ in range(tries):
        gc.collect()
        began = time.process_time_ns()
        action()
        took.append(time.process_time_ns() - began)
    return max(min(took), 1) / 1e6


# ---- Bodies ----


def _go_through(asked: Request) -> bytes:
    return encode(REDACTOR.redact(check(exchange(asked, response(400)))))


def _packed(shape: large_inputs.Packed, size: int) -> Action:
    coding, content = shape(size)
    bare = request(b"")
    asked = bare.with_headers([*bare.headers, ("Content-Encoding", coding)])
    return lambda: _go_through(unpack(asked, content))


def _parses(content: bytes, took: float, tries: int) -> float | None:
    """Return the ratio to the parse of a body, or nothing where it is not JSON."""
    with contextlib.suppress(ValueError, RecursionError):
        return took / cost(lambda: json.loads(content), tries)
    return None


def _body(name: str, sizes: Sequence[int], tries: int) -> Growth:
    shape = large_inputs.BODIES[name]
    asked = [request(shape(size)) for size in sizes]
    took = tuple(cost(lambda each=each: _go_through(each), tries) for each in asked)  # type: ignore[misc]
    return Growth(name, tuple(sizes), took, _parses(asked[-1].content(), took[-1], tries))


def bodies(scale: float, tries: int) -> Iterator[Growth]:
    """Every shape of a body."""
    sizes = [round(size * scale) for size in SIZES]
    for name in large_inputs.BODIES:
        yield _body(name, [*sizes, round(HUGE * scale)] if name in WITHOUT_END else sizes, tries)
    for name, shape in large_inputs.PACKED.items():
        yield Growth(name, tuple(sizes), tuple(cost(_packed(shape, size), tries) for size in sizes))


# ---- Recordings ----


def _actions(entries: Sequence[Entry]) -> dict[str, Action]:
    results, others = audit_entries(entries), audit_entries(altered(entries))
    return {
        "audit": lambda: audit_entries(entries),
        "live": lambda: follow(entries),
        "report": lambda: list(report(results, entries)),
        "diff": lambda: compare(results, others),
        "replay": lambda: replay(entries),
    }


def recordings(scale: float, tries: int) -> Iterator[Growth]:
    """Every shape of a recording, by what is done with it."""
    counts = tuple(round(count * scale) for count in COUNTS)
    for shape in large_inputs.RECORDINGS:
        actions = [_actions(large_inputs.entries_of(shape, count)) for count in counts]
        for action in actions[0]:
            yield Growth(f"{shape}: {action}", counts, tuple(cost(each[action], tries) for each in actions))


# ---- The table ----


def _show(title: str, rows: Iterator[Growth]) -> list[Growth]:
    print(f"{title:<50} {'size: ms':<72} factors for a doubling")
    shown = []
    for row in rows:
        took = "  ".join(f"{size:,}: {each:,.1f}" for size, each in zip(row.sizes, row.took, strict=True))
        factors = "  ".join(f"{factor:4.1f}" for factor in row.factors)
        parses = f"  {row.parses:6.1f}x json.loads" if row.parses else ""
        print(f"{row.name:<50} {took:<72} {factors}{parses}{'  GROWS' if row.grows else ''}", flush=True)
        shown.append(row)
    return shown


def main(argv: Sequence[str] | None = None) -> list[Growth]:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="what hostile shapes cost as they grow")
    parser.add_argument("--scale", type=float, default=1, help="times the sizes")
    parser.add_argument("--tries", type=int, default=3, help="of which the least counts")
    told = parser.parse_args(argv)
    # What is there already, of a test run say, is not looked through before every measurement.
    gc.freeze()
    return [
        *_show("bodies: bytes", bodies(told.scale, told.tries)),
        *_show("recordings: exchanges", recordings(told.scale, told.tries)),
    ]


if __name__ == "__main__":
    sys.exit(any(row.grows for row in main()))
