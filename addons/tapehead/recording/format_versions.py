"""A recording: exchanges in the order they happened, one JSON object a line.

A later tapehead reads what an earlier one wrote: each change of the format comes with a step that makes a line of one
version a line of the next, and reading walks the steps. A format of a later version is refused.

Reading is lenient where a crash or an editor may have struck, and strict where guessing would lie: a line that is no
exchange is reported with its number and never hides the others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from tapehead.protocol.exchange import FORMAT_VERSION, Entry, decode


class BadLine(NamedTuple):
    """A line that holds no exchange: its number, what is wrong, and whether it is a write cut short."""

    line: int
    reason: str
    torn: bool


# A line's fields, each as the bytes that it has in the line.
Fields = dict[str, msgspec.Raw]
# What makes the fields of one version those of the next, by the version that they are of. Version 1 is the first.
STEPS: Mapping[int, Callable[[Fields], Fields]] = {}


class NewerFormatError(ValueError):
    """A recording that a later tapehead wrote."""


class _Version(msgspec.Struct):
    tapehead: int


def read_lines(lines: Iterable[bytes], recording: str = "") -> Iterator[Entry | BadLine]:
    """Yield each line of the recording of that name as an entry or as what is wrong with it; blank lines are skipped.

    Raises:
        NewerFormatError: a line was written in a later format.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _read_line(number, line, recording)


def _read_line(number: int, line: bytes, recording: str) -> Entry | BadLine:
    try:
        return Entry(number, decode(convert(line, _version_of(line))), recording)
    except NewerFormatError:
        raise
    except ValueError as error:
        torn = not line.endswith(b"\n")
        reason = "a write cut short" if torn else f"no exchange: {error}"
        return BadLine(number, reason, torn)


def convert(
    line: bytes,
    version: int,
    wanted: int = FORMAT_VERSION,
    steps: Mapping[int, Callable[[Fields], Fields]] = STEPS,
) -> bytes:
    """A line of an earlier version as one of the version `wanted`; what no step changes keeps its bytes.

    Raises:
        ValueError: it is no JSON object.
    """
    if version == wanted:
        return line
    try:
        fields = msgspec.json.decode(line, type=Fields)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    for each in range(version, wanted):
        fields = {**steps[each](fields), "tapehead": msgspec.Raw(str(each + 1))}
    return msgspec.json.encode(fields) + b"\n"


def _version_of(line: bytes) -> int:
    """The version of a line.

    Raises:
        NewerFormatError: it is later than this tapehead reads.
        ValueError: it has none.
    """
    try:
        version = msgspec.json.decode(line, type=_Version).tapehead
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"format {version} is newer than this tapehead reads (format {FORMAT_VERSION}); update tapehead"
        )
    if version < 1:
        raise ValueError(f"there is no format {version}")
    return version
