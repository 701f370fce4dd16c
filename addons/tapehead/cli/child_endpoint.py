"""The endpoint of a test: another process, so that neither a signal nor a crash of one reaches the other.

It ends with the process that started it.
"""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

import click

from tapehead.cli.messages import warn
from tapehead.errors import StartupError
from tapehead.remote.journal_paths import JournalPath

READY = "listening on "
URL_VARIABLE = "TAPEHEAD_URL"
TIMEOUT_SECONDS = 60.0
_REVERSE = "reverse:http://collection.invalid@127.0.0.1:{port}"


class EndpointProcess(NamedTuple):
    """A process that answers, and the addresses where it listens."""

    process: subprocess.Popen[str]
    urls: list[str]


@contextlib.contextmanager
def endpoint(
    recordings: Sequence[Path], recording: Path, summary: Path, options: Sequence[str], *, as_proxy: bool
) -> Iterator[EndpointProcess]:
    """Start an endpoint that records calls and writes a summary, and stop it at the end.

    Raises:
        StartupError: it does not start.
        click.exceptions.Exit: it does not start, and has said why.
    """
    # As texts, paths of journals are without their tokens.
    inputs = [path.journal.with_token if isinstance(path, JournalPath) else str(path) for path in recordings]
    words = ["replay" if as_proxy else "serve", *inputs, *options, "--listen", "127.0.0.1:0", "--quiet"]
    words += ["--out", str(recording), "--summary", str(summary), "--no-audit"]
    if as_proxy:
        with socket.create_server(("127.0.0.1", 0)) as free:  # mitmproxy takes one port for any
            port = free.getsockname()[1]
        words += ["--mode", "regular", "--mode", _REVERSE.format(port=port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tapehead.cli.endpoint_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # an interrupt from the terminal is for the command
    )
    try:
        with contextlib.suppress(BrokenPipeError):  # it has ended, and its exit code says more
            stdin = cast(IO[str], process.stdin)
            # Not in its command line, which each process of the machine sees.
            stdin.write(json.dumps(words) + "\n")
            stdin.flush()
        urls: list[str] = []
        while len(urls) < 1 + as_proxy:
            line = cast(IO[str], process.stdout).readline()
            if not line:
                if process.wait(TIMEOUT_SECONDS) == 2:
                    raise click.exceptions.Exit(2)
                raise StartupError(f"the endpoint ended with exit code {process.returncode} before it was ready")
            if line.startswith(READY):
                urls.append(line.removeprefix(READY).strip())
        yield EndpointProcess(process, urls)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def stop(opened: EndpointProcess) -> int:
    """Stop an endpoint, print its summary, and return its exit code; 1 if it does not stop."""
    opened.process.terminate()
    try:
        output, _ = opened.process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        warn(f"the endpoint did not stop within {TIMEOUT_SECONDS:.0f} s")
        return 1
    for line in output.splitlines():
        click.echo(line)
    return opened.process.returncode
