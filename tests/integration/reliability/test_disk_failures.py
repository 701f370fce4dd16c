"""Disks that refuse, are slow, or lose the file: traffic flows, one line says so, and what was lost is counted."""

import contextlib
import errno
import http.server
import os
import re
import resource
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.load import bare
from support.load import LoadGenerator, numbers_in
from support.processes import TIMEOUT_SECONDS, Command, run_tapehead, running, web_server

FORMS = pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst"])


@pytest.fixture(scope="module")
def server() -> Iterator[Command]:
    with bare() as opened:
        yield opened


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """A disk that can only be read, mounted over itself."""
    subprocess.run(["mount", "--bind", disk, disk], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", disk], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def record(server: Command, out: Path, *options: str) -> tuple[str, ...]:
    return ("record", "-q", "--to", server.url, "--out", str(out), *options)


def send(proxy: Command, numbers: range, size: int = 0) -> None:
    """Send numbered events, all of which have to be answered."""
    load = LoadGenerator(proxy.port, numbers, size)
    load.play(4)
    assert sorted(load.answered) == list(numbers)


def told(proxy: Command, text: str) -> list[str]:
    """The lines that say something."""
    return [line for line in proxy.lines if text in line]


def wait_until_told(proxy: Command, text: str) -> None:
    """Wait until a line says something: a thread of its own prints, after the players are answered."""
    proxy.wait_for(lambda line: text in line)


def lost_by(proxy: Command) -> int:
    """Return the number of lost exchanges in the summary."""
    found = filter(None, (re.search(r"^recorded .* (\d+) exchanges? LOST$", line) for line in proxy.lines))
    return sum(int(match[1]) for match in found)


@FORMS
def test_a_full_disk_that_has_room_again_gets_all_that_waited(name: str, server: Command, disk: Path) -> None:
    out = disk / name
    (disk / "filler").write_bytes(os.urandom(280_000))
    with running(*record(server, out)) as proxy:
        send(proxy, range(90), size=1000)
        wait_until_told(proxy, "No space left on device; traffic continues, but is not being recorded")
        (disk / "filler").unlink()
        send(proxy, range(90, 100))
        proxy.wait_for(lambda line: "can be written again, and" in line)
        assert proxy.stop() == 0

    assert sorted(numbers_in(out)) == list(range(100))
    assert len(told(proxy, "tapehead: ")) == 2


@FORMS
def test_a_disk_that_stays_full_loses_an_exact_number(name: str, server: Command, disk: Path) -> None:
    out = disk / name
    (disk / "filler").write_bytes(os.urandom(250_000))
    with running(*record(server, out)) as proxy:
        send(proxy, range(300), size=1000)
        assert proxy.stop() == 1

    kept = numbers_in(out)
    assert 0 < len(kept) < 300
    assert lost_by(proxy) == 300 - len(kept)
    assert len(told(proxy, "tapehead: ")) == 1


def test_what_finds_no_room_in_memory_is_lost_and_counted(server: Command, disk: Path) -> None:
    out = disk / "a.jsonl"
    (disk / "filler").write_bytes(os.urandom(300_000 - 4096))
    with running(*record(server, out, "--backlog", "100KB")) as proxy:
        send(proxy, range(200), size=1000)
        (disk / "filler").unlink()
        recovered = proxy.wait_for(lambda line: "can be written again, and" in line)
        send(proxy, range(200, 205))
        assert proxy.stop() == 1

    kept = numbers_in(out)
    assert 205 - len(kept) == lost_by(proxy) > 0
    assert f"; {lost_by(proxy)} exchanges did not fit and LOST" in recovered
    assert set(range(200, 205)) <= set(kept)


def test_a_read_only_disk_is_waited_for(server: Command, disk: Path) -> None:
    """The file is moved away, and no new one can be made, until the disk is writable again."""
    out = disk / "a.jsonl"
    with running(*record(server, out)) as proxy:
        send(proxy, range(10))
        out.rename(disk / "moved.jsonl")
        with read_only(disk):
            send(proxy, range(10, 20))
            wait_until_told(proxy, "Read-only file system; traffic continues, but is not being recorded")
            subprocess.run(["mount", "-o", "remount,rw,bind", disk], check=True)
            proxy.wait_for(lambda line: "can be written again, and" in line)
            assert proxy.stop() == 0
            assert sorted(numbers_in(disk / "moved.jsonl")) == list(range(10))
            assert sorted(numbers_in(out)) == list(range(10, 20))


@FORMS
def test_a_file_that_was_rotated_away_is_followed_by_a_new_one(name: str, server: Command, tmp_path: Path) -> None:
    out, moved = tmp_path / name, tmp_path / f"moved-{name}"
    with running(*record(server, out)) as proxy:
        send(proxy, range(10))
        out.rename(moved)
        send(proxy, range(10, 20))
        assert proxy.stop() == 0

    assert sorted(numbers_in(moved)) == list(range(10))
    assert sorted(numbers_in(out)) == list(range(10, 20))
    assert len(told(proxy, "was moved away; the recording continues in a new file of that name")) == 1


@FORMS
def test_a_directory_that_was_removed_is_made_anew_and_what_was_in_it_counted(
    name: str, server: Command, tmp_path: Path
) -> None:
    out = tmp_path / "folder" / name
    with running(*record(server, out)) as proxy:
        send(proxy, range(10))
        shutil.rmtree(out.parent)
        send(proxy, range(10, 30))
        assert proxy.stop() == 1

    assert sorted(numbers_in(out)) == list(range(10, 30))
    assert len(told(proxy, "was removed, and with it 10 exchanges of this run")) == 1
    assert lost_by(proxy) == 10


def test_a_file_removed_at_the_very_end_is_counted(server: Command, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with running(*record(server, out)) as proxy:
        send(proxy, range(7))
        out.unlink()
        assert proxy.stop() == 1
    assert lost_by(proxy) == 7


@FORMS
def test_a_quota_is_waited_for(name: str, server: Command, tmp_path: Path) -> None:
    """A limit on the file's size stands for the quota that cannot be set here."""
    out = tmp_path / name
    with running(*record(server, out)) as proxy:
        send(proxy, range(10))
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (out.stat().st_size + 50, resource.RLIM_INFINITY))
        send(proxy, range(10, 40))
        wait_until_told(proxy, "File too large; traffic continues, but is not being recorded")
        infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, infinite)
        proxy.wait_for(lambda line: "can be written again, and" in line)
        assert proxy.stop() == 0

    assert sorted(numbers_in(out)) == list(range(40))


