"""Values of JSON whose type nobody can rely on: each is taken if it is there and of use, and is absent if not."""

import math
from collections.abc import Mapping

import msgspec

# An object's values, each as its bytes.
Fields = Mapping[str, msgspec.Raw]

# Errors of text that is no JSON of the type that was asked for.
BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_scalar_decoder = msgspec.json.Decoder(str | float | None)


def fields_of(raw: msgspec.Raw | None) -> Fields:
    """Return an object's values; none if it is not an object."""
    try:
        return _fields_decoder.decode(raw) if raw else {}
    except BROKEN:
        return {}


def items_of(raw: msgspec.Raw | None) -> list[msgspec.Raw]:
    """Return an array's values; none if it is not an array."""
    try:
        return _items_decoder.decode(raw) if raw else []
    except BROKEN:
        return []


def text_of(raw: msgspec.Raw | None) -> str | None:
    """Return a string, or a number as it is written; None for anything else."""
    try:
        value = _scalar_decoder.decode(raw) if raw else None
    except BROKEN:
        return None
    return bytes(raw).decode() if raw and isinstance(value, float) else value


def number_of(raw: msgspec.Raw | None) -> float | None:
    """Return a finite number, also one in a string; None for anything else."""
    try:
        number = float(text_of(raw) or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
