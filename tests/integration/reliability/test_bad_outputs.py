"""Outputs that take nothing matter to nobody: the traffic flows, all is recorded, and the exit code is what it is."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.load import bare
from support.bad_outputs import KINDS, end, running_unheard
from support.load import LoadGenerator, event_of, numbers_in
from support.paths import RECORDINGS_FOLDER
from support.processes import TIMEOUT_SECONDS, Command, run_program, running

# A disk that hangs while the flag is there, so that the event loop has something to say, too.
HANGING = """
import time
from pathlib import Path
from tapehead.recording import recording_file as module
flag, whole = Path({flag!r}), module.write_all
def hanging(*arguments):
    while flag.exists():
        time.sleep(0.02)
    whole(*arguments)
module.write_all = hanging
"""
RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"


@pytest.fixture(scope="module")
def server() -> Iterator[Command]:
    with bare() as opened:
        yield opened


def send(command: Command, numbers: range) -> None:
    """Send numbered events, all of which have to be answered."""
    load = LoadGenerator(command.port, numbers)
    load.play(4)
    assert sorted(load.answered) == list(numbers)


def say_something(command: Command) -> None:
    """Send what servers warn about."""
    for content in (b"\x16\x03\x01", b"\0 no request\r\n\r\n"):
        with socket.create_connection(command.address, 5) as connection:
            connection.sendall(content)


REPORTS: dict[str, list[object]] = {
    "audit": ["audit", RECORDING],
    "audit as JSON": ["audit", "--format", "json", RECORDING],
    "show": ["show", RECORDING],
    "diff": ["diff", RECORDING, RECORDING],
    "rules": ["rules"],
    "schema": ["schema", "play"],
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_that_stdout_has_no_room_for_is_told(name: str) -> None:
    words = [sys.executable, "-m", "tapehead", *map(str, REPORTS[name])]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_SECONDS)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("tapehead: cannot write to stdout")
    assert line.endswith(": No space left on device")


@pytest.mark.parametrize("kind", KINDS)
def test_all_is_recorded_if_nothing_can_be_printed(kind: str, server: Command, tmp_path: Path) -> None:
    """The writer's thread warns of the moved file, the event loop of the disk that hangs."""
    out, moved, flag = tmp_path / "a.jsonl", tmp_path / "moved.jsonl", tmp_path / "flag"
    command = "record", "--to", server.url, "--out", out
    with running_unheard(kind, *command, broken=HANGING.format(flag=str(flag))) as proxy:
        send(proxy, range(20))
        out.rename(moved)
        send(proxy, range(20, 40))
        flag.touch()
        send(proxy, range(40, 60))
        flag.unlink()
        send(proxy, range(60, 80))
        assert end(proxy) == 0

    assert sorted(numbers_in(moved)) == list(range(20))
    assert sorted(numbers_in(out)) == list(range(20, 80))


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        *((options, kind) for options in ("replay", "serve --live 0") for kind in KINDS if kind != "closed"),
        ("serve --workers 2", "unread"),
        ("replay --workers 2", "unread"),
    ],
)
def test_players_are_answered_if_nothing_can_be_printed(options: str, kind: str) -> None:
    with running_unheard(kind, *options.split(), RECORDING) as command:
        url = f"{command.url}/api/v1/sessions/abc/events"
        for number in range(100):
            if number % 20 == 0:
                say_something(command)
            # A connection each, so that all workers have answered, and are ready to end.
            answer = httpx.post(url, content=event_of(number), timeout=TIMEOUT_SECONDS, trust_env=False)
            assert answer.status_code < 500
        assert end(command) == 0


def test_what_could_not_be_printed_is_counted_once_it_can_be(server: Command, tmp_path: Path) -> None:
    """Output on a disk that is full for a while."""
    switch, refused = tmp_path / "full", tmp_path / "refused"
    broken = f"""
import sys
from pathlib import Path
from tapehead.cli import printer as module
whole = module.write_parts
def refusing(*arguments):
    if Path({str(switch)!r}).exists():
        Path({str(refused)!r}).touch()
        raise OSError(28, "No space left on device")
    return whole(*arguments)
module.write_parts = refusing
"""
    with running("record", "--to", server.url, "--out", tmp_path / "a.jsonl", broken=broken) as proxy:
        switch.touch()
        send(proxy, range(3))
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not refused.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        switch.unlink()
        send(proxy, range(3, 4))
        assert proxy.stop() == 0
    assert any(line.endswith("lines left out, which could not be printed)") for line in proxy.lines)


@pytest.mark.parametrize(("arguments", "redirection", "code"), [("rules", ">&-", 0), ("rules nope", "<&- >&- 2>&-", 2)])
def test_commands_work_without_outputs(arguments: str, redirection: str, code: int) -> None:
    ended = run_program("sh", "-c", f'exec "$0" -m tapehead {arguments} {redirection}', sys.executable)
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
