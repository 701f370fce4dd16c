"""Wording that every command and report shares: plurals, escaped control characters, suggestions, shortened values."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from functools import lru_cache

import orjson

# The longest text of a sender that a message repeats, and the longest value that is quoted within a line.
MOST_CHARACTERS = 100
MOST_OF_VALUE = 60
# Fields of a list that a message names.
MOST_FIELDS = 6

_NO_NAMES: Mapping[str, str] = {}

# C0 and C1 controls steer a terminal; line and paragraph separators break a line; the others turn the direction of
# what follows.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}


def count_of(count: int, one: str, many: str = "", *, grouped: bool = False) -> str:
    """Return a count with its noun: `1 miss`, `2 misses`, or, with thousands `grouped`, `1,200 misses`."""
    noun = one if count == 1 else many or f"{one}s"
    return f"{count:,} {noun}" if grouped else f"{count} {noun}"


def format_number(value: float, *, grouped: bool = False, significant: int = 2) -> str:
    """Return a number in full, never with an exponent.

    Args:
        value: the number.
        grouped: whether thousands stand apart.
        significant: the digits that small numbers keep; of others, three decimals are shown.
    """
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}" if grouped else str(value)
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    shown = f"{value:{',' if grouped else ''}.{max(3, significant - 1 - magnitude)}f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shorten(shown, MOST_OF_VALUE)


def escape_controls(text: str) -> str:
    """Replace every character that could steer a terminal, break its line or turn the direction of the text."""
    # Nearly all texts are printable, which takes a tenth of the time to see.
    return text if text.isprintable() else _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def local_time(moment: str | datetime, zone: tzinfo | None = None, timespec: str = "seconds") -> str:
    """Return a time with its offset from UTC, such as `2026-11-29 19:40:00+01:00`; a text that is no time as it is.

    Args:
        moment: the time, or its text in ISO 8601.
        zone: the zone; None for that of the system.
        timespec: the unit of the last digits, as in `datetime.isoformat`.
    """
    try:
        time = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return time.astimezone(zone).isoformat(" ", timespec)
    except (ValueError, OverflowError, OSError):
        return str(moment)


# Colours and weights, which tapehead and Rich set: besides line breaks and tabs, all that a terminal gets to see.
_STYLE = r"\x1b\[(?:[0-4]|2[2-4]|[39][0-7]|39)?(?:;(?:[0-4]|2[2-4]|[39][0-7]|39))*m"
_STYLES = re.compile(_STYLE)
_OUTPUT = re.compile(rf"{_STYLE}|\r?\n|\t|({_CONTROLS.pattern})")
_BREAKS = ("\n", "\r\n", "\t")


def escape_output(text: str, *, styled: bool = False, is_json: bool | None = None) -> str:
    """Return what is printed as it may reach a terminal: its lines and tabs, and no other control character.

    It is the last of all, at the output. JSON keeps its value: there, controls are written as escapes.

    Args:
        text: what is to be printed.
        styled: whether it has styles of tapehead's own, which stay; strangers' are gone, by `escape_controls`.
        is_json: whether it is a part of JSON; None to see that by its beginning.
    """
    if text.isprintable() or not _CONTROLS.search(text):
        return text
    if text.startswith(("{", "[")) if is_json is None else is_json:
        return _OUTPUT.sub(lambda match: match[0] if match[0] in _BREAKS else _escape_in_json(match[0]), text)
    return _OUTPUT.sub(lambda match: match[0] if styled and not match[1] else _escape_but_breaks(match[0]), text)


def without_styles(text: str) -> str:
    """Return what is printed without the styles of tapehead's own."""
    return _STYLES.sub("", text)


def _escape_but_breaks(characters: str) -> str:
    return characters if characters in _BREAKS else escape_controls(characters)


def _escape_in_json(characters: str) -> str:
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in characters)


def nearest(name: str, known: Iterable[str], usual: Mapping[str, str] = _NO_NAMES) -> str:
    """Return `; did you mean X?` for what `find_nearest` finds; else empty."""
    found = find_nearest(name, known, usual)
    return f"; did you mean {found}?" if found else ""


def find_nearest(name: str, known: Iterable[str], usual: Mapping[str, str] = _NO_NAMES) -> str:
    """Return the known name that `name` stands for, most likely; empty if there is none.

    Args:
        name: the name.
        known: the names that there are; one is found by its letters, in any case, or by those of its last dotted part.
        usual: other words that people use, in lower case, with the known names that they mean: these come first.
    """
    if len(name) > MOST_CHARACTERS:
        return ""
    return usual.get(name.lower()) or _find_nearest(name, tuple(known))


@lru_cache(maxsize=1024)
def _find_nearest(name: str, known: tuple[str, ...]) -> str:
    tails = {each.rpartition(".")[2].lower(): each for each in known}
    lowered = {each.lower(): each for each in known}
    if match := lowered.get(name.lower()) or tails.get(name.rpartition(".")[2].lower()):
        return match
    from difflib import get_close_matches  # which takes long to load

    return next(iter(get_close_matches(name, known, n=1, cutoff=0.6)), "")


def shorten(text: str, most: int = MOST_CHARACTERS, dots: str = "...") -> str:
    """Cut a text to at most `most` characters, the last of them `dots`."""
    return text if len(text) <= most else text[: most - len(dots)] + dots


def shorten_words(text: str, most: int) -> str:
    """Cut a text to at most `most` characters, between words if one ends in its second half; ` ...` shows the cut."""
    if len(text) <= most:
        return text
    end = text.rfind(" ", most // 2, most - 3)
    return f"{text[: end if end > 0 else most - 4]} ..."


def shorten_value(value: object) -> str:
    """Return a value, or each of a tuple, on one line that fits a message; `-` for None."""
    if isinstance(value, tuple):
        return ", ".join(shorten_value(each) for each in value[:MOST_FIELDS]) or "-"
    shown = "-" if value is None else format_number(value) if isinstance(value, float) else str(value)
    return shorten(" ".join(shown.split()), MOST_OF_VALUE)


def quote(value: object) -> str:
    """Return a value as JSON that fits a message; its type, if it is nested too deep for that."""
    if isinstance(value, float) and math.isfinite(value):
        from decimal import Decimal  # which takes long to load

        return shorten(f"{Decimal(repr(value)):f}", MOST_OF_VALUE)
    try:
        quoted = orjson.dumps(value[:MOST_OF_VALUE] if isinstance(value, str) else value).decode()
    except orjson.JSONEncodeError:
        return json_type_of(value)
    return shorten(quoted, MOST_OF_VALUE)


def json_type(value: object) -> str:
    """Return the JSON type of a parsed value; all numbers have the same."""
    return "null" if value is None else _TYPES.get(type(value), "number")


def json_type_of(value: object) -> str:
    """Return the JSON type of a parsed value with its article, for use in a message."""
    name = json_type(value)
    return name if value is None else f"an {name}" if name[0] in "ao" else f"a {name}"


def http_url(host: str, port: int) -> str:
    """Return the URL of a server that listens on an address."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def json_problem(error: Exception) -> str:
    """Return what is wrong with JSON that could not be read, as part of a sentence."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
