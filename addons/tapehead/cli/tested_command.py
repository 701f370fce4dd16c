"""The run of a test with an endpoint of its own: a process that answers, the test's command, and the audit.

The endpoint is another process, so that neither a signal nor a crash of one reaches the other; it ends with this one.
"""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple, cast

import typer

from tapehead.cli.audit_run import AuditOptions, run
from tapehead.cli.messages import warn
from tapehead.errors import StartupError, UsageError
from tapehead.files import create_folder
from tapehead.recording.paths import STDIN, check_outputs, find_inputs
from tapehead.reports.report_formats import FailOn, Format, Target

READY = "listening on "
TIMEOUT_SECONDS = 60.0
RECORDING, SUMMARY, JUNIT, REPORT, BUNDLE = "run.jsonl", "summary.json", "junit.xml", "report.html", "ca-bundle.pem"
URL_VARIABLE = "TAPEHEAD_URL"
# Hosts that a proxy need not stand in front of: those of the test itself.
LOCAL = "localhost,127.0.0.1,::1"
_REVERSE = "reverse:http://collection.invalid@127.0.0.1:{port}"
_AUTHORITY = Path("~/.mitmproxy/mitmproxy-ca-cert.pem")
# Signals that a command gets from whoever stops this one; from a terminal, it gets an interrupt itself.
_PASSED_ON = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


class EndpointProcess(NamedTuple):
    """A process that answers, and the addresses where it listens."""

    process: subprocess.Popen[str]
    urls: list[str]


def run_test(
    command: Sequence[str],
    recordings: Sequence[Path],
    out: Path | None,
    options: Sequence[str],
    *,
    fail_on: FailOn,
    as_proxy: bool,
    config: Path | None,
) -> int:
    """Run a command with an endpoint, audit its calls, and return the exit code: the command's, or else ours.

    Args:
        command: the command and its arguments.
        recordings: what the endpoint answers from; none to simulate it.
        out: the folder of the results; None for a new one.
        options: options of `replay` or `serve`.
        fail_on: the least severe finding that counts as a failure.
        as_proxy: whether the endpoint is a forward proxy, too.
        config: the settings file of the audit; None to look for it.

    Raises:
        TapeheadError: there is no such command, the endpoint does not start, or results cannot be written.
    """
    if shutil.which(command[0]) is None:
        raise UsageError(f"there is no command '{command[0]}'; name a program on the PATH, or its path")
    if STDIN in recordings:
        raise UsageError("--replay takes no standard input, which is the command's; name a file")
    folder = prepare_folder(out, recordings)
    with endpoint(recordings, folder, options, as_proxy=as_proxy) as opened:
        variables = {URL_VARIABLE: opened.urls[-1]}
        if as_proxy:
            variables |= proxy_variables(opened.urls[0], folder)
        code = run_command(command, variables)
        failed = stop(opened)
    outcome = f"'{command[0]}' ended with exit code {code}"
    recording = folder / RECORDING
    if not recording.exists():
        warn(f"{outcome}; no call came to {opened.urls[-1]}, which {URL_VARIABLE} named")
        return code or failed or int(fail_on is not FailOn.NEVER)
    reports = [Target(Format.TEXT, None), Target(Format.JUNIT, folder / JUNIT), Target(Format.HTML, folder / REPORT)]
    audited = run([recording], reports, AuditOptions(fail_on=fail_on, config=config))
    typer.echo(f"{outcome}; results are in '{folder}': {RECORDING}, {JUNIT}, {REPORT}, {SUMMARY}")
    return code or failed or audited


def prepare_folder(out: Path | None, recordings: Sequence[Path]) -> Path:
    """Return the folder of the results, without those of an earlier test.

    Raises:
        TapeheadError: it cannot be written, or one of the results is to be replayed.
    """
    folder = out or Path("tapehead-test") / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    results = [folder / name for name in (RECORDING, SUMMARY, JUNIT, REPORT)]
    inputs = [file.path.resolve() for file in find_inputs(recordings).files] if recordings else []
    if played := next((path for path in results if path.resolve() in inputs), None):
        raise UsageError(f"'{played}' is an input and would be overwritten; name another folder")
    try:
        create_folder(folder, parents=out is None)
        for path in results:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write into '{folder}': {error.strerror}") from error
    check_outputs(results, inputs)
    return folder


@contextlib.contextmanager
def endpoint(
    recordings: Sequence[Path], folder: Path, options: Sequence[str], *, as_proxy: bool
) -> Iterator[EndpointProcess]:
    """Start an endpoint that records into a folder, and stop it at the end.

    Raises:
        StartupError: it does not start.
    """
    words = ["replay" if as_proxy else "serve", *map(str, recordings), *options, "--listen", "127.0.0.1:0", "--quiet"]
    words += ["--out", str(folder / RECORDING), "--summary", str(folder / SUMMARY), "--no-audit"]
    if as_proxy:
        with socket.create_server(("127.0.0.1", 0)) as free:  # mitmproxy takes one port for any
            port = free.getsockname()[1]
        words += ["--mode", "regular", "--mode", _REVERSE.format(port=port)]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "tapehead.cli.endpoint_process", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # an interrupt from the terminal is for the command
    )
    try:
        urls: list[str] = []
        while len(urls) < 1 + as_proxy:
            line = cast(IO[str], process.stdout).readline()
            if not line:
                raise StartupError(f"the endpoint did not start: tapehead {shlex.join(words)}")
            if line.startswith(READY):
                urls.append(line.removeprefix(READY).strip())
        yield EndpointProcess(process, urls)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def stop(opened: EndpointProcess) -> int:
    """Stop an endpoint, print its summary, and return its exit code."""
    opened.process.terminate()
    try:
        output, _ = opened.process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        warn(f"the endpoint did not stop within {TIMEOUT_SECONDS:.0f} s")
        return 1
    for line in output.splitlines():
        typer.echo(line)
    return int(opened.process.returncode != 0)


def run_command(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a command with more environment variables, pass signals on to it, and return its exit code.

    Raises:
        UsageError: it cannot be run.
    """
    try:
        process = subprocess.Popen(command, env={**os.environ, **variables})  # noqa: S603 - what the user asked for
    except OSError as error:
        raise UsageError(f"cannot run '{command[0]}': {error.strerror}") from error
    passed_on = [*_PASSED_ON, *([] if sys.stdin and sys.stdin.isatty() else ["SIGINT"])]
    numbers = [getattr(signal, name) for name in passed_on if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda got, _frame: process.send_signal(got)) for number in numbers}
    if signal.SIGINT not in before:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda _got, _frame: None)
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def proxy_variables(url: str, folder: Path) -> dict[str, str]:
    """Return the variables by which programs find a proxy and trust its certificates.

    Raises:
        StartupError: the certificates of the proxy or of the system cannot be read, or not be written.
    """
    authority, system = _AUTHORITY.expanduser(), ssl.get_default_verify_paths().cafile
    bundle = folder / BUNDLE
    try:
        known = Path(system).read_bytes() if system else b""
        bundle.write_bytes(known.rstrip() + b"\n" + authority.read_bytes())
    except OSError as error:
        raise StartupError(
            f"cannot collect certificates in '{bundle}': '{error.filename}': {error.strerror}"
        ) from error
    named = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), url)
    trusted = {name: str(bundle.absolute()) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    return {**named, **trusted, "NO_PROXY": LOCAL, "no_proxy": LOCAL, "NODE_EXTRA_CA_CERTS": str(authority)}
