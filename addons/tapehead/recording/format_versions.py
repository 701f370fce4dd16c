"""Format of recordings, one exchange a line as a JSON object, and its versions.

A later tapehead reads what an earlier one wrote: each change of the format comes with a step that converts a line of
one version to the next, and reading applies the steps. A later version is refused.

Reading is lenient where a crash or an editor may have damaged a line, and strict where guessing would be wrong: a line
that is not an exchange is reported with its number and never hides the others.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from tapehead.protocol.exchange import FORMAT_VERSION, Entry, Exchange, decode
from tapehead.protocol.outline import outline_of
from tapehead.recording.documents import ENDLESS_BYTES, MOST_LINE_BYTES
from tapehead.recording.unpacking import StreamError
from tapehead.text import json_problem

# What the reading of a line costs, in bytes of a long one.
_LINE_BYTES = 250


class BadLine(NamedTuple):
    """A line that is not an exchange: its number, what is wrong, and whether its write was cut short."""

    line: int
    reason: str
    torn: bool


# The beginning of a line of this version, as it is written.
_CURRENT = b'{"tapehead":%d,' % FORMAT_VERSION

# A line's fields, each as its bytes in the line.
Fields = dict[str, msgspec.Raw]
_MILLISECONDS = re.compile(rb'(".*\.\d{3})(Z")')


def to_microseconds(fields: Fields) -> Fields:
    """Convert from format 1: times had milliseconds. The new fields say by their absence that nothing is known."""
    started = _MILLISECONDS.sub(rb"\g<1>000\2", bytes(fields.get("started", b"")))
    return {**fields, "started": msgspec.Raw(started)} if started else fields


# Conversions of a line's fields to the next version, by the version that they start from.
STEPS: Mapping[int, Callable[[Fields], Fields]] = {1: to_microseconds}


class NewerFormatError(ValueError):
    """A recording that a later tapehead wrote."""


class _Version(msgspec.Struct):
    tapehead: int


def read_lines(
    lines: Iterable[bytes | None], recording: str = "", *, outlined: bool = False
) -> Iterator[Entry | BadLine]:
    """Yield each line of the recording of that name as an entry or a bad line; blank lines are skipped.

    A line that is None is one that is too long to be read. With `outlined`, events may be outlines.

    Raises:
        NewerFormatError: a line was written in a later format.
        StreamError: no exchange comes for longer than any recording has none.
    """
    without = 0  # bytes since the last exchange
    for number, line in enumerate(lines, start=1):
        without += _LINE_BYTES + (MOST_LINE_BYTES if line is None else len(line))
        if without > ENDLESS_BYTES:
            raise StreamError(f"no exchange in about {ENDLESS_BYTES:,} bytes")
        if line is None:
            yield BadLine(number, f"longer than {MOST_LINE_BYTES:,} bytes", False)
            continue
        if not line or line.isspace():
            continue
        try:
            yield Entry(number, (outlined and outline_of(line)) or parse_line(line), recording)
            without = 0
        except NewerFormatError:
            raise
        except ValueError as error:
            torn = not line.endswith(b"\n")
            reason = str(error).replace("JSON is malformed", "malformed JSON", 1)
            is_cut = torn and "truncated" in reason
            yield BadLine(number, "a write cut short" if is_cut else f"not an exchange: {reason}", torn)


def parse_line(line: bytes) -> Exchange:
    """Parse a line of any version.

    Raises:
        NewerFormatError: a later tapehead wrote it.
        ValueError: it is not an exchange.
    """
    if line.startswith(_CURRENT):
        try:
            exchange = decode(line)
            if exchange.tapehead == FORMAT_VERSION:  # the key may come twice
                return exchange
        except ValueError:  # converting it may help, or says what is wrong
            pass
    return decode(convert(line, version_of(line)))


def convert(
    line: bytes,
    version: int,
    wanted: int = FORMAT_VERSION,
    steps: Mapping[int, Callable[[Fields], Fields]] = STEPS,
) -> bytes:
    """Convert a line of an earlier version to the version `wanted`; what no step changes keeps its bytes.

    Raises:
        ValueError: it is not a JSON object.
    """
    if version == wanted:
        return line
    try:
        fields = msgspec.json.decode(line, type=Fields)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    for step in range(version, wanted):
        fields = {**steps[step](fields), "tapehead": msgspec.Raw(str(step + 1))}
    return msgspec.json.encode(fields) + b"\n"


def is_whole(line: bytes) -> bool:
    """Return whether a line is that of an exchange, and not cut short."""
    try:
        return version_of(line) > 0
    except ValueError:
        return False


def version_of(line: bytes) -> int:
    """Return the format version of a line.

    Raises:
        NewerFormatError: the version is later than this tapehead reads.
        ValueError: there is none.
    """
    try:
        version = msgspec.json.decode(line, type=_Version).tapehead
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(json_problem(error)) from error
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"format {version} is newer than this tapehead reads (format {FORMAT_VERSION}); update tapehead"
        )
    if version < 1:
        raise ValueError(f"there is no format {version}")
    return version
