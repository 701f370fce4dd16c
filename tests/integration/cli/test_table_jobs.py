"""`--table` in a shell's jobs: stopped by Ctrl-Z and continued, in the background, and in a window that is closed."""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.captured_traffic import read
from support.exchanges import start_with
from support.processes import running
from support.terminals import TIMEOUT_SECONDS, Shell

OTHER_SCREEN, BACK, WRAP = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?7h"
START = start_with({"media.name": "A film"})


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    opened = Shell(tmp_path)
    try:
        yield opened
    finally:
        opened.close()


def command(*words: str) -> str:
    return " ".join([sys.executable, "-m", "tapehead", *words, "--listen", "127.0.0.1:0"])


def begin(url: str) -> None:
    assert httpx.post(f"{url}/api/v1/sessions", json=START, timeout=30).status_code == 201


def summary_in(path: Path) -> str:
    """The summary that a command writes last of all."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return path.read_text()


@pytest.mark.parametrize("name", ["serve", "record"])
def test_a_stopped_table_gives_the_terminal_back_and_goes_on_in_the_foreground(name: str, shell: Shell) -> None:
    with running("serve") as endpoint:
        words = ["serve"] if name == "serve" else ["record", "--to", endpoint.url, "--out", "a.jsonl"]
        shell.type(command(*words, "--table") + "\n")
        shell.read(OTHER_SCREEN)
        url = shell.url
        begin(url)
        shell.read(b"A film")
        stopped = shell.type("\x1a")
        after = shell.read(b"Stopped", stopped)
        assert BACK in after
        assert after.index(WRAP) < after.index(BACK) < after.index(b"Stopped")
        assert after.rindex(b"\x1b[?25h") > after.rfind(b"\x1b[?25l")
        shell.type("echo still $((6 * 7))\n")
        quiet = shell.read(b"still 42", stopped)
        assert OTHER_SCREEN not in quiet

        again = shell.type("fg\n")
        shell.read(b"A film", again + shell.read(OTHER_SCREEN, again).index(OTHER_SCREEN))
        begin(url)
        ended = shell.type("\x03")
        shell.read(b"2 calls in 2 sessions", ended + shell.read(BACK, ended).index(BACK))


def test_a_table_in_the_background_leaves_the_terminal_alone(shell: Shell) -> None:
    shell.type(command("serve", "--table") + " &\n")
    url = shell.url
    begin(url)
    shell.type("echo still $((6 * 7))\n")
    shell.read(b"still 42")
    assert OTHER_SCREEN not in shell.output

    shell.type("fg\n")
    shell.read(b"A film")
    shell.type("\x1a")
    shell.read(b"Stopped")
    behind = shell.type("bg\n")
    begin(url)
    shell.type("echo and $((6 * 8))\n")
    assert OTHER_SCREEN not in shell.read(b"and 48", behind)
    ended = shell.type("fg\n")
    shell.read(b"2 calls in 2 sessions", ended)


def test_a_process_that_was_stopped_by_another_draws_its_table_anew(shell: Shell) -> None:
    shell.type(command("serve", "--table") + " & echo pid $! ; fg\n")
    shell.read(OTHER_SCREEN)
    found = re.search(rb"pid (\d+)\r", shell.output)
    assert found
    os.kill(int(found[1]), signal.SIGSTOP)
    shell.read(b"Stopped")
    again = shell.type("fg\n")
    shell.read(OTHER_SCREEN, again)


@pytest.mark.parametrize("words", [["--table"], []])
def test_a_window_that_is_closed_ends_a_recorder_in_order(words: list[str], shell: Shell, tmp_path: Path) -> None:
    with running("serve") as endpoint:
        line = command("record", "--to", endpoint.url, "--out", "a.jsonl", "--summary", "s.json", *words)
        shell.type(line + "\n")
        shell.read(OTHER_SCREEN if words else b"recording into")
        url = shell.url
        begin(url)
        shell.hang_up()
        summary_in(tmp_path / "s.json")

    assert [exchange.call for exchange in read(tmp_path / "a.jsonl")] == ["session"]


def test_a_window_that_is_closed_ends_servers_in_workers(shell: Shell, tmp_path: Path) -> None:
    shell.type(command("serve", "--workers", "2", "--summary", "s.json") + "\n")
    begin(shell.url)
    shell.hang_up()
    summary = summary_in(tmp_path / "s.json")

    assert '"failures": 0' in summary