# A disk that can be broken from outside: while the file named by BROKEN is there.
BREAK = """
import errno, os, time
from pathlib import Path
from tapehead.recording import recording_file as module
flag, whole = Path({flag!r}), module.os.{action}
def broken(*arguments):
    if flag.exists():
        {what}
    return whole(*arguments)
module.os.{action} = broken
"""
FAIL = "raise OSError(errno.EIO, 'Input/output error')"
HANG = "[time.sleep(0.02) for _ in iter(flag.exists, False)]"


def breakable(flag: Path, action: str, what: str) -> str:
    return BREAK.format(flag=str(flag), action=action, what=what)


@FORMS
def test_a_disk_with_errors_is_waited_for(name: str, server: Command, tmp_path: Path) -> None:
    out, flag = tmp_path / name, tmp_path / "flag"
    with running(*record(server, out), broken=breakable(flag, "write", FAIL)) as proxy:
        send(proxy, range(10))
        flag.touch()
        send(proxy, range(10, 40))
        wait_until_told(proxy, f"{os.strerror(errno.EIO)}; traffic continues, but is not being recorded")
        flag.unlink()
        proxy.wait_for(lambda line: "can be written again, and" in line)
        assert proxy.stop() == 0

    assert sorted(numbers_in(out)) == list(range(40))


@pytest.mark.parametrize("sync", ["each", "second"])
def test_a_disk_that_does_not_confirm_is_told_and_counted(sync: str, server: Command, tmp_path: Path) -> None:
    out, flag = tmp_path / "a.jsonl", tmp_path / "flag"
    flag.touch()
    with running(*record(server, out, "--sync", sync), broken=breakable(flag, "fdatasync", FAIL)) as proxy:
        send(proxy, range(10))
        proxy.wait_for(lambda line: "the disk did not confirm what was written" in line)
        flag.unlink()
        assert proxy.stop() == 1

    assert sorted(numbers_in(out)) == list(range(10))
    assert re.search(r"\d+ exchanges? not confirmed by the disk", "\n".join(proxy.lines))


