"""Recordings as the commands take them: files, folders, patterns and stdin, for each command that reads."""

import io
import resource
import sys
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path

import orjson
import pytest
import zstandard
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.test import taddons

from support import reports
from support.timelines import TIMELINES
from tapehead.cli.app import run
from tapehead.cli.offline_run import EngineRun, EngineSettings
from tapehead.demo.timelines import bodies
from tapehead.errors import TapeheadError
from tapehead.mitmproxy_script.addon import OptionsAddon
from tapehead.protocol.exchange import encode

SESSIONS = [f"{number}-session" for number in range(4)]
LINES = [
    line
    for number, sid in enumerate(SESSIONS)
    for line in map(encode, reports.session(sid, bodies(TIMELINES[1], reports.BEGAN_MS), 300 * number))
]


class Output:
    """What a command gives for recordings: its exit code, the ids of the sessions that it found, and its warnings."""

    def __init__(self, code: int, sessions: list[str], warnings: list[str]) -> None:
        self.code, self.sessions, self.warnings = code, sorted(sessions), warnings


Command = Callable[[list[str], pytest.CaptureFixture[str]], Output]


def audit(paths: list[str], capsys: pytest.CaptureFixture[str]) -> Output:
    code = run(["audit", *paths, "--format", "json"])
    told = capsys.readouterr()
    found = orjson.loads(told.out)["sessions"] if told.out else []
    return Output(code, [session["id"] for session in found], told.err.splitlines())


def diff(paths: list[str], capsys: pytest.CaptureFixture[str]) -> Output:
    (path,) = paths
    code = run(["diff", path, path])
    told = capsys.readouterr()
    count = int(told.out.split()[3]) if told.out else 0
    return Output(code, SESSIONS[:count], told.err.splitlines())


def show(paths: list[str], capsys: pytest.CaptureFixture[str]) -> Output:
    code = run(["show", *paths])
    told = capsys.readouterr()
    return Output(code, [f"{line[:2]}session" for line in told.out.splitlines()[1:]], told.err.splitlines())


def engine(paths: list[str], _capsys: pytest.CaptureFixture[str]) -> Output:
    warnings: list[str] = []
    try:
        started = EngineRun(EngineSettings(recordings=tuple(map(Path, paths))), warnings.append)
    except TapeheadError as problem:
        return Output(2, [], [str(problem)])
    assert len(started.names) == len(set(started.names))
    return Output(0, [session.sid or "" for session in started._loader.indexes[0].sessions], warnings)


def script(paths: list[str], _capsys: pytest.CaptureFixture[str]) -> Output:
    addon = OptionsAddon()
    with taddons.context(Proxyserver(), TlsConfig(), addon) as context:
        context.configure(addon, tapehead_replay=paths)
        assert addon._engine
        sessions = [session.sid or "" for session in addon._engine._loader.indexes[0].sessions]
    return Output(0, sessions, [])


COMMANDS: list[Command] = [audit, diff, show, engine, script]
ALL = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
SEVERAL = pytest.mark.parametrize("command", [audit, engine, script], ids=lambda command: command.__name__)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four sessions, split line by line over three recordings, one of them compressed, one in a folder of its own."""
    (tmp_path / "rec" / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.jsonl", "b.jsonl.zst", "deep/c.jsonl")):
        content = b"".join(LINES[number::3])
        packed = zstandard.ZstdCompressor().compress(content) if name.endswith(".zst") else content
        (tmp_path / "rec" / name).write_bytes(packed)
    return tmp_path / "rec"


@ALL
def test_folders(command: Command, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = command([str(folder)], capsys)

    assert (output.code, output.sessions, output.warnings) == (0, SESSIONS, [])


@ALL
def test_patterns(command: Command, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = command([str(folder / "**" / "*.jsonl*")], capsys)

    assert (output.code, output.sessions, output.warnings) == (0, SESSIONS, [])


@SEVERAL
def test_files_with_stdin(
    command: Command, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = (folder / "b.jsonl.zst").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped)))
    output = command(["-", *map(str, (folder / "a.jsonl", folder / "deep"))], capsys)

    assert (output.code, output.sessions, output.warnings) == (0, SESSIONS, [])


def limit_with_free(wanted: int) -> int:
    """The limit under which so many descriptors can be opened, whatever else this process has left open."""
    taken = {int(path.name) for path in Path("/proc/self/fd").iterdir()}
    return next(islice((number for number in count() if number not in taken), wanted, None))


@ALL
def test_many_files_need_few_descriptors(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, line in enumerate(LINES):
        (tmp_path / f"{number:03}.jsonl").write_bytes(line)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit_with_free(50), hard))
    try:
        output = command([str(tmp_path)], capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert (output.sessions[-1][0], output.warnings) == ("3", [])


@ALL
def test_a_bad_file_of_a_folder_hides_nothing(
    command: Command, folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "bad.jsonl").write_bytes(b"{}\n")
    output = command([str(folder)], capsys)

    assert (output.code, output.sessions) == (0, SESSIONS)
    told = output.warnings or caplog.messages
    assert told
    assert all(f"'{folder / 'bad.jsonl'}' is not a recording: line 1: " in line for line in told)
