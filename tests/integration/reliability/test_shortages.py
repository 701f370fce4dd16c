"""No file descriptors and no threads to be had, for a while: nothing that was answered is lost, and it goes on."""

import re
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from bench.load import bare
from support.load import LoadGenerator, event_of, numbers_in
from support.paths import RECORDINGS_FOLDER
from support.processes import TIMEOUT_SECONDS, Command, run_program, running

EVENTS = "/api/v1/sessions/abc/events"
# Room for a few descriptors besides those that the process has.
SPARE = 8
# Threads cannot be started while the flag is there.
NO_THREADS = """
import threading
from pathlib import Path
flag, whole = Path({flag!r}), threading.Thread.start
def start(self):
    if flag.exists():
        raise RuntimeError("can't start new thread")
    whole(self)
threading.Thread.start = start
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Command]:
    with bare() as opened:
        yield opened


def send(command: Command, numbers: range) -> None:
    """Send numbered events, all of which have to be answered."""
    load = LoadGenerator(command.port, numbers)
    load.play(2)
    assert sorted(load.answered) == list(numbers)


def let_files_run_out(command: Command, opened: ExitStack) -> None:
    """Connect so often that no descriptor is left."""
    handles = len(list(Path(f"/proc/{command.process.pid}/fd").iterdir()))
    resource.prlimit(command.process.pid, resource.RLIMIT_NOFILE, (handles + SPARE, handles + SPARE))
    for _ in range(SPARE + 20):
        opened.enter_context(socket.create_connection(command.address, TIMEOUT_SECONDS))


@pytest.mark.parametrize("sync", ["each", "second", "none"])
def test_what_is_answered_without_descriptors_is_recorded(sync: str, server: Command, tmp_path: Path) -> None:
    """A player that is connected already sends on; `--sync second` needs a descriptor each second."""
    out = tmp_path / "a.jsonl"
    with (
        running("record", "-q", "--to", server.url, "--out", out, "--sync", sync) as proxy,
        httpx.Client(base_url=proxy.url) as player,
    ):
        with ExitStack() as opened:
            player.post(EVENTS, content=event_of(0)).raise_for_status()
            let_files_run_out(proxy, opened)
            proxy.wait_for(lambda line: "new players wait until others are idle; the limit of open files" in line)
            for number in range(1, 30):
                player.post(EVENTS, content=event_of(number)).raise_for_status()
                time.sleep(0.1)
        send(proxy, range(30, 60))
        assert proxy.stop() == 0
    assert sorted(numbers_in(out)) == list(range(60))
    assert len([line for line in proxy.lines if "new players wait" in line]) == 1
    assert not [line for line in proxy.lines if "Too many" in line]


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_players_are_answered_again_once_there_are_descriptors(command: str) -> None:
    with running(command, "-q", RECORDINGS_FOLDER / "timeline-1.jsonl") as opened:
        with ExitStack() as connections:
            let_files_run_out(opened, connections)
            time.sleep(1)
        answer = httpx.post(f"{opened.url}{EVENTS}", content=event_of(1), timeout=TIMEOUT_SECONDS)
        assert answer.status_code < 500
        assert opened.stop() == 0


@pytest.mark.parametrize("sync", ["each", "second"])
def test_all_is_answered_and_recorded_without_new_threads(sync: str, server: Command, tmp_path: Path) -> None:
    """The upstream's name has to be looked up, which the event loop does in threads."""
    out, flag = tmp_path / "a.jsonl", tmp_path / "flag"
    command = "record", "-q", "--to", f"http://localhost:{server.port}", "--out", out, "--sync", sync
    with running(*command, broken=NO_THREADS.format(flag=str(flag))) as proxy:
        flag.touch()
        for first in range(0, 60, 20):
            send(proxy, range(first, first + 20))
            time.sleep(1)
        flag.unlink()
        assert proxy.stop() == 0
    assert sorted(numbers_in(out)) == list(range(60))


FEW_THREADS = """
import threading
left, whole = [{count}], threading.Thread.start
def start(self):
    left[0] -= 1
    if left[0] < 0:
        raise RuntimeError("can't start new thread")
    whole(self)
threading.Thread.start = start
from tapehead.__main__ import main
main()
"""


RECORD, REPLAY = "record --to http://localhost:1 --out a.jsonl", "replay {recording}"


@pytest.mark.parametrize(
    ("command", "count"), [*((each, count) for each in (RECORD, REPLAY) for count in (0, 1, 3, 8)), ("serve", 0)]
)
def test_too_few_threads_at_the_start_are_told(command: str, count: int, tmp_path: Path) -> None:
    """Some of them are started already where the next one cannot be."""
    words = command.format(recording=RECORDINGS_FOLDER / "timeline-1.jsonl").split()
    code = FEW_THREADS.format(count=count)
    ended = run_program(sys.executable, "-c", code, *words, "--listen", "127.0.0.1:0", cwd=tmp_path)
    assert ended.returncode == 2
    (told,) = ended.stderr.splitlines()
    assert told.startswith("tapehead: the system does not let another thread start; raise the limit of processes")


def test_the_limit_is_raised_at_the_start_and_told_if_it_is_low(server: Command, tmp_path: Path) -> None:
    broken = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))"
    command = "record", "-q", "--to", server.url
    with running(*command, "--out", tmp_path / "a.jsonl", broken=broken.format(soft=256, hard=4096)) as proxy:
        assert resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE) == (4096, 4096)
        assert not [line for line in proxy.lines if "leaves room" in line]
    with running(*command, "--out", tmp_path / "b.jsonl", broken=broken.format(soft=256, hard=1024)) as proxy:
        proxy.stop()
    told = [line for line in proxy.lines if "leaves room" in line]
    assert len(told) == 1
    assert re.search("the limit of 1024 open files leaves room for about 487 players at a time", told[0])
