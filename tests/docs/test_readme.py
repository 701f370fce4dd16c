"""Every command of the README works as it stands there."""

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from support.captured_traffic import read
from support.har_files import flow_file, flow_of, har_of
from support.live_client import link_of, viewing
from support.object_stores import running_store
from support.paths import RECORDINGS_FOLDER, ROOT
from support.processes import run_tapehead, running, start_program
from support.resend import resend
from support.summaries import summaries_of
from support.tools import require

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
SET_UP, TESTS, *REST = COMMANDS


def test_the_first_command_sets_up_and_runs_the_demo() -> None:
    assert SET_UP == "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/tapehead demo"


def test_ci_runs_the_second_command_as_it_stands() -> None:
    assert TESTS in (ROOT / ".ci" / "run").read_text().splitlines()


# Those on a cluster are run by `integration/spark`.
@pytest.mark.parametrize("command", [each for each in REST if each.startswith("tapehead") and "spark" not in each])
def test_a_command_of_tapehead_works(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if bucket := re.search("s3://([^/ ]+)", command):
        with running_store() as store:
            made = store.bucket(bucket[1])
            for path in RECORDINGS_FOLDER.glob("timeline-*.jsonl"):
                made.put(f"recordings/2026-11/{path.name}.gz", gzip.compress(path.read_bytes()))
            for name, value in store.environment.items():
                monkeypatch.setenv(name, value)
            run_as_it_stands(command, tmp_path)
    else:
        run_as_it_stands(command, tmp_path)


def run_as_it_stands(command: str, tmp_path: Path) -> None:
    """Run a command beside the samples; where it names live pages, those of replicas that have played one."""
    with ExitStack() as stack:
        for url in dict.fromkeys(re.findall(r"http://127\.0\.0\.1:\d+/#\S+", command)):
            options = ["-q", "--live", "0", "--token", url.partition("#")[2]]
            replica = stack.enter_context(running("serve", RECORDINGS_FOLDER / "timeline-1.jsonl", *options))
            with httpx.Client(trust_env=False) as player:
                resend(player, replica.url, read(RECORDINGS_FOLDER / "timeline-1.jsonl"))
            command = command.replace(url, str(link_of(replica)))
        _run(command, tmp_path)


def _run(command: str, tmp_path: Path) -> None:
    (tmp_path / "recordings").symlink_to(RECORDINGS_FOLDER)
    _save_traffic(tmp_path)
    words = shlex.split(command)[1:]
    if words[0] == "summary" and "#" not in command:
        for path, name in zip(summaries_of(tmp_path, [[0], [1, 3], [2]]), words[1:4], strict=False):
            path.rename(tmp_path / name)
        recorded = [name for option, name in pairwise(words) if option == "--audit"]
        for number, name in enumerate(recorded, start=1):
            shutil.copy(RECORDINGS_FOLDER / f"timeline-{number}.jsonl", tmp_path / name)
    if words[0] in ("record", "replay", "serve"):
        with running(*words, cwd=tmp_path, cold=True) as opened:
            # Under --strict it is bad news that nobody played.
            assert opened.stop() == (1 if "--strict" in words else 0)
    elif words[0] == "view":
        with viewing(*words[1:], cwd=tmp_path) as opened:
            assert opened.stop() == 0
    else:
        done = run_tapehead(*words, cwd=tmp_path, cold=True)
        told = "tapehead: wrote the baseline 'known.json'\n" if "--write-baseline" in words else ""
        assert done.returncode == 0
        if words[0] == "test":  # its command plays nothing
            assert "no Media Collection call came" in done.stderr
        else:
            assert done.stderr == told
        assert done.stdout


def _save_traffic(folder: Path) -> None:
    """Put there what a browser and mitmdump would have saved of the first sample."""
    recorded = read(RECORDINGS_FOLDER / "timeline-1.jsonl")
    (folder / "session.har").write_bytes(har_of(recorded))
    (folder / "session.flow").write_bytes(flow_file(*map(flow_of, recorded)))


@pytest.mark.parametrize("command", [each for each in REST if each.startswith("mitmdump")])
def test_a_command_of_mitmdump_works(command: str, tmp_path: Path) -> None:
    (tmp_path / "addons").symlink_to(ROOT / "addons")
    recording = (RECORDINGS_FOLDER / "timeline-1.jsonl").read_bytes()
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "timeline-1.jsonl").write_bytes(recording)
    tool, *words = shlex.split(command)
    own = ["--listen-host", "127.0.0.1", "-p", "0", "--set", f"confdir={tmp_path}"]
    with start_program(Path(sys.executable).with_name(tool), *words, *own, cwd=tmp_path, cold=True) as opened:
        opened.wait_for(lambda line: "proxy listening at" in line)
        opened.stop()
    assert not [line for line in opened.lines if "rror" in line]


@pytest.mark.parametrize("command", [each for each in REST if each.startswith(("pipx", "uvx"))])
def test_an_installer_works(command: str, tmp_path: Path) -> None:
    tool, *words = shlex.split(command)
    folders = {name: str(tmp_path / name) for name in ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR", "UV_CACHE_DIR")}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | folders
    path = Path(sys.executable).with_name(tool)
    done = subprocess.run([path, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    if tool == "pipx":
        installed = [str(tmp_path / "PIPX_BIN_DIR" / "tapehead"), "--version"]
        assert subprocess.check_output(installed, text=True).startswith("tapehead ")
    else:
        assert "0 errors, 0 warnings" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", [each for each in REST if each.startswith("cd tests")])
def test_a_benchmark_prints_its_table(command: str) -> None:
    require("wrk")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.check_output(f"{command} --quick replay", shell=True, cwd=ROOT, env=environment, text=True)

    assert "tapehead replay -q" in done


def test_every_command_is_run_by_one_of_these() -> None:
    assert len(REST) == sum(each.startswith(("tapehead", "mitmdump", "pipx", "uvx", "cd tests")) for each in REST)
