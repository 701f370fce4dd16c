"""A recording in the terminal: its sessions, or the timeline of one."""

import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tapehead.cli.terminal import SHORT_SID, lines_of
from tapehead.errors import UsageError
from tapehead.interop.reader import read_recordings
from tapehead.protocol.events import IDENTITY_KEYS
from tapehead.protocol.exchange import Entry, Severity
from tapehead.protocol.keys import MEDIA_ID, MEDIA_NAME, MEDIA_PLAYER_NAME
from tapehead.replay.index import RecordedSession, build_index
from tapehead.text import escape_controls

# Columns of a table that goes into a pipe or a file.
WIDE = 160


def show_recording(path: Path, sid: str | None, warn: Callable[[str], None]) -> None:
    """Print the sessions of the recording at `path`, or the calls of those whose id begins with `sid` (`-`: of none).

    Raises:
        RecordingError: it cannot be read.
        UsageError: it has no such session.
    """
    entries = list(read_recordings([path], warn=warn))
    if sid is None:
        _show_sessions(entries)
        return
    calls = [entry.exchange for entry in entries if (entry.exchange.session or "-").startswith(sid)]
    if not calls:
        raise UsageError(f"{path} has no session {sid}; tapehead show {path} lists them")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for exchange in calls:
        for line in lines_of(exchange, width):
            typer.echo(line)


# Title, alignment, least width; the columns without one share what is left.
_COLUMNS: tuple[tuple[str, Literal["left", "right"], int | None], ...] = (
    ("session", "left", SHORT_SID),
    ("started (UTC)", "left", 14),
    ("content", "left", None),
    ("player", "left", None),
    ("calls", "right", 5),
    ("last", "left", 15),
    ("errors", "right", 6),
    ("warnings", "right", 8),
)


def _show_sessions(entries: Iterable[Entry]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for title, justify, width in _COLUMNS:
        table.add_column(title, justify=justify, no_wrap=True, min_width=width)
    for session in build_index([entries]).sessions:
        table.add_row(*_session_row(session))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    console.print(table)


def _session_row(session: RecordedSession) -> tuple[str, ...]:
    calls = [*([session.start] if session.start else []), *session.calls]
    known = dict(zip(IDENTITY_KEYS, session.identity, strict=True))
    severities = [finding.severity for call in calls for finding in call.exchange.findings]
    return (
        escape(escape_controls(session.sid or "-")[:SHORT_SID]),
        calls[0].exchange.started[5:19].replace("T", " ") if calls else "-",
        escape(escape_controls(str(known[MEDIA_NAME] or known[MEDIA_ID] or "-"))),
        escape(escape_controls(str(known[MEDIA_PLAYER_NAME] or "-"))),
        str(len(calls)),
        escape(escape_controls(calls[-1].key.event_type)) if calls else "-",
        _count(severities.count(Severity.ERROR), "red"),
        _count(severities.count(Severity.WARNING), "yellow"),
    )


def _count(count: int, colour: str) -> str:
    return f"[{colour}]{count}[/]" if count else "0"
