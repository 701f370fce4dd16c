"""Words and numbers as all formats of the audit report write them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from tapehead.protocol.exchange import Severity
from tapehead.text import count_of, format_number

LONGEST_SHOWN_ID, KEPT_OF_ID = 12, 8
# Seconds beyond which hours say nothing.
MOST_SECONDS = 10_000_000_000

# Reports set thousands apart.
plural = partial(count_of, grouped=True)
number = partial(format_number, grouped=True)


def clock(seconds: float | None) -> str:
    """Return seconds as `0:07`, `12:30` or `1:02:03`; empty for none."""
    if seconds is None:
        return ""
    if abs(seconds) >= MOST_SECONDS:
        return f"{format_number(seconds)} s"
    sign, whole = "-" if seconds < 0 else "", int(abs(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02}:{rest:02}" if hours else f"{sign}{minutes}:{rest:02}"


def moment(seconds: float) -> str:
    """Return a point in time to the tenth of a second: `0:07.5`."""
    tenths = round(abs(seconds) * 10)
    whole = clock(-(tenths // 10) if seconds < 0 else tenths // 10)
    return whole if whole.endswith("s") else f"{whole}.{tenths % 10}"


def short_id(sid: str | None) -> str:
    """Return a session id that fits a column."""
    if sid is None:
        return "(none)"
    return sid if len(sid) <= LONGEST_SHOWN_ID else sid[:KEPT_OF_ID]


def last_part(path: str) -> str:
    """Return a path's last part."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path


def title_of(session: Mapping[str, Any]) -> str:
    """Return a session's title: its content, or, without that, its outcome."""
    return str(session["media_name"] or session["media_id"] or f"({session['outcome']})")


def totals_of(summary: Mapping[str, Any]) -> str:
    """Return the totals of a report in one line."""
    counted = (plural(summary[f"{noun}s"], noun) for noun in ("session", "event"))
    found = (plural(summary[f"{noun}s"], noun) for noun in ("error", "warning", "info"))
    return f"{', '.join(counted)}: {', '.join(found)}"


def baseline_totals_of(baseline: Mapping[str, int]) -> str:
    """Return in one line how many findings are new, known, and gone."""
    new = (plural(baseline[f"new_{severity}s"], f"new {severity}") for severity in Severity)
    return f"against the baseline: {', '.join(new)}; {baseline['known']:,} known, {baseline['gone']:,} gone"
