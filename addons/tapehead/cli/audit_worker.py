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
from typing import IO

from tapehead.auditor.divided_audit import NotDivisibleError, Step
from tapehead.reports.audit.result_rows import PartRows

_LENGTH = struct.Struct("<Q")
# What answers a batch whose sessions cannot be divided.
NOT_DIVISIBLE = b""


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


def _unpack_batch(content: bytes) -> tuple[array[float], list[Step]]:
    times, steps = marshal.loads(content)  # noqa: S302 - from the process that has started this one
    return array("d", times), steps


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
