"""A recording in the terminal: its sessions, or the timeline of one."""

from collections.abc import Callable, Iterable
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from tapehead.exchange import Severity
from tapehead.problems import UsageProblem
from tapehead.recording import Entry
from tapehead.store import read_entries
from tapehead.tape import IDENTITY_KEYS, RecordedSession, build_tape
from tapehead.terminal import lines_of

SHOWN_SID = 16
# Columns of a table that goes into a pipe or a file.
WIDE = 160


def show_recording(path: Path, sid: str | None, complain: Callable[[str], None]) -> None:
    """Print the sessions of the recording at `path`, or the calls of those whose id begins with `sid`.

    Raises:
        RecordingProblem: it cannot be read.
        UsageProblem: it has no such session.
    """
    entries = read_entries(path, complain)
    if sid is None:
        _show_sessions(entries)
        return
    calls = [entry.exchange for entry in entries if (entry.exchange.session or "").startswith(sid)]
    if not calls:
        raise UsageProblem(f"{path} has no session {sid}; tapehead show {path} lists them")
    for exchange in calls:
        for line in lines_of(exchange):
            typer.echo(line)


def _show_sessions(entries: Iterable[Entry]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("session", "started", "content", "player", "events", "last event", "errors", "warnings"):
        table.add_column(title, justify="right" if title in ("events", "errors", "warnings") else "left", no_wrap=True)
    for session in build_tape([entries]).sessions:
        table.add_row(*_session_row(session))
    console = Console()
    console.print(table, width=None if console.is_terminal else WIDE)


def _session_row(session: RecordedSession) -> tuple[str, ...]:
    calls = [*([session.start] if session.start else []), *session.calls]
    known = dict(zip(IDENTITY_KEYS, session.identity, strict=True))
    found = [finding.severity for call in calls for finding in call.exchange.findings]
    return (
        (session.sid or "(none opened)")[:SHOWN_SID],
        calls[0].exchange.started[:19].replace("T", " ") if calls else "-",
        str(known["media.name"] or known["media.id"] or "-"),
        str(known["media.playerName"] or "-"),
        str(len(calls)),
        calls[-1].kind.event_type if calls else "-",
        str(found.count(Severity.ERROR)),
        str(found.count(Severity.WARNING)),
    )
