"""NO_COLOR and FORCE_COLOR, in every command that prints: on a terminal and in a pipe."""

import io
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from support.exchanges import session
from support.resend import write
from support.terminals import READY, Terminal, plain_variables
from tapehead.cli.app import COMMANDS
from tapehead.colour import in_colour

# Colours and weights; that which moves the cursor, as a bar does, is none.
STYLE = re.compile("\x1b\\[[0-9;]*m")
# With findings of several kinds.
CALLS = session("s1", [(0, 0, "play", {}), (5, 5, "adStart", {}), (9, 9, "bitrateChnge", {})])
ENDED = {
    "audit": ["audit", "FILE", "--fail-on", "never"],
    "show": ["show", "FILE"],
    "show a session": ["show", "FILE", "s1"],
    "diff": ["diff", "FILE", "OTHER"],
    "rules": ["rules"],
    "a rule": ["rules", "ad-outside-break"],
    "demo": ["demo"],
}
PLAYED = {
    "record": ["record", "--to", "http://127.0.0.1:9", "--out", "NEW"],
    "replay": ["replay", "FILE"],
    "serve": ["serve"],
    "serve in workers": ["serve", "--workers", "2"],
    "record in workers": ["record", "--to", "http://127.0.0.1:9", "--out", "NEW", "--workers", "2"],
}
# They print words, paths, JSON, and what another program prints.
WITHOUT = {"import", "export", "schema", "summary", "addon-path", "test", "view"}


def words_of(name: str, folder: Path) -> list[str]:
    """The command, with files of its own."""
    folder.mkdir(exist_ok=True)
    names = {"FILE": str(write(folder / "a.jsonl", CALLS)), "OTHER": str(write(folder / "b.jsonl", CALLS[:-1]))}
    names["NEW"] = str(folder / "new.jsonl")
    return [names.get(word, word) for word in (ENDED | PLAYED)[name]]


def play(port: int) -> None:
    httpx.post(f"http://127.0.0.1:{port}/api/v1/sessions", json={"eventType": "sessionStart"}, timeout=30)


def on_a_terminal(name: str, folder: Path, **variables: str) -> str:
    """Return what a command prints on a terminal, stdout and stderr together."""
    words = words_of(name, folder)
    if name in ENDED:
        return Terminal(*words, cwd=folder, variables=variables).close()
    terminal = Terminal(*words, "--listen", "127.0.0.1:0", cwd=folder, variables=variables)
    play(terminal.port)
    terminal.read(until=b"sessionStart")
    return terminal.stop(signal.SIGINT)


def in_a_pipe(name: str, folder: Path, **variables: str) -> str:
    """Return what a command prints into a pipe, stdout and stderr together."""
    words = words_of(name, folder)
    listen = [] if name in ENDED else ["--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tapehead", *words, *listen],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=plain_variables(PYTHONUNBUFFERED="1", **variables),
    )
    before = b""
    with process:
        assert process.stdout
        if listen:
            while READY not in before:
                before += process.stdout.readline()
            play(int(before.rpartition(b":")[2]))
            process.send_signal(signal.SIGINT)
        return (before + process.stdout.read()).decode()


def test_every_command_is_known_here() -> None:
    assert set(COMMANDS) == {words[0] for words in (ENDED | PLAYED).values()} | WITHOUT


@pytest.mark.parametrize("name", ENDED | PLAYED)
def test_no_color_leaves_out_colours_on_a_terminal(name: str, tmp_path: Path) -> None:
    assert STYLE.search(on_a_terminal(name, tmp_path))
    shown = on_a_terminal(name, tmp_path / "plain", NO_COLOR="1", FORCE_COLOR="1")
    assert len(shown) > 20
    assert STYLE.findall(shown) == []


@pytest.mark.parametrize("name", ENDED | PLAYED)
def test_force_color_sets_colours_in_a_pipe(name: str, tmp_path: Path) -> None:
    shown = in_a_pipe(name, tmp_path, FORCE_COLOR="1")
    assert STYLE.search(shown)
    # No bar in a pipe, and nothing that moves a cursor.
    assert STYLE.sub("", shown).count("\x1b") == 0

    plain = in_a_pipe(name, tmp_path / "plain")
    assert len(plain) > 20
    assert "\x1b" not in plain


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "terminal", "pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "false", "CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR": "0"}, False, False),
        ({"CLICOLOR": "1"}, True, False),
        ({"CLICOLOR": ""}, True, False),
        ({"CLICOLOR": "0", "FORCE_COLOR": "1"}, True, True),
        ({"CLICOLOR_FORCE": "0"}, True, False),
        ({"FORCE_COLOR": ""}, True, False),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"NO_COLOR": "0", "FORCE_COLOR": "3"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_variables_choose_colours(variables: dict[str, str], terminal: bool, pipe: bool) -> None:
    assert in_colour(Tty(), variables) is terminal
    assert in_colour(io.StringIO(), variables) is pipe
