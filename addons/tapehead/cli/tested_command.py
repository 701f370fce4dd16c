"""The run of a command that tests a player: with an endpoint of its own, whose calls are audited at the end."""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import certifi
import click
import msgspec

from tapehead.cli.audit_run import AuditOptions, run
from tapehead.cli.child_endpoint import URL_VARIABLE, endpoint, stop
from tapehead.cli.messages import warn
from tapehead.cli.run_journal import AuditSummary
from tapehead.errors import StartupError, UsageError
from tapehead.files import create_folder, open_private
from tapehead.protocol.exchange import Severity
from tapehead.recording.paths import STDIN, check_outputs, find_inputs
from tapehead.reports.audit.json_report import Report
from tapehead.reports.audit.junit import RunCase
from tapehead.reports.report_formats import FailOn, Format, Target

RECORDING, SUMMARY, JUNIT, REPORT, BUNDLE = "run.jsonl", "summary.json", "junit.xml", "report.html", "ca-bundle.pem"
# Hosts that a proxy need not stand in front of: those of the test itself.
LOCAL = "localhost,127.0.0.1,::1"
# Where systems keep the certificates that they trust, in one file.
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_AUTHORITY = Path("~/.mitmproxy/mitmproxy-ca-cert.pem")
# Signals that a command gets from whoever stops this one; from a terminal, it gets an interrupt itself.
_PASSED_ON = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
# The interrupt from the terminal that kills a command.
_LAST_INTERRUPT = 3


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
    check_command(command[0])
    if STDIN in recordings:
        raise UsageError("--replay takes no standard input, which is the command's; name a file")
    folder = prepare_folder(out, recordings)
    recording, summary = folder / RECORDING, folder / SUMMARY
    with endpoint(recordings, recording, summary, options, as_proxy=as_proxy) as opened:
        url = opened.urls[-1]
        proxied = proxy_variables(opened.urls[0], folder) if as_proxy else {}
        code = run_command(command, {URL_VARIABLE: url, **proxied})
        endpoint_code = stop(opened)
    outcome, exit_code = outcome_of(command[0], code)
    has_calls = recording.exists() and recording.stat().st_size > 0
    silence = [] if has_calls else [f"no call came to {url}, which {URL_VARIABLE} named"]
    problems = [outcome] if code else []
    problems += silence if fail_on is not FailOn.NEVER else []
    if endpoint_code:
        problems.append(f"the endpoint ended with exit code {endpoint_code}, as after a miss; '{SUMMARY}' says more")
    case = RunCase(f"tapehead test {Path(command[0]).name}", problems, [outcome, *silence])
    targets = [Target(Format.JUNIT, folder / JUNIT), Target(Format.HTML, folder / REPORT)]
    targets += [Target(Format.TEXT, None)] if has_calls else []
    audited = run([recording] if has_calls else [], targets, AuditOptions(fail_on=fail_on, config=config, run=case))
    fails = bool(audited.code) or (not has_calls and fail_on is not FailOn.NEVER)
    complete_summary(summary, audited.report, exit_code, problems, fails=fails)
    written = [*([RECORDING] if has_calls else []), JUNIT, REPORT, SUMMARY]
    click.echo(f"{outcome}; results are in '{folder}': {', '.join(written)}")
    return exit_code or int(bool(problems)) or audited.code


def check_command(name: str) -> None:
    """Check that there is a command, before anything is started for it.

    Raises:
        UsageError: there is none, or it is no program.
    """
    if shutil.which(name):
        return
    if os.path.isfile(name):  # noqa: PTH113 - Path.is_file may raise
        raise UsageError(f"'{name}' is not executable; make it so with chmod +x, or name the program that runs it")
    raise UsageError(f"there is no command '{name}'; name a program on the PATH, or its path")


def outcome_of(name: str, code: int) -> tuple[str, int]:
    """Return how a command ended, in words and as the exit code that a shell would have."""
    if code >= 0:
        return f"'{name}' ended with exit code {code}", code
    try:
        number = signal.Signals(-code).name
    except ValueError:
        number = str(-code)
    return f"'{name}' was ended by the signal {number}", 128 - code


def complete_summary(
    path: Path, report: Report | None, exit_code: int, problems: Sequence[str], *, fails: bool
) -> None:
    """Add the audit's verdict and the outcome of the command to the endpoint's summary.

    Raises:
        UsageError: the file cannot be written.
    """
    known: dict[str, object] = {}
    with suppress(OSError, msgspec.MsgspecError):  # an endpoint that was killed has written none
        known = msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    counts = report["summary"] if report else {}
    findings = {severity: counts.get(f"{severity}s", 0) for severity in Severity}
    known["audit"] = AuditSummary.of(counts.get("sessions", 0), findings, fails=fails)
    known["command"] = {"exit_code": exit_code, "problems": list(problems)}
    try:
        with open(path, "wb", opener=open_private) as file:
            file.write(msgspec.json.format(msgspec.json.encode(known)) + b"\n")
    except OSError as error:
        raise UsageError(f"cannot write '{path}': {error.strerror}") from error


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
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageError(f"cannot write into '{folder}': {error.strerror}") from error
    check_outputs(results, inputs)
    return folder


def run_command(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a command with more environment variables, pass signals on to it, and return its exit code.

    The code is the signal's number with a minus if one ended it.

    Raises:
        UsageError: it cannot be run.
    """
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []
    interrupts = 0

    def pass_on(number: int, _frame: object = None) -> None:
        if process:
            process.send_signal(number)
        else:
            early.append(number)

    def count_interrupt(_number: int, _frame: object) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts < _LAST_INTERRUPT:
            more = "twice more" if interrupts == 1 else "once more"
            warn(f"waiting for '{command[0]}' to end; Ctrl-C {more} kills it")
        else:
            pass_on(signal.SIGKILL)

    has_terminal = any(stream and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    numbers = [getattr(signal, name) for name in (*_PASSED_ON, "SIGINT") if hasattr(signal, name)]
    handlers = dict.fromkeys(numbers, pass_on) | ({signal.SIGINT: count_interrupt} if has_terminal else {})
    # Before the command is there: one that a signal left behind would run on. What is ignored, it ignores, too.
    before = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        process = subprocess.Popen(command, env={**os.environ, **variables})  # noqa: S603 - what the user asked for
        for number in early:
            process.send_signal(number)
        return process.wait()
    except OSError as error:
        raise UsageError(f"cannot run '{command[0]}': {error.strerror}") from error
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def proxy_variables(url: str, folder: Path) -> dict[str, str]:
    """Return the variables by which programs find a proxy and trust its certificates.

    Raises:
        StartupError: the certificates of the proxy or of the system cannot be read, or not be written.
    """
    authority = _AUTHORITY.expanduser()
    system: str | None = ssl.get_default_verify_paths().cafile  # which typeshed takes for always known
    bundle = folder / BUNDLE
    if system is None:  # OpenSSL knows a folder alone, or nothing
        system = next((path for path in _SYSTEM_BUNDLES if Path(path).is_file()), None) or certifi.where()
    try:
        known = Path(system).read_bytes()
        bundle.write_bytes(known.rstrip() + b"\n" + authority.read_bytes())
    except OSError as error:
        raise StartupError(
            f"cannot collect certificates in '{bundle}': '{error.filename}': {error.strerror}"
        ) from error
    named = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), url)
    trusted = {name: str(bundle.absolute()) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    return {**named, **trusted, "NO_PROXY": LOCAL, "no_proxy": LOCAL, "NODE_EXTRA_CA_CERTS": str(authority)}
