"""Settings of a recorder, and the parsing of sizes and times."""

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from tapehead.errors import UsageError

MEGABYTE = 1_000_000
# What may wait in memory unless an option says otherwise.
BACKLOG_BYTES = 64 * MEGABYTE


class Sync(StrEnum):
    """The times at which the disk has to confirm what was written, so that it survives a loss of power."""

    EACH = "each"
    SECOND = "second"
    NONE = "none"


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one file of a recording.

    Attributes:
        size, seconds: the size in bytes and the age at which a file is full; None for no limit.
        at_end: whether the last file is renamed as a full one at the end.
    """

    size: int | None = None
    seconds: float | None = None
    at_end: bool = False


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The recording to be written, and how.

    Attributes:
        out: the recording; with the suffix .zst it is compressed.
        append, overwrite: whether an existing recording is added to, or replaced.
        keep_ids: whether identifiers are stored as they are.
        redact_keys: names whose values identify people, besides those that always do.
        sync: when the disk has to confirm.
        rotation: when a new file begins.
        backlog: the number of bytes that may wait in memory while the disk refuses.
    """

    out: Path
    append: bool = False
    overwrite: bool = False
    keep_ids: bool = False
    redact_keys: tuple[str, ...] = ()
    sync: Sync = Sync.SECOND
    rotation: Rotation = Rotation()
    backlog: int = BACKLOG_BYTES


_SIZES = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_TIMES = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AMOUNT = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s?([a-zA-Z]*)")


def parse_size(text: str, option: str) -> int:
    """Return the number of bytes of a size such as `256MB`.

    Raises:
        UsageError: it is not a size.
    """
    match = _AMOUNT.fullmatch(text)
    size = int(float(match[1]) * _SIZES.get(match[2].upper(), 0)) if match else 0
    if size < 1:
        raise UsageError(f"invalid {option} '{text}': expected a size such as 256MB")
    return size


def parse_rotation(texts: Sequence[str] | None, option: str = "--rotate") -> Rotation:
    """Return the limits that an option names as sizes and times; the last of a kind counts.

    Raises:
        UsageError: one is neither.
    """
    size, seconds = None, None
    for text in texts or ():
        match = _AMOUNT.fullmatch(text)
        if not match or (match[2] not in _TIMES and match[2].upper() not in _SIZES) or not float(match[1]):
            raise UsageError(f"invalid {option} '{text}': expected a size or a time such as 256MB or 1h")
        if match[2] in _TIMES:
            seconds = float(match[1]) * _TIMES[match[2]]
        else:
            size = parse_size(text, option)
    return Rotation(size=size, seconds=seconds)
