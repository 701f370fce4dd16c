"""Options that change while stock mitmdump runs: traffic goes on and no call is lost while a recording is held."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest
import trustme

from support.captured_traffic import read
from support.certificates import mitmdump
from support.exchanges import event, start
from support.processes import TIMEOUT_SECONDS, Command
from support.upstream_server import SID, Upstream, upstream
from tapehead.protocol.routes import SESSIONS_PATH, location_of

# Options come through one pipe; the other end of the other one is opened to go on with what is held.
CHANGEABLE = """
import threading
from pathlib import Path
from mitmproxy import ctx
from tapehead.mitmproxy_script import addon
running = addon.OptionsAddon.running

def run(self):
    running(self)
    threading.Thread(target=change, args=(ctx.master.event_loop, ctx.options), daemon=True).start()

def change(loop, options):
    while True:
        loop.call_soon_threadsafe(options.set, Path("FOLDER/options").read_text())

addon.OptionsAddon.running = run
held = threading.Event()
threading.Thread(target=lambda: (Path("FOLDER/held").read_bytes(), held.set()), daemon=True).start()
"""
HELD_WRITER = """
from tapehead.recording.recording_file import RecordingFile
append = RecordingFile.append
def append_later(self, lines):
    if self.path.name == "a.jsonl":
        held.wait()
    return append(self, lines)
RecordingFile.append = append_later
"""
HELD_AUDIT = """
from tapehead.journal.audit_thread import AuditThread
run_audit = AuditThread._run
def run_later(self):
    if "a.jsonl" in self._recording:
        held.wait()
    run_audit(self)
