"""The report as tables for spreadsheets and databases: a row a session, and a row a finding.

CSV as RFC 4180 has it, in UTF-8: a header, CRLF, quotes where they are needed. Numbers are as exact as in JSON and
empty where there are none; several values in a cell are separated by "; ". A text that a spreadsheet would take for a
formula gets an apostrophe in front, since players choose what stands there.
"""

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import chain
from typing import Any

from tapehead.metrics.catalog import METRICS
from tapehead.reports.audit.json_report import Report, locate_findings
from tapehead.reports.audit.totals import count_severities
from tapehead.text import escape_controls

# What begins a formula, also as the full-width characters that spreadsheets take for the same.
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")

SESSION_COLUMNS = ("media_id", "media_name", "player", "number", "id", "started", "recordings", "line", "outcome")
FINDING_COLUMNS = ("rule", "severity", "message", "path")
EVENT_COLUMNS = ("index", "type", "ordinal", "playhead", "ts")
OF_SESSION = ("media_id", "media_name", "player", "number", "id", "started")


def render_sessions(report: Report) -> Iterator[str]:
    """Yield the table of sessions: what they are, their counts of events and findings, and their metrics."""
    keys = [metric.key for metric in METRICS if metric.scope == "session"]
    rows = (
        [session[column] for column in SESSION_COLUMNS]
        + [session["events"], *count_severities(session).values()]
        + [session["metrics"].get(key) for key in keys]
        for session in report["sessions"]
    )
    return render_table([*SESSION_COLUMNS, "events", "errors", "warnings", "infos", *keys], rows)


def render_findings(report: Report) -> Iterator[str]:
    """Yield the table of findings: what is wrong, where it is recorded, in which event of which session."""
    has_baseline = "baseline" in report
    columns = [
        *FINDING_COLUMNS,
        *(["new"] if has_baseline else []),
        "recording",
        "line",
        *(f"event_{column}" for column in EVENT_COLUMNS),
        *OF_SESSION,
    ]
    rows = (
        [located.finding[column] for column in FINDING_COLUMNS]
        + ([int(located.finding["new"])] if has_baseline else [])
        + [located.recording, located.finding["line"]]
        + [(located.finding["event"] or {}).get(column) for column in EVENT_COLUMNS]
        + [located.session[column] for column in OF_SESSION]
        for located in locate_findings(report)
    )
    return render_table(columns, rows)


def render_table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield a table as CSV, row by row."""
    out = StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    for row in chain([columns], ([cell_of(value) for value in row] for row in rows)):
        writer.writerow(row)
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def cell_of(value: object) -> object:
    """Return a value as its cell holds it: text without control characters that begins no formula."""
    if isinstance(value, list | tuple):
        return cell_of("; ".join(map(str, value)))
    if not isinstance(value, str):
        return value
    text = escape_controls(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
