"""Commands as users start them, by a fresh interpreter; most other tests fork them, see `support.fork_server`."""

import sys
from pathlib import Path

import httpx
import pytest

from support.load import event_of
from support.paths import RECORDINGS_FOLDER
from support.processes import MITMDUMP, Command, run_program, run_tapehead, running, start_program
from support.upstream_server import upstream

RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"
EVENTS = "/api/v1/sessions/abc/events"
ENDING = [
    ["--version"],
    ["--help"],
    ["audit", RECORDING, "--format", "json"],
    ["show", RECORDING],
    ["nonsense"],
    ["audit", "no-such-file.jsonl"],
]


def test_the_installed_script_is_the_module() -> None:
    script = Path(sys.executable).with_name("tapehead")
    assert run_program(script, "--version", cold=True).stdout == run_tapehead("--version", cold=True).stdout != ""


@pytest.mark.parametrize("arguments", ENDING, ids=lambda arguments: " ".join(map(str, arguments[:1])))
def test_a_fork_ends_as_a_fresh_process_does(arguments: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795401600")  # the date of the report
    cold, forked = (run_tapehead(*arguments, cold=is_cold) for is_cold in (True, False))

    assert (forked.returncode, forked.stdout, forked.stderr) == (cold.returncode, cold.stdout, cold.stderr)


def post(opened: Command) -> int:
    return httpx.post(
        opened.url + EVENTS, content=event_of(1), headers={"Content-Type": "application/json"}
    ).status_code


@pytest.mark.parametrize("cold", [True, False], ids=["fresh", "forked"])
def test_a_recorder_and_a_server_do_their_work(cold: bool, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as endpoint, running("record", "--to", endpoint.url, "--out", out, cold=cold) as proxy:
        assert post(proxy) == 204
        assert proxy.stop() == 0
    with running("serve", out, cold=cold) as server:
        assert post(server) == 204
        assert server.stop() == 0

    assert len(out.read_bytes().splitlines()) == 1
    assert proxy.lines[-1].startswith(f"recorded 1 exchange of 1 session in {out}: ")


def test_a_fork_has_its_own_arguments_folder_environment_input_and_exit_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_VALUE_OF_THE_TEST", "yes")
    script = (
        "import atexit, os, sys\n"
        "atexit.register(print, 'at exit', flush=True)\n"
        "print(sys.argv, os.getcwd(), os.environ['A_VALUE_OF_THE_TEST'], sys.stdin.read(), __name__)\n"
        "print('to stderr', file=sys.stderr)\n"
        "sys.exit(7)"
    )
    cold, forked = (
        run_program(sys.executable, "-c", script, "x", cwd=tmp_path, data=b"input", cold=is_cold)
        for is_cold in (True, False)
    )

    assert forked.stdout == cold.stdout == f"['-c', 'x'] {tmp_path} yes input __main__\nat exit\n"
    assert forked.stderr == cold.stderr == "to stderr\n"
    assert forked.returncode == cold.returncode == 7


def test_a_fork_that_is_killed_has_the_signal_as_its_exit_code() -> None:
    with start_program(sys.executable, "-c", "import time; print('up'); time.sleep(60)") as opened:
        opened.wait_for(lambda line: line == "up")
        assert opened.process.poll() is None
        assert opened.stop(9) == -9


def test_code_that_changes_a_constant_is_heeded_by_who_imports_it() -> None:
    script = "import tapehead; tapehead.__version__ = 'x'; from tapehead.cli.app import run; run(['--version'])"

    assert run_program(sys.executable, "-c", script).stdout == "tapehead x\n"


def test_mitmdump_is_forked_too() -> None:
    cold, forked = (run_program(MITMDUMP, "--version", cold=is_cold) for is_cold in (True, False))

    assert forked.stdout.splitlines()[0] == cold.stdout.splitlines()[0]
