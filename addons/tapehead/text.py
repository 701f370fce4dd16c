"""Wording that everything shares: plurals, escaped control characters, suggestions, shortened values."""

import re
from difflib import get_close_matches
from functools import lru_cache

import orjson

# What is told of a key, of the values that were expected, and of any other text that a sender chose.
MOST_CHARACTERS = 100


def shorten(text: str) -> str:
    """Text that a sender chose, cut to a length that a finding can hold."""
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."


def json_type_of(value: object) -> str:
    """The JSON type of a parsed value, with its article."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def quote(value: object) -> str:
    """A value as JSON, cut to a length that fits a line."""
    try:
        quoted = orjson.dumps(value[:60] if isinstance(value, str) else value).decode()
    except orjson.JSONEncodeError:  # nested deeper than it goes
        return json_type_of(value)
    return quoted if len(quoted) <= 60 else f"{quoted[:57]}..."


def nearest(key: str, known: tuple[str, ...]) -> str:
    """A hint at the documented key that `key` most resembles, as a whole or in its last part; else empty."""
    return _nearest(key, known) if len(key) <= MOST_CHARACTERS else ""


@lru_cache(maxsize=1024)
def _nearest(key: str, known: tuple[str, ...]) -> str:
    tails = {name.rpartition(".")[2].lower(): name for name in known}
    lowered = {name.lower(): name for name in known}
    if match := lowered.get(key.lower()) or tails.get(key.rpartition(".")[2].lower()):
        return f"; did you mean {match}?"
    close = get_close_matches(key, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def count_of(count: int, one: str, many: str = "") -> str:
    """A number of things, in words: `1 miss`, `2 misses`."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


MOST_FIELDS = 6


def shorten_value(value: object) -> str:
    """A value for a message: on one line, cut to a length that fits it; `-` for None."""
    if isinstance(value, tuple):
        return ", ".join(shorten_value(each) for each in value[:MOST_FIELDS]) or "-"
    shown = "-" if value is None else f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


# What steers a terminal, or turns the direction of what follows.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def escape_controls(text: str) -> str:
    """A text with nothing in it that steers a terminal."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)
