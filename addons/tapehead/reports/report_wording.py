"""Words and numbers as every form of the report writes them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from tapehead.text import count_of, format_number

_SHORT_ID = 12
_KEPT_OF_ID = 8
# Seconds beyond which hours say nothing.
_LONGEST = 10_000_000_000

# Reports set thousands apart.
plural = partial(count_of, grouped=True)
number = partial(format_number, grouped=True)


def clock(seconds: float | None) -> str:
    """A span as people say it: `0:07`, `12:30`, `1:02:03`; empty for none."""
    if seconds is None:
        return ""
    if abs(seconds) >= _LONGEST:
        return f"{seconds:.3g} s"
    sign, whole = "-" if seconds < 0 else "", int(abs(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02}:{rest:02}" if hours else f"{sign}{minutes}:{rest:02}"


def moment(seconds: float) -> str:
    """A point in time to the tenth of a second: `0:07.5`."""
    tenths = round(abs(seconds) * 10)
    said = clock(-(tenths // 10) if seconds < 0 else tenths // 10)
    return said if said.endswith("s") else f"{said}.{tenths % 10}"


def short_id(sid: str | None) -> str:
    """A session id that fits a column."""
    if sid is None:
        return "(none)"
    return sid if len(sid) <= _SHORT_ID else sid[:_KEPT_OF_ID]


def last_part(path: str) -> str:
    """A path's last part."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path


def title_of(session: Mapping[str, Any]) -> str:
    """What a session is called: by its content, or, without that, by its outcome."""
    return str(session["media_name"] or session["media_id"] or f"({session['outcome']})")


def totals_of(summary: Mapping[str, Any]) -> str:
    """The totals of a report in one line."""
    counted = ("sessions", "session"), ("events", "event")
    found = ("errors", "error"), ("warnings", "warning"), ("infos", "info")
    said = [plural(summary[key], noun) for key, noun in counted]
    return f"{', '.join(said)}: {', '.join(plural(summary[key], noun) for key, noun in found)}"


def value_of(value: object, unit: str) -> str:
    """A metric's value with its unit, as a person reads it; a dash where there is none."""
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, str):
        return value
    return _measured(float(str(value)), unit)


def _measured(value: float, unit: str) -> str:
    match unit:
        case "flag":
            return "yes" if value else "no"
        case "fraction":
            return f"{value:.4g}"
        case "seconds":
            return f"{number(value)} s"
        case "kilobits per second":
            return f"{number(value)} kbit/s"
        case _:
            return number(value)
