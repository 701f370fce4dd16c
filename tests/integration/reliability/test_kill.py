"""kill -9 at random moments under load: every answered call is in the recording."""

import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import bare
from support.load import LoadGenerator, numbers_in
from support.processes import TIMEOUT_SECONDS, Command, running
from tapehead.interop.reader import read_recordings

pytestmark = pytest.mark.slow

KILLS = 50
FORMS = (["--out", "a.jsonl"], ["--out", "a.jsonl.zst"], ["--out", "a.jsonl", "--sync", "each", "--rotate", "20KB"])


@pytest.fixture(scope="module")
def server() -> Iterator[Command]:
    with bare() as opened:
        yield opened


def kill_in_the_middle(proxy: Command, load: LoadGenerator, seconds: float) -> None:
    """Kill a recorder some seconds after the first answer that its players got."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not load.answered and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(seconds)
    proxy.process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("number", range(KILLS))
def test_what_was_answered_is_recorded_whenever_it_is_killed(number: int, tmp_path: Path, server: Command) -> None:
    chance = random.Random(number)
    form = FORMS[number % len(FORMS)]
    with running("record", "-q", "--to", server.url, *form, cwd=tmp_path) as proxy:
        load = LoadGenerator(proxy.port)
        threading.Thread(target=kill_in_the_middle, args=(proxy, load, chance.uniform(0, 0.6))).start()
        load.play()
        assert proxy.process.wait(10) == -signal.SIGKILL

    recorded = [number for path in sorted(tmp_path.glob("a*")) if path.stat().st_size for number in numbers_in(path)]
    assert load.answered
    # On a machine that has no time for the writer, answers stop to wait for it.
    assert set(load.answered) - set(recorded) <= load.late
    assert len(recorded) == len(set(recorded))


def test_a_recording_that_was_cut_short_by_a_kill_goes_on(tmp_path: Path, server: Command) -> None:
    told: list[str] = []
    for name in ("a.jsonl", "a.jsonl.zst"):
        answered = 0
        for _ in range(3):
            with running("record", "-q", "--to", server.url, "--out", name, "--append", cwd=tmp_path) as proxy:
                load = LoadGenerator(proxy.port)
                threading.Thread(target=kill_in_the_middle, args=(proxy, load, 0.3)).start()
                load.play()
            answered += len(load.answered) - len(load.late)
        assert len(list(read_recordings([tmp_path / name], warn=told.append))) >= answered > 0
    assert [line for line in told if "a write cut short" not in line] == []