@pytest.mark.parametrize(("action", "sync"), [("write", "second"), ("fdatasync", "each")])
def test_a_disk_that_hangs_stalls_no_player(action: str, sync: str, server: Command, tmp_path: Path) -> None:
    out, flag = tmp_path / "a.jsonl", tmp_path / "flag"
    with running(*record(server, out, "--sync", sync), broken=breakable(flag, action, HANG)) as proxy:
        send(proxy, range(10))
        flag.touch()
        send(proxy, range(10, 200))
        wait_until_told(proxy, "the disk is slow; responses no longer wait for it")
        assert len(numbers_in(out)) < 200
        flag.unlink()
        assert proxy.stop() == 0

    assert sorted(numbers_in(out)) == list(range(200))


def test_a_disk_that_hangs_to_the_end_holds_up_the_end_no_more_than_a_while(server: Command, tmp_path: Path) -> None:
    out, flag = tmp_path / "a.jsonl", tmp_path / "flag"
    with running(*record(server, out), broken=breakable(flag, "write", HANG)) as proxy:
        send(proxy, range(5))
        flag.touch()
        send(proxy, range(5, 12))
        assert proxy.stop() == 1
    assert lost_by(proxy) == 7


class Upstream:
    """An endpoint whose answer to event 0 takes as long as it is told to."""

    def __init__(self) -> None:
        self.asked, self.released = threading.Event(), threading.Event()
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                if b'"number":"0"' in self.rfile.read(int(self.headers["Content-Length"])):
                    upstream.asked.set()
                    upstream.released.wait(TIMEOUT_SECONDS)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.handler = Handler


def test_an_upstream_that_is_slow_with_one_player_stalls_no_other(tmp_path: Path) -> None:
    upstream, out = Upstream(), tmp_path / "a.jsonl"
    with (
        web_server(upstream.handler) as url,
        running("record", "-q", "--to", url, "--out", out) as proxy,
        ThreadPoolExecutor() as pool,
    ):
        slow = pool.submit(send, proxy, range(1))
        assert upstream.asked.wait(TIMEOUT_SECONDS)
        send(proxy, range(1, 100))
        assert sorted(numbers_in(out)) == list(range(1, 100))
        assert not slow.done()
        upstream.released.set()
        slow.result(TIMEOUT_SECONDS)
        assert proxy.stop() == 0
    assert sorted(numbers_in(out)) == list(range(100))


@FORMS
def test_a_full_recording_is_followed_by_a_new_one(name: str, server: Command, tmp_path: Path) -> None:
    with running(*record(server, tmp_path / name, "--rotate", "600", "--rotate", "1h")) as proxy:
        send(proxy, range(60))
        assert proxy.stop() == 0

    files = sorted(tmp_path.iterdir())
    assert len(files) > 2
    assert files[-1].name == name
    in_order = [number for path in files for number in numbers_in(path)]
    assert sorted(in_order) == list(range(60))
    assert all(re.fullmatch(r"a-\d{8}T\d{6}\.\d{6}Z\.jsonl(\.zst)?", path.name) for path in files[:-1])


def test_a_recording_is_full_by_its_age(server: Command, tmp_path: Path) -> None:
    with running(*record(server, tmp_path / "a.jsonl", "--rotate", "0.1s")) as proxy:
        for nth in range(3):
            send(proxy, range(nth, nth + 1))
            wait_for_a_moment()
        assert proxy.stop() == 0
    assert len(list(tmp_path.iterdir())) == 3


def wait_for_a_moment() -> None:
    threading.Event().wait(0.15)


def test_two_recorders_never_write_into_one_recording(server: Command, tmp_path: Path) -> None:

    out = tmp_path / "a.jsonl"
    with running(*record(server, out)) as proxy:
        send(proxy, range(3))
        second = run_tapehead(*record(server, out, "--append"), "--listen", "127.0.0.1:0")
        send(proxy, range(3, 6))
        assert proxy.stop() == 0

    assert second.returncode == 2
    assert second.stderr == f"tapehead: another process records into '{out}'; name another file\n"
    assert sorted(numbers_in(out)) == list(range(6))