AuditThread._run = run_later
"""
HELD = {"writer": HELD_WRITER, "audit": HELD_AUDIT}


class Tool:
    """A mitmdump that records into a.jsonl, its endpoint, and a player."""

    def __init__(self, opened: Command, server: Upstream, folder: Path) -> None:
        self.opened, self.server, self.folder = opened, server, folder
        self.player = httpx.Client(proxy=opened.url, timeout=TIMEOUT_SECONDS)

    def send(self, *numbers: int, size: int = 0) -> None:
        """Send events with these playheads, and so much text each; each is answered."""
        for number in numbers:
            body = {**event("ping", number, number), "customMetadata": {"text": "x" * size}}
            answer = self.player.post(f"{self.server.url}{location_of(SID)}/events", json=body)
            assert answer.status_code == 204

    def set(self, option: str) -> None:
        """Change an option."""
        (self.folder / "options").write_text(option)

    def release(self) -> None:
        """Go on with what is held."""
        (self.folder / "held").write_bytes(b"")

    def wait_for(self, words: str) -> str:
        """Return the next line with these words."""
        return self.opened.wait_for(lambda line: words in line)

    def recorded(self, name: str) -> list[float]:
        """Return the playheads of the events in a recording; all of them were answered."""
        calls = [each for each in read(self.folder / name) if each.request.path != SESSIONS_PATH]
        assert all(each.response and each.response.status == 204 for each in calls)
        return [each.request.json()["playerTime"]["playhead"] for each in calls]


@contextmanager
def recording(folder: Path, authority: trustme.CA, broken: str = "", **options: str) -> Iterator[Tool]:
    """A tool, in whose recording a session has begun."""
    for name in ("options", "held"):
        os.mkfifo(folder / name)
    words = [f"{name}={value}" for name, value in options.items()]
    words += [f"tapehead_record={folder}/a.jsonl", "tapehead_endpoint=127.0.0.1"]
    prelude = CHANGEABLE.replace("FOLDER", str(folder)) + broken
    with upstream() as server, mitmdump(folder, authority, *words, broken=prelude) as opened:
        tool = Tool(opened, server, folder)
        with tool.player:
            assert tool.player.post(server.url + SESSIONS_PATH, json=start()).status_code == 201
            yield tool


@pytest.mark.parametrize("held", sorted(HELD))
def test_traffic_goes_on_while_another_recording_is_closed(held: str, tmp_path: Path, authority: trustme.CA) -> None:
    with recording(tmp_path, authority, HELD[held]) as tool:
        tool.send(1, 2)
        tool.set(f"tapehead_record={tmp_path}/b.jsonl")
        tool.wait_for(f"tapehead records into {tmp_path}/b.jsonl")
        tool.send(3, 4)
        assert not any("recorded 3 exchanges" in line for line in tool.opened.lines)
        tool.release()
        assert f"in {tmp_path}/a.jsonl" in tool.wait_for("recorded 3 exchanges")
        assert tool.opened.stop() == 0

    assert tool.recorded("a.jsonl") == [1, 2]
    assert tool.recorded("b.jsonl") == [3, 4]


@pytest.mark.parametrize("held", sorted(HELD))
def test_calls_wait_for_a_recording_that_is_opened_again(held: str, tmp_path: Path, authority: trustme.CA) -> None:
    with recording(tmp_path, authority, HELD[held]) as tool:
        tool.send(1)
        for value, number in (("none", 2), ("each", 3)):
            tool.set(f"tapehead_sync={value}")
            tool.wait_for("tapehead records into")
            tool.send(number)
        tool.release()
        tool.wait_for("recorded 2 exchanges")
        tool.send(4)
        assert tool.opened.stop() == 0

    assert tool.recorded("a.jsonl") == [1, 2, 3, 4]
    assert not any("LOST" in line for line in tool.opened.lines)


def test_calls_that_wait_are_stored_when_the_tool_ends(tmp_path: Path, authority: trustme.CA) -> None:
    with recording(tmp_path, authority, HELD_WRITER) as tool:
        tool.send(1)
        tool.set("tapehead_sync=none")
        tool.wait_for("tapehead records into")
        tool.send(2)
        ending = Thread(target=tool.opened.stop)
        ending.start()
        tool.release()
        ending.join(TIMEOUT_SECONDS)

    assert tool.recorded("a.jsonl") == [1, 2]


def test_calls_that_wait_take_no_more_memory_than_the_backlog(tmp_path: Path, authority: trustme.CA) -> None:
    with recording(tmp_path, authority, HELD_WRITER, tapehead_backlog="200KB") as tool:
        tool.set("tapehead_sync=none")
        tool.wait_for("tapehead records into")
        tool.send(*range(20), size=20_000)
        tool.release()
        tool.wait_for("exchanges LOST: too many came before")
        tool.opened.stop()

    kept = tool.recorded("a.jsonl")
    assert kept == [*range(len(kept))]
    assert 0 < len(kept) < 20


def test_a_call_in_flight_is_recorded_with_its_answer(tmp_path: Path, authority: trustme.CA) -> None:
    with recording(tmp_path, authority) as tool:
        with tool.server.held():
            sending = Thread(target=tool.send, args=(1,))
            sending.start()
            while len(tool.server.received) < 2:
                sending.join(0.01)
            tool.set(f"tapehead_record={tmp_path}/b.jsonl")
            tool.wait_for("recorded 1 exchange")
        sending.join(TIMEOUT_SECONDS)
        assert tool.opened.stop() == 0

    assert tool.recorded("a.jsonl") == []
    assert tool.recorded("b.jsonl") == [1]


def test_the_end_waits_for_a_recording_no_longer_than_a_while(tmp_path: Path, authority: trustme.CA) -> None:
    with recording(tmp_path, authority, HELD_WRITER + "addon.END_SECONDS = 1.0\n") as tool:
        tool.opened.stop()

    wanted = f"'{tmp_path}/a.jsonl' did not end within 1 s; calls may be missing"
    assert any(wanted in line for line in tool.opened.lines)


def test_a_recording_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, authority: trustme.CA) -> None:
    with recording(tmp_path, authority) as tool:
        tool.set(f"tapehead_record={tmp_path}/no-folder/missing/b.jsonl")
        tool.wait_for("recorded 1 exchange")
        tool.send(1)
        assert tool.opened.stop() == 0

    assert tool.recorded("a.jsonl") == [1]
