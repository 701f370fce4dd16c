"""`--table`, `--verbose` and `--quiet`, on terminals that are large, narrow, resized and stopped, and in pipes."""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.exchanges import session, start_with
from support.processes import run_tapehead, running
from support.resend import write
from support.terminals import Terminal

OTHER_SCREEN, BACK = b"\x1b[?1049h", b"\x1b[?1049l"
CODES = re.compile("\x1b\\[[0-9;?]*[a-zA-Z]")
LISTEN = ("--listen", "127.0.0.1:0")
START = start_with({"media.name": "A \x1b[31mfilm", "media.playerName": "player-x"})


def play(port: int, *types: str, key: str = "") -> str:
    """Play a session, and return its id."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}{key}", timeout=30) as client:
        started = client.post("/api/v1/sessions", json=START)
        sid = started.headers["location"].rpartition("/")[2]
        for event_type in types:
            body = {"eventType": event_type, "playerTime": {"playhead": 61, "ts": 2}}
            client.post(f"/api/v1/sessions/{sid}/events", json=body)
    return str(sid)


@contextmanager
def table(folder: Path, *words: object, columns: int = 120, rows: int = 24) -> Iterator[Terminal]:
    """A command with a table on a terminal."""
    terminal = Terminal(*words, "--table", *LISTEN, cwd=folder, columns=columns, rows=rows)
    try:
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()


def last_frame(output: str) -> list[str]:
    """The lines that the other screen had at last."""
    frame = output.rpartition("\x1b[?1049l")[0].rpartition("\x1b[H")[2]
    return [CODES.sub("", line).rstrip() for line in frame.replace("\r", "").split("\n")]


@pytest.mark.parametrize("name", ["serve", "replay", "record"])
def test_the_table_has_the_sessions_and_stays_at_the_end(name: str, tmp_path: Path) -> None:
    commands: dict[str, list[object]] = {
        "serve": ["serve"],
        "replay": ["replay", write(tmp_path / "a.jsonl", session("s1", [(0, 0, "play", {})])), "--on-miss", "simulate"],
        "record": ["record", "--out", "new.jsonl", "--to"],
    }
    words = commands[name]
    with running("serve") as endpoint, table(tmp_path, *words, *([endpoint.url] if name == "record" else [])) as shown:
        play(shown.port, "play", "pauseStart")
        shown.read(until=b"paused")
        assert OTHER_SCREEN in shown.output
        output = shown.stop(signal.SIGINT)

    assert shown.process.returncode == 0
    before, _, after = output.partition(OTHER_SCREEN.decode())
    after = after.rpartition(BACK.decode())[2]
    assert "listening on" in before
    plain = CODES.sub("", after)
    assert re.search(r"A .*film +player-x +paused +1:01 +3 .*W.* pauseStart", plain), plain
    assert "3 calls in 1 session" in plain
    assert re.search("audit of 1 session|recorded 3 exchanges", plain), plain
    # What a stranger sent has no colours, and the cursor is shown again.
    assert "\x1b[31mfilm" not in output
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 10), (30, 8), (200, 50)])
def test_the_table_fits_the_terminal(columns: int, rows: int, tmp_path: Path) -> None:
    with table(tmp_path, "serve", columns=columns, rows=rows) as shown:
        for _ in range(rows + 3):
            play(shown.port, "play", "pauseStart")
        shown.read(until=b"more sessions")
        output = shown.stop()

    lines = last_frame(output)
    assert len(lines) <= rows
    assert max(map(len, lines)) <= columns
    assert any("more session" in line for line in lines)
    assert sum("paused" in line for line in lines) >= 1


def test_findings_are_readable_on_a_narrow_terminal_and_stay_at_the_end(tmp_path: Path) -> None:
    with table(tmp_path, "serve", "--out", "new.jsonl", columns=60) as shown:
        sids = [play(shown.port, "play", "adStart"), play(shown.port, "adStart")]
        shown.read(until=f"  {sids[1][:8]}  adStart".encode())
        output = shown.stop()

    frame = "\n".join(last_frame(output))
    assert f"http://127.0.0.1:{shown.port}" in frame
    assert "recording into new.jsonl" in frame
    assert re.search(r"the latest \d of \d+ findings; \? is not confirmed yet", frame)
    assert "provisional" not in frame
    assert re.search(r"^E\? ad-outside-break  [0-9a-f]{8}", frame, re.MULTILINE)
    assert {sid[:8] for sid in sids} <= set(re.findall(r"^\w{8}", frame, re.MULTILINE))

    after = CODES.sub("", output.rpartition(BACK.decode())[2]).replace("\r", "")
    found = re.findall(rf"^E  ad-outside-break  ({sids[0][:8]}|{sids[1][:8]})  ", after, re.MULTILINE)
    assert found == [sid[:8] for sid in sids]
    assert "expected adBreakStart before it" in re.sub(r"\n +", " ", after)
    assert after.index(sids[0][:8]) < after.index("ad-outside-break") < after.index("recorded 5 exchanges")
    assert max(map(len, after.partition("recorded 5")[0].split("\n"))) <= 60


def test_the_table_follows_the_size_of_the_window(tmp_path: Path) -> None:
    with table(tmp_path, "serve", columns=120, rows=20) as shown:
        play(shown.port, "play")
        shown.read(until=b"player-x")
        shown.resize(40, 8)
        start = len(shown.output)
        shown.read(until=b"\x1b[H", start=start)
        shown.read(until=b"playing", start=start + shown.output[start:].index(b"\x1b[H"))
        lines = last_frame(shown.stop())

    assert max(map(len, lines)) <= 40
    assert len(lines) <= 8


def test_a_stopped_terminal_stops_no_call(tmp_path: Path) -> None:
    with table(tmp_path, "serve", columns=200, rows=100) as shown:
        port = shown.port
        shown.read(until=OTHER_SCREEN)
        for _ in range(100):  # nobody reads the terminal: its buffer is full soon
            play(port, "play")
        began = time.monotonic()
        shown.process.send_signal(signal.SIGINT)
        shown.process.wait(30)
        assert time.monotonic() - began < 15
        assert shown.process.returncode == 0


def test_warnings_leave_the_table_whole(tmp_path: Path) -> None:
    with table(tmp_path, "serve", "--allow-client", "10.0.0.0/8") as shown:
        with pytest.raises(httpx.HTTPError):
            play(shown.port)
        shown.read(until=b"refused")
        output = shown.stop()

    assert "refused" in "\n".join(last_frame(output))
    assert "tapehead: " in output.rpartition(BACK.decode())[2]


def test_without_a_terminal_there_are_lines(tmp_path: Path) -> None:
    with running("serve", "--table", cwd=tmp_path) as server:
        play(server.port, "play")
        server.wait_for(lambda line: "play" in line)
        server.stop()

    assert server.lines.count("tapehead: --table needs a terminal with a cursor on stdout; printing lines instead") == 1
    assert not any("\x1b" in line for line in server.lines)


def test_a_terminal_without_a_cursor_has_lines(tmp_path: Path) -> None:
    shown = Terminal("serve", "--table", *LISTEN, cwd=tmp_path, variables={"TERM": "dumb"})
    play(shown.port, "play")
    shown.read(until=b"  play ")
    output = shown.stop()

    assert "tapehead: --table needs a terminal with a cursor on stdout; printing lines instead" in output
    assert "\x1b" not in output


@pytest.mark.parametrize("pair", [("quiet", "verbose"), ("quiet", "table"), ("verbose", "table")])
@pytest.mark.parametrize("words", [["serve"], ["replay", "a.jsonl"], ["record", "--to", "http://127.0.0.1:9"]])
def test_ways_of_printing_exclude_each_other(pair: tuple[str, str], words: list[str], tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", session("s1", [(0, 0, "play", {})]))
    done = run_tapehead(*words, *(f"--{name}" for name in pair), cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr == f"tapehead: --{pair[0]} and --{pair[1]} exclude each other; pass one of them\n"


def test_the_command_line_comes_before_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "tapehead.toml").write_text("[serve]\nquiet = true\n")
    with running("serve", "--verbose", cwd=tmp_path) as server:
        play(server.port, "play")
        server.wait_for(lambda line: "play" in line)


def test_verbose_prints_reasons_keys_and_provisional_findings(tmp_path: Path) -> None:
    for option, is_verbose in (("--verbose", True), ("--explain", False)):
        with running("serve", option, cwd=tmp_path) as server:
            play(server.port, "play", "adStart", key="/k/test-7")
            if is_verbose:
                server.wait_for(lambda line: "provisional: " in line)
            server.stop()
        output = "\n".join(server.lines)
        assert ("  key test-7" in output) is is_verbose
        assert ("provisional: " in output) is is_verbose
        assert "ad-outside-break" in output


def test_verbose_prints_the_keys_of_recorded_calls(tmp_path: Path) -> None:
    with running("serve") as endpoint, running("record", "--to", endpoint.url, "--verbose", cwd=tmp_path) as recorder:
        play(recorder.port, "play", key="/k/test-7")
        recorder.wait_for(lambda line: line.endswith("  key test-7"))
