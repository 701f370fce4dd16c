"""Control characters in live calls, answers and file names never reach the terminal on which tapehead runs."""

import contextlib
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.exchanges import event, opened, sent, start_with
from support.terminals import Terminal
from tapehead.protocol.exchange import encode
from tapehead.text import escape_controls

PLANTED = "\x1b]0;t\x07\x1b[2J\x1b[8m\x1b[31m\x9b31m\u202e\u2066\x85\x08z"
WIRE = PLANTED.encode()
# What tapehead itself sets: colours, and their end.
STYLES = re.compile("\x1b\\[(?:[012]|3[0-7])(?:;[0-9]+)*m")
START = b'{"eventType":"%s","playerTime":{"playhead":0,"ts":1},"params":{"media.id":"%s","media.name":"%s"}}'


def post(path: bytes, body: bytes, method: bytes = b"POST", more: bytes = b"") -> bytes:
    """A request whose bytes nobody checks."""
    head = b"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n"
    return head % (method, path, more, len(body)) + body


REQUESTS = [
    post(b"/api/v1/sessions", START % (b"sessionStart", b"x", b"y")),
    post(b"/api/v1/sessions", START % (b"sessionStart", WIRE, WIRE), more=b"X-A: %s\r\nReferer: %s\r\n" % (WIRE, WIRE)),
    post(b"/api/v1/sessions/abc/events", START % (WIRE, b"x", b"y")),
    post(b"/api/v1/sessions/a%s/events" % WIRE, START % (b"ping", b"x", b"y")),
    post(b"/api/v1/sessions/abc/events", b'{"%s":"%s",' % (WIRE, WIRE)),
    post(b"/api/v1/sessions", START % (b"sessionStart", b"x", b"y"), method=b"PO%sST" % WIRE),
    post(b"/api/v1/sessions", b"", method=b"GE\x9bT"),
    post(b"/api/v1/session%s" % WIRE, b"x"),
    post(b"/%s?%s" % (WIRE, WIRE), b"x", method=b"GET"),
    post(b"http://h%s/api/v1/sessions" % WIRE, START % (b"sessionStart", b"x", b"y")),
    b"CONNECT h%s:443 HTTP/1.1\r\nHost: h%s:443\r\n\r\n" % (WIRE, WIRE),
    b"%s\r\n\r\n" % WIRE,
]


@contextlib.contextmanager
def hostile_endpoint() -> Iterator[str]:
    """An endpoint in whose answers every part has control characters."""
    body = b'{"message":"no %s"}' % WIRE
    head = b"HTTP/1.1 %d No %s\r\nLocation: /api/v1/sessions/abc%s\r\nX-E: %s\r\nContent-Length: %d\r\n\r\n"
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        for number in range(1_000):
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.recv(100_000)
                status = (201, 400, 204, 302)[number % 4]
                client.sendall(head % (status, WIRE, WIRE, WIRE, len(body)) + body)

    threading.Thread(target=answer, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


def assert_clean(output: str) -> None:
    """Assert that the only controls are line breaks and colours."""
    lines = STYLES.sub("", output.replace("\r\r\n", "\n").replace("\r\n", "\n")).split("\n")
    assert [line for line in lines if escape_controls(line) != line] == []
    assert "\x1b[31mz" not in output


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording with a hostile name, content and answer."""
    folder = tmp_path / f"f{PLANTED}"
    folder.mkdir()
    path = folder / f"a{PLANTED}.jsonl"
    whole = [opened("abc", start_with({"media.id": PLANTED, "media.name": PLANTED})), sent("abc", event("ping", 5, 5))]
    path.write_bytes(b"".join(map(encode, whole)))
    return path


COMMANDS = {
    "record": ["record", "--to", "ENDPOINT", "--out", "NEW"],
    "record as a proxy": ["record", "--mode", "regular", "--endpoint", "127.0.0.1", "--out", "NEW"],
    "serve": ["serve", "--explain"],
    "serve a recording": ["serve", "FILE", "--explain", "--strict"],
    "replay": ["replay", "FILE", "--explain", "--on-miss", "error", "--strict"],
    "replay and forward": ["replay", "FILE", "--explain", "--on-miss", "forward", "--to", "ENDPOINT", "--out", "NEW"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_live_call_never_steers_the_terminal(name: str, recording: Path, tmp_path: Path) -> None:
    with hostile_endpoint() as endpoint:
        names = {"ENDPOINT": endpoint, "FILE": str(recording), "NEW": str(recording.with_name(f"new{PLANTED}.jsonl"))}
        words = [names.get(word, word) for word in COMMANDS[name]]
        terminal = Terminal(*words, "--listen", "127.0.0.1:0", cwd=tmp_path)
        port = terminal.port
        for request in REQUESTS:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as player:
                player.sendall(request)
                while player.recv(65_536):
                    pass
        output = terminal.stop()

    assert len(output.splitlines()) > 5
    assert_clean(output)


BUG = """
import tapehead.cli.app as module
def broken(*_):
    raise RuntimeError("cannot \\x1b[2J\\x9b31m\\u202ework")
module.load_command = broken
from tapehead.__main__ import main
main()
"""


def test_an_exception_that_nobody_caught_never_steers_the_terminal(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", BUG], capture_output=True, check=False, cwd=tmp_path)
    printed = done.stderr.decode()

    assert done.returncode == 1
    assert "Traceback" in printed
    assert "RuntimeError: cannot" in printed
    assert_clean(printed)


@pytest.mark.parametrize(
    "words",
    [
        ["show", "FILE"],
        ["show", "FILE", "abc", "--bodies"],
        ["audit", "FILE", "-v", "--coverage"],
        ["audit", "FILE", "--format", "html"],
        ["audit", "FILE", "--format", "json"],
        ["audit", "FILE", "--format", "csv"],
        ["diff", "FILE", "FILE"],
    ],
    ids=" ".join,
)
def test_a_report_on_a_terminal_has_only_its_own_colours(words: list[str], recording: Path, tmp_path: Path) -> None:
    # The bar that shows progress on a terminal moves the cursor.
    warnings = tmp_path / "warnings"
    command = (str(recording) if word == "FILE" else word for word in words)
    terminal = Terminal(*command, cwd=tmp_path, warnings=warnings)
    output = terminal.close()

    assert output
    assert_clean(output)
    assert_clean(warnings.read_text())
