"""Garbage collection: none while a command starts, and as usual from then on."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import RECORDINGS_FOLDER
from support.processes import run_program, running

RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"
# Shows the collections until the command listens, and what is so at its end.
SHOW = """
import atexit, gc
from tapehead.cli import terminal
usual = gc.get_threshold()
gc.collect(0)  # else one may be due before the command delays it
before = sum(each["collections"] for each in gc.get_stats())
def show(when):
    collections = sum(each["collections"] for each in gc.get_stats()) - before
    print(f"{when}: {collections} collections, {gc.get_threshold() == usual}, {gc.get_freeze_count() > 10_000}")
announce = terminal.announce
def announce_and_show(*arguments):
    show("at first")
    announce(*arguments)
terminal.announce = announce_and_show
atexit.register(show, "at the end")
"""


def run(code: str) -> None:
    started = "import gc\nfrom tapehead.cli.collection import MOST_OBJECTS, begin_collection, delay_collection\n"
    done = subprocess.run([sys.executable, "-c", started + code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_the_first_collection_comes_late_and_the_next_ones_as_usual() -> None:
    run("""
usual, callbacks = gc.get_threshold(), list(gc.callbacks)
delay_collection()
count = lambda: sum(each["collections"] for each in gc.get_stats())
before = count()
kept = [[] for _ in range(MOST_OBJECTS // 2)]
assert count() == before
kept += [[] for _ in range(MOST_OBJECTS)]
assert count() > before
assert (gc.get_threshold(), gc.callbacks) == (usual, callbacks)
""")


def test_the_beginning_ends_the_delay_and_leaves_what_is_there_alone() -> None:
    run("""
usual, callbacks = gc.get_threshold(), list(gc.callbacks)
delay_collection()
kept = [[] for _ in range(1_000)]
begin_collection()
assert gc.get_freeze_count() > 1_000
assert (gc.get_threshold(), gc.callbacks) == (usual, callbacks)
""")


@pytest.mark.parametrize(
    "arguments",
    [("serve",), ("record", "--to", "http://127.0.0.1:9"), ("replay", RECORDING)],
    ids=lambda arguments: str(arguments[0]),
)
def test_a_server_collects_nothing_before_it_listens(arguments: tuple[object, ...], tmp_path: Path) -> None:
    with running(*arguments, cwd=tmp_path, broken=SHOW, cold=True) as server:
        assert server.stop() == 0

    # The one in which nothing is to be looked at ends the delay.
    assert {"at first: 0 collections, False, False", "at first: 1 collections, True, True"} & set(server.lines)
    assert any(line.startswith("at the end: ") and line.endswith(" True, True") for line in server.lines)


def test_a_command_that_ends_soon_collects_nothing() -> None:
    code = f"{SHOW}\nfrom tapehead.__main__ import main\nmain()"
    done = run_program(sys.executable, "-c", code, "audit", RECORDING, "--fail-on", "never", cold=True)

    assert "at the end: 0 collections, False, False" in done.stdout.splitlines()
