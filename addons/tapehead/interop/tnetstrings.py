"""The netstrings that flow files are made of, taken apart and looked at before anybody believes their lengths."""

import re
from collections.abc import Iterator
from typing import Protocol

# The largest value that is looked into, in bytes: a flow with its bodies. No call of a player comes near it.
LARGEST = 64 * 1024 * 1024
# Values within a value, and how deep they may nest.
MOST_VALUES = 200_000
MOST_LEVELS = 50
_MOST_DIGITS = 12
_PIECE = 1024 * 1024
_HEAD = re.compile(rb"([0-9]{1,12}):")
_CONTAINERS = frozenset(b"]}")


class NetstringError(ValueError):
    """What is no netstring, or is cut short."""


class Source(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, or fewer at the end."""
        ...


def split_netstrings(source: Source) -> Iterator[bytes | None]:
    """The values of a file, each as its bytes; None for one that is larger than any that is looked into.

    Memory is taken for what is there, not for what a length announces.

    Raises:
        NetstringError: the file ends within a value, or has something else there.
    """
    while (length := _read_length(source)) is not None:
        if length > LARGEST:
            _skip(source, length + 1)
            yield None
        else:
            yield b"%d:%b" % (length, _read(source, length + 1))


def _read_length(source: Source) -> int | None:
    """The length that a value begins with; None at the end of the file."""
    digits = b""
    while (byte := source.read(1)) != b":":
        if not byte and not digits:
            return None
        if not byte:
            raise NetstringError("the file is cut short")
        if not byte.isdigit() or len(digits) == _MOST_DIGITS:
            raise NetstringError("what stands there is no flow")
        digits += byte
    if not digits:
        raise NetstringError("what stands there is no flow")
    return int(digits)


def _read(source: Source, size: int) -> bytes:
    whole = bytearray()
    while len(whole) < size:
        whole += _piece(source, size - len(whole))
    return bytes(whole)


def _skip(source: Source, size: int) -> None:
    while size:
        size -= len(_piece(source, size))


def _piece(source: Source, size: int) -> bytes:
    piece = source.read(min(size, _PIECE))
    if not piece:
        raise NetstringError("the file is cut short")
    return piece


def check_netstring(value: bytes) -> None:
    """Make sure that the lengths within a value agree with each other.

    Parsers take a length such as -1 by its word, and then read the same bytes again and again.

    Raises:
        NetstringError: they do not, or there are too many values, or they nest too deep.
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
