"""The netstrings that flow files consist of, split and checked before their lengths are trusted."""

import re
from collections import deque
from collections.abc import Iterator
from typing import Protocol

# The largest value that is parsed, in bytes: a flow with its bodies. No player's call comes near it.
LARGEST = 64 * 1024 * 1024
# Values within a value, and how deep they may nest.
MOST_VALUES = 200_000
MOST_LEVELS = 50
_MOST_DIGITS = 12
_PIECE = 1024 * 1024
_HEAD = re.compile(rb"([0-9]{1,12}):")
_CONTAINERS = frozenset(b"]}")


class NetstringError(ValueError):
    """Bytes that are not a netstring, or are cut short."""


class Source(Protocol):
    """A source of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, or fewer at the end."""
        ...


def split_netstrings(source: Source) -> Iterator[bytes | None]:
    """Yield the values of a file, each as its bytes; None for one that is larger than LARGEST.

    Memory is taken for what is there, not for what a length announces.

    Raises:
        NetstringError: the file ends within a value, or has something else there.
    """
    while (length := read_length(source)) is not None:
        pieces = read_pieces(source, length + 1)
        if length > LARGEST:
            deque(pieces, maxlen=0)
            yield None
        else:
            yield b"%d:%b" % (length, b"".join(pieces))


def read_length(source: Source) -> int | None:
    """Read the length that a value begins with; None at the end of the file."""
    digits = b""
    while (byte := source.read(1)) != b":":
        if not byte and not digits:
            return None
        if not byte:
            raise NetstringError("the file is cut short")
        if not byte.isdigit() or len(digits) == _MOST_DIGITS:
            raise NetstringError("there is something else than a flow")
        digits += byte
    if not digits:
        raise NetstringError("there is something else than a flow")
    return int(digits)


def read_pieces(source: Source, size: int) -> Iterator[bytes]:
    """Read so many bytes piece by piece."""
    while size:
        piece = source.read(min(size, _PIECE))
        if not piece:
            raise NetstringError("the file is cut short")
        size -= len(piece)
        yield piece


def check_netstring(value: bytes) -> None:
    """Check that the lengths within a value agree with each other.

    Parsers trust a length such as -1, and then read the same bytes again and again.

    Raises:
        NetstringError: they do not agree, or there are too many values, or they nest too deep.
    """
    at, values = 0, 0
    ends = [len(value)]
    while ends:
        if at == ends[-1]:
            ends.pop()
            at += 1
            continue
        head = _HEAD.match(value, at)
        end = head.end() + int(head[1]) if head else len(value)
        if not head or end >= ends[-1]:
            raise NetstringError("the lengths in it do not agree")
        values += 1
        if value[end] in _CONTAINERS:
            at = head.end()
            ends.append(end)
        else:
            at = end + 1
        if values > MOST_VALUES or len(ends) > MOST_LEVELS:
            raise NetstringError("it has too many values, or they nest too deep")
