"""Commands load what they need and nothing else: each start of a process costs its users that time."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

from support.exchanges import start
from support.paths import RECORDINGS_FOLDER
from support.processes import run_tapehead

RECORDING = str(RECORDINGS_FOLDER / "timeline-1.jsonl")
LISTEN = ["--listen", "127.0.0.1:0"]
# Libraries that no command without a proxy, a page or a terminal needs.
PROXY = {"mitmproxy", "h2", "cryptography", "OpenSSL", "flask", "tornado"}
PAGES = {"jinja2", "markupsafe", "starlette", "xml.etree.ElementTree"}
TERMINAL = {"rich", "rich.console"}
NETWORK = {"asyncio", "ssl", "http.client", "urllib.request", "httptools", "uvicorn", "uvloop", "multiprocessing"}
# Typer, which came before click, loaded pydantic in each command.
NEVER = {"pydantic", "pydantic_core", "typer", "difflib", "unittest", "importlib.metadata", "pkg_resources"}
# What reads from object storage.
REMOTE = {"fsspec", "s3fs", "gcsfs", "botocore", "tapehead.remote.stores", "tapehead.remote.copies"}
RARE = {"email.message", "email.parser", "importlib.resources", "statistics", "tomllib"}
UNUSED = {
    "--version": {"click", "re", "typing", "enum", "msgspec", "orjson", "pathlib", "signal", "threading"},
    "audit --format json": PAGES | TERMINAL | NETWORK | RARE | {"tapehead.redaction.redactor"},
    "audit": PAGES
    | NETWORK
    | {"tapehead.redaction.redactor", "tapehead.reports.audit.html_report", "tapehead.cli.serve"},
    "rules": PAGES | NETWORK | {"tapehead.cli.audit_run"},
    "show": PAGES | NETWORK | {"tapehead.cli.serve"},
    "serve": PAGES
    | TERMINAL
    | {"uvicorn.main", "multiprocessing"}
    | {"http.client", "urllib.request", "email.message", "tapehead.interop.reader"},
}
ARGUMENTS = {
    "--version": [],
    "audit --format json": [RECORDING],
    "audit": [RECORDING],
    "rules": ["ad-outside-break"],
    "show": [RECORDING],
    "serve": LISTEN,
}


# Runs a command, and then writes into a file what it has imported.
SCRIPT = """
import atexit, sys
atexit.register(lambda: open("imports.txt", "w").write(" ".join(sys.modules)))
from tapehead.__main__ import main
main()
"""

# Writes them once it listens.
AT_READY = """
import sys
from tapehead.cli.lean_imports import import_libraries_lazily
import_libraries_lazily()
from tapehead.cli import terminal
announce = terminal.announce
def announce_and_write(*arguments):
    names = (name for name, module in sys.modules.items() if getattr(module, "__spec__", None))  # no placeholders
    open("imports.txt", "w").write(" ".join(names))
    announce(*arguments)
terminal.announce = announce_and_write
from tapehead.__main__ import main
main()
"""
SERVERS = {
    "serve": [],
    "record": ["--to", "http://127.0.0.1:9", "--out", "a.jsonl"],
    "replay": [RECORDING],
}
# What mitmproxy and uvicorn import for other uses, and with the first connection that speaks QUIC or HTTP/2.
UNUSED_AT_START = {"aioquic.quic", "h2", "service_identity", "uvicorn.main", "multiprocessing", "pyparsing.core"}
# What a simulation without a recording does not need before its first call.
UNUSED_BY_SIMULATION = {
    "inspect",
    "textwrap",
    "typing_extensions",
    "logging.config",
    "zstandard",
    "tapehead.recording.pipeline",
    "tapehead.redaction.redactor",
    "tapehead.replay.replayer",
}
# The audit of a run is loaded after its start, or with the first call.
AUDIT = {
    "tapehead.auditor.live_audit",
    "tapehead.auditor.settings",
    "tapehead.rules.catalog",
    "tapehead.metrics.catalog",
}


@contextmanager
def running_alone(words: list[str], folder: Path, script: str = SCRIPT) -> Iterator[IO[str]]:
    """Run a command in a fresh interpreter until it ends, or to the end of the block; its output."""
    command = [sys.executable, "-c", script, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout
        try:
            yield process.stdout
        finally:
            process.terminate()
            process.stdout.read()


def imported(folder: Path) -> set[str]:
    """Return the modules that a command has imported."""
    return set((folder / "imports.txt").read_text().split())


@pytest.mark.parametrize("command", UNUSED)
def test_a_command_loads_nothing_heavy_that_it_does_not_need(command: str, tmp_path: Path) -> None:
    with running_alone([*command.split(), *ARGUMENTS[command]], tmp_path) as output:
        if command == "serve":
            url = next(found[0] for line in output if (found := re.search(r"http://\S+", line)))
            assert httpx.post(f"{url}/api/v1/sessions", json=start(), trust_env=False).status_code == 201
        else:
            assert output.read()
    modules = imported(tmp_path)

    assert "tapehead" in modules
    assert sorted(modules & (UNUSED[command] | NEVER | PROXY | REMOTE)) == []


def test_only_the_module_of_the_asked_command_is_loaded(tmp_path: Path) -> None:
    with running_alone(["rules", "ad-outside-break"], tmp_path) as output:
        assert output.read()
    modules = imported(tmp_path)

    assert "tapehead.cli.rules" in modules
    assert modules.isdisjoint(
        {f"tapehead.cli.{name}" for name in ("audit", "diff", "record", "replay", "serve", "show")}
    )


@pytest.mark.parametrize("command", SERVERS)
def test_a_command_that_players_call_listens_before_it_loads_what_no_start_needs(command: str, tmp_path: Path) -> None:
    with running_alone([command, *SERVERS[command], *LISTEN], tmp_path, AT_READY) as output:
        next(line for line in output if line.startswith("listening on "))
    modules = imported(tmp_path)

    assert "tapehead.journal.audit_thread" in modules
    unused = AUDIT | NEVER | UNUSED_AT_START | (UNUSED_BY_SIMULATION if command == "serve" else set())
    assert sorted(modules & unused) == []


def test_an_error_in_the_settings_of_the_audit_is_told_before_anything_listens(tmp_path: Path) -> None:
    (tmp_path / "tapehead.toml").write_text('[rules]\nping-gap = "of"\n')
    for command, arguments in SERVERS.items():
        done = run_tapehead(command, *arguments, *LISTEN, cwd=tmp_path)

        assert (done.returncode, done.stdout) == (2, "")
        assert "tapehead.toml" in done.stderr
        assert "ping-gap" in done.stderr
