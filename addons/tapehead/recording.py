"""A recording: exchanges in the order they happened, one JSON object a line.

Reading is lenient where a crash or an editor may have struck, and strict where guessing would lie: a line that is
no exchange is reported with its number and never hides the others; a format of a later version is refused.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from tapehead.exchange import FORMAT_VERSION, Exchange, decode


class Entry(NamedTuple):
    """An exchange and the number of its line, counted from 1."""

    line: int
    exchange: Exchange


class BadLine(NamedTuple):
    """A line that holds no exchange: its number, what is wrong, and whether it is a write cut short."""

    line: int
    reason: str
    torn: bool


class NewerFormatError(ValueError):
    """A recording that a later tapehead wrote."""


class _Version(msgspec.Struct):
    tapehead: int


def read_lines(lines: Iterable[bytes]) -> Iterator[Entry | BadLine]:
    """Each line of a recording, as an entry or as what is wrong with it; blank lines are passed over.

    Raises:
        NewerFormatError: a line was written in a later format.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _read_line(number, line)


def _read_line(number: int, line: bytes) -> Entry | BadLine:
    try:
        _check_version(line)
        return Entry(number, decode(line))
    except NewerFormatError:
        raise
    except ValueError as error:
        torn = not line.endswith(b"\n")
        reason = "a write cut short" if torn else f"no exchange: {error}"
        return BadLine(number, reason, torn)


def _check_version(line: bytes) -> None:
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
