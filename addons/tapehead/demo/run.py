"""The demo: a scripted player records a session, plays it again from the recording alone, and has it audited.

Every part is a process of its own, as it would be at work, and they speak over real connections.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tapehead.demo.player import Sent, play
from tapehead.demo.timelines import VIEW_TO_END
from tapehead.errors import StartupError, UsageError
from tapehead.text import count_of

# Half of the timeline's 88 s lie before now and half after it, so that no ts is a minute off.
LEAD_MS = 44_000
PATIENCE_SECONDS = 10
# Metrics of the audit that are shown: key, name, unit.
_SHOWN_METRICS = (
    ("content_time_spent", "content time", " s"),
    ("ad_time_spent", "ads", " s"),
    ("total_pause_duration", "pause", " s"),
    ("total_buffer_duration", "buffer", " s"),
    ("ad_completes", "ads completed", ""),
    ("content_completes", "content completed", ""),
)


def run_demo(out: Path | None) -> int:
    """Record, replay, compare; the exit code: 0 if both runs were answered alike.

    Args:
        out: where to keep the recording; None to keep none.

    Raises:
        UsageError: there is such a file already.
        StartupError: a part does not start.
    """
    if out and out.exists():
        raise UsageError(f"{out} exists; name another file, or remove it first")
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="tapehead-demo-") as scratch:
        recording = out or Path(scratch) / "demo.jsonl"
        recorded = _record(console, recording)
        replayed = _replay(console, recording)
        _summarise(console, recorded, replayed)
        _audit(console, recording)
    if out:
        console.print(f"recording kept in {escape(str(out))}")
    return 0 if _statuses(recorded) == _statuses(replayed) else 1


def _record(console: Console, recording: Path) -> list[Sent]:
    console.print("[bold]1.[/] a player plays the documented timeline 1, through a recording proxy")
    with (
        _door(console, "serve", "--quiet") as endpoint,
        _door(console, "record", "--to", endpoint, "--out", str(recording)) as proxy,
    ):
        return _play(proxy)


def _replay(console: Console, recording: Path) -> list[Sent]:
    console.print("[bold]2.[/] the endpoint is gone; the same player plays against the recording")
    with _door(console, "replay", str(recording), "--quiet") as offline:
        return _play(offline)


def _audit(console: Console, recording: Path) -> None:
    console.print("[bold]4.[/] what the audit says of it, and what Adobe would report")
    arguments = [sys.executable, "-m", "tapehead", "audit", recording.name, "--format", "json", "--fail-on", "never"]
    done = subprocess.run(  # noqa: S603 - our own command
        arguments, cwd=recording.parent, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )
    if done.returncode:
        raise StartupError(f"tapehead audit did not work: {done.stderr.strip()}")
    report = orjson.loads(done.stdout)
    metrics, found = report["sessions"][0]["metrics"], report["summary"]
    console.print(f"{count_of(found['errors'], 'error')}, {count_of(found['warnings'], 'warning')}")
    console.print("; ".join(f"{name} {round(metrics[key], 1):g}{unit}" for key, name, unit in _SHOWN_METRICS))


def _play(url: str) -> list[Sent]:
    return list(play(url, VIEW_TO_END, started_ms=int(time.time() * 1000) - LEAD_MS))


@contextlib.contextmanager
def _door(console: Console, *command: str) -> Iterator[str]:
    """Run one of tapehead's commands on a free port; its URL. At the end it is stopped, and its output shown."""
    arguments = [sys.executable, "-m", "tapehead", *command, "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(  # noqa: S603 - our own command
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        first = cast(IO[str], process.stdout).readline().strip()
        if not first.startswith("listening on "):
            raise StartupError(f"tapehead {command[0]} did not start: {first}")
        console.print(f"   [dim]tapehead {command[0]}:[/] {first}")
        yield first.removeprefix("listening on ")
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    for line in output.splitlines():
        console.print(f"   [dim]tapehead {command[0]}:[/] {escape(line)}")


def _summarise(console: Console, recorded: list[Sent], replayed: list[Sent]) -> None:
    console.print("[bold]3.[/] both runs, side by side")
    table = Table(box=None, pad_edge=False)
    for title in ("run", "session", "events", "statuses"):
        table.add_column(title)
    for name, sent in (("recorded", recorded), ("replayed", replayed)):
        counts = Counter(_statuses(sent))
        shown = ", ".join(f"{count} x {status}" for status, count in sorted(counts.items()))
        table.add_row(name, (sent[-1].sid or "-")[:16], str(len(sent)), shown)
    console.print(table)
    alike = _statuses(recorded) == _statuses(replayed)
    verdict = "[green]the player could not tell the difference[/]" if alike else "[red]the runs differ[/]"
    console.print(f"{verdict}: {len(replayed)} calls answered offline")


def _statuses(sent: list[Sent]) -> list[int]:
    return [each.status for each in sent]
