"""The run of `tapehead demo`: a scripted player records a session and plays it again from the recording alone.

Recording, replay and audit are processes of their own, as they would be at work, and all speak over real connections.
The endpoint is simulated by a server in this process.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes
from typing import IO, cast

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tapehead.colour import in_colour, plain_environment
from tapehead.demo.player import Sent, play
from tapehead.demo.timelines import VIEW_TO_END
from tapehead.errors import StartupError, UsageError
from tapehead.protocol.schemas import Schemas
from tapehead.recording.paths import check_outputs
from tapehead.server.uvicorn_server import Server
from tapehead.simulator.endpoint import Simulator
from tapehead.text import count_of, escape_controls, format_number

# Half of the timeline's 88 s lie before now and half after it, so that no ts is a minute off.
LEAD_MS = 44_000
TIMEOUT_SECONDS = 120.0
# A clone's folder may hold recordings of one's own, too.
SAMPLES = ("mistakes", "timeline-1", "timeline-2", "timeline-3")
# The audit's metrics that are shown: key, name, unit.
_SHOWN_METRICS = (
    ("content_time_spent", "content time", " s"),
    ("ad_time_spent", "ads", " s"),
    ("total_pause_duration", "pause", " s"),
    ("total_buffer_duration", "buffer", " s"),
    ("ad_completes", "ads completed", ""),
    ("content_completes", "content completed", ""),
)


def sample_recordings() -> list[Path]:
    """Return the sample recordings: those in the installed package, or those of the clone that it is in."""
    here = Path(__file__).parent
    folders = here / "recordings", here.parents[2] / "recordings"
    return sorted(path for path in next(filter(Path.is_dir, folders)).glob("*.jsonl") if path.stem in SAMPLES)


def run_demo(out: Path | None) -> int:
    """Record, replay, compare and audit; return the exit code: 0 if both runs were answered alike.

    Args:
        out: where to keep the recording; None to keep none.

    Raises:
        UsageError: the file exists already, or cannot be created.
        StartupError: a part does not start.
    """
    if out and out.exists():
        raise UsageError(f"'{out}' exists; name another file, or remove it first")
    check_outputs([out] if out else [], [])
    is_coloured = in_colour(sys.stdout)
    console = Console(
        highlight=False, soft_wrap=True, force_terminal=is_coloured, color_system="standard" if is_coloured else None
    )
    with tempfile.TemporaryDirectory(prefix="tapehead-demo-") as scratch:
        recording = out or Path(scratch) / "demo.jsonl"
        console.print("[bold]1.[/] a player plays the documented timeline 1, through a recording proxy")
        with Server(Simulator(Schemas(), random_bytes=token_bytes)) as endpoint:
            console.print(f"   [dim]simulated endpoint:[/] listening on {endpoint.url}")
            with run_command(console, "record", "--to", endpoint.url, "--out", str(recording)) as url:
                recorded = play_now(url)
        console.print("[bold]2.[/] the endpoint is gone; the same player plays against the recording")
        with run_command(console, "replay", str(recording), "--quiet") as url:
            replayed = play_now(url)
        console.print("[bold]3.[/] both runs, side by side")
        is_alike = compare(console, recorded, replayed)
        console.print("[bold]4.[/] the audit of the recording, and what Adobe would report")
        show_audit(console, recording)
    if out:
        console.print(f"recording kept in {escape(escape_controls(str(out)))}")
    return 0 if is_alike else 1


@contextlib.contextmanager
def run_command(console: Console, *command: str) -> Iterator[str]:
    """Run a command of tapehead on a free port, yield its URL, and stop it at the end; its output is shown.

    Raises:
        StartupError: it does not start.
    """
    arguments = [sys.executable, "-m", "tapehead", *command, "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(  # noqa: S603 - our own command
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=plain_environment()
    )
    try:
        first = cast(IO[str], process.stdout).readline().strip()
        if not first.startswith("listening on "):
            raise StartupError(f"tapehead {command[0]} did not start: {first}")
        console.print(f"   [dim]tapehead {command[0]}:[/] {first}")
        yield first.removeprefix("listening on ")
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    for line in output.splitlines():
        console.print(f"   [dim]tapehead {command[0]}:[/] {escape(line)}")


def play_now(url: str) -> list[Sent]:
    """Play the demo's timeline around the present time, without waiting."""
    return list(play(url, VIEW_TO_END, started_ms=int(time.time() * 1000) - LEAD_MS))


def compare(console: Console, recorded: list[Sent], replayed: list[Sent]) -> bool:
    """Show both runs, and return whether they were answered with the same statuses."""
    table = Table(box=None, pad_edge=False)
    for title in ("run", "session", "events", "statuses"):
        table.add_column(title)
    for name, sent in (("recorded", recorded), ("replayed", replayed)):
        counts = sorted(Counter(event.status for event in sent).items())
        statuses = ", ".join(f"{count} x {status}" for status, count in counts)
        table.add_row(name, (sent[-1].sid or "-")[:16], str(len(sent)), statuses)
    console.print(table)
    is_alike = [event.status for event in recorded] == [event.status for event in replayed]
    verdict = "[green]the player could not tell the difference[/]" if is_alike else "[red]the runs differ[/]"
    console.print(f"{verdict}: {len(replayed)} calls answered offline")
    return is_alike


def show_audit(console: Console, recording: Path) -> None:
    """Show findings and metrics of a recording.

    Raises:
        StartupError: the audit does not work.
    """
    arguments = [sys.executable, "-m", "tapehead", "audit", recording.name, "--format", "json", "--fail-on", "never"]
    done = subprocess.run(  # noqa: S603 - our own command
        arguments, cwd=recording.parent, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
    )
    if done.returncode:
        raise StartupError(f"tapehead audit did not work: {done.stderr.strip()}")
    report = orjson.loads(done.stdout)
    metrics, summary = report["sessions"][0]["metrics"], report["summary"]
    console.print(f"{count_of(summary['errors'], 'error')}, {count_of(summary['warnings'], 'warning')}")
    console.print(
        "; ".join(f"{name} {format_number(round(metrics[key], 1))}{unit}" for key, name, unit in _SHOWN_METRICS)
    )
