"""A process that audits a part of the sessions for another one: `python -m tapehead.cli.audit_worker`.

It reads batches of steps from its standard input and writes the results of each to its standard output, until the
input ends, also when the other process was killed.
"""

import contextlib
import marshal
import os
import pickle
import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from typing import IO, Any, NamedTuple

from tapehead.auditor.divided_audit import NotDivisibleError, PartialAudit, Step
from tapehead.auditor.received_events import RecordedSchemas
from tapehead.auditor.settings import AuditSettings
from tapehead.cli.audit_results import row_of
from tapehead.metrics.assumptions import Assumptions
from tapehead.metrics.calculator import calculate

_LENGTH = struct.Struct("<Q")
# What answers a batch whose sessions cannot be divided.
NOT_DIVISIBLE = b""

# A number of a result, and the row of that session, or None for exchanges that give none.
NumberedRow = tuple[int, tuple[Any, ...] | None]


class AuditSetup(NamedTuple):
    """The options of an audit that workers need.

    Attributes:
        parts: the number of parts.
        settings, schemas: as for `RecordingsAudit`.
        assumptions: those of the metrics.
        scenarios: the names of the scenarios that sessions are checked for.
        with_items: whether the coverage of the tracking plan is wanted.
    """

    parts: int
    settings: AuditSettings
    schemas: RecordedSchemas
    assumptions: Assumptions
    scenarios: Sequence[str]
    with_items: bool


class PartRows:
    """The audit of one part, with its results as rows of plain objects."""

    def __init__(self, setup: AuditSetup) -> None:
        measure = partial(calculate, assume=setup.assumptions)
        self._audit = PartialAudit(setup.parts, setup.settings, setup.schemas, measure)
        self._with_items = setup.with_items
        self._scenarios = []
        if setup.scenarios:
            from tapehead.auditor.scenario_catalog import find_scenario

            self._scenarios = list(map(find_scenario, setup.scenarios))

    def follow(self, times: bytes, steps: Sequence[Step]) -> Iterator[NumberedRow]:
        """Take a batch of steps, and yield the rows of the sessions that are over.

        Raises:
            NotDivisibleError: as `PartialAudit.follow`.
        """
        arrived = array("d", times)
        for number, result in self._audit.follow(arrived, steps):
            row = row_of(result, self._scenarios, with_items=self._with_items) if result else None
            yield number, row and ({**row.session, "outcome": str(row.session["outcome"])}, row.items)


def write_frame(stream: IO[bytes], content: bytes) -> None:
    """Write a frame: its length, and its content."""
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Return the content of the next frame; None if the stream has ended, maybe within a frame."""
    length = stream.read(_LENGTH.size)
    if len(length) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(length)
    content = stream.read(size)
    return content if len(content) == size else None


def pack_batch(times: bytes, steps: list[Step]) -> bytes:
    """Return a batch as bytes."""
    return marshal.dumps((times, steps))


def _unpack_batch(content: bytes) -> tuple[bytes, list[Step]]:
    times, steps = marshal.loads(content)  # noqa: S302 - from the process that has started this one
    return times, steps


def main() -> None:
    """Follow the steps that come."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print would be a frame
    batches = sys.stdin.buffer
    begin = read_frame(batches)
    if begin is None:
        return
    part = PartRows(pickle.loads(begin))  # noqa: S301 - from the process that has started this one
    while (content := read_frame(batches)) is not None:
        try:
            answer = marshal.dumps(list(part.follow(*_unpack_batch(content))))
        except NotDivisibleError:
            answer = NOT_DIVISIBLE
        write_frame(output, answer)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
