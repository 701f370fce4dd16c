"""Recordings that rotate while the clock does as it likes, or that another program changes meanwhile."""

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.load import bare
from support.load import LoadGenerator, number_of, numbers_in
from support.processes import Command, running
from tapehead.interop.reader import read_recordings

FORMS = pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst"])
# A clock that stands still for those who name files, or goes back by a minute with each look at it.
CLOCK = """
from datetime import UTC, datetime, timedelta
from tapehead.recording import rotation
class Clock(datetime):
    shown = datetime(2026, 11, 29, 12, tzinfo=UTC)
    @classmethod
    def now(cls, tz=None):
        cls.shown -= timedelta(minutes={minutes})
        return cls.shown
rotation.datetime = Clock
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Command]:
    with bare() as opened:
        yield opened


def record(server: Command, out: Path, *options: str) -> tuple[str, ...]:
    return ("record", "-q", "--to", server.url, "--out", str(out), *options)


def send(proxy: Command, numbers: range, players: int = 1) -> None:
    """Send numbered events, all of which have to be answered."""
    load = LoadGenerator(proxy.port, numbers)
    load.play(players)
    assert sorted(load.answered) == list(numbers)


def lost_by(proxy: Command) -> int:
    """Return the number of lost exchanges in the summary."""
    found = filter(None, (re.search(r"^recorded .* (\d+) exchanges? LOST$", line) for line in proxy.lines))
    return sum(int(match[1]) for match in found)


@FORMS
@pytest.mark.parametrize("minutes", [0, 1])
def test_a_clock_that_stands_still_or_goes_back_loses_nothing(
    minutes: int, name: str, server: Command, tmp_path: Path
) -> None:
    out = tmp_path / name
    with running(*record(server, out, "--rotate", "1KB"), broken=CLOCK.format(minutes=minutes)) as proxy:
        send(proxy, range(60))
        assert proxy.stop() == 0

    files = sorted(tmp_path.iterdir(), key=lambda path: (path == out, path.name))
    assert len(files) > 3
    assert [number for path in files for number in numbers_in(path)] == list(range(60))
    assert [number_of(entry.exchange) for entry in read_recordings([tmp_path])] == list(range(60))


@FORMS
@pytest.mark.parametrize("part", [0, 0.3, 0.7, 0.99])
def test_a_recording_that_is_cut_short_is_told_and_counted(
    part: float, name: str, server: Command, tmp_path: Path
) -> None:
    """By `> a.jsonl` or a rotation that copies and truncates."""
    out = tmp_path / name
    with running(*record(server, out)) as proxy:
        send(proxy, range(20))
        os.truncate(out, int(out.stat().st_size * part))
        send(proxy, range(20, 30))
        assert proxy.stop() == 1

    kept = numbers_in(out)
    assert kept == [*range(len(kept) - 10), *range(20, 30)]
    assert lost_by(proxy) == 30 - len(kept) > 0
    told = [line for line in proxy.lines if "another program cut" in line]
    lost = f"{lost_by(proxy)} exchange{'s' if lost_by(proxy) > 1 else ''}"
    assert told == [
        f"tapehead: another program cut '{out}' short: {lost} of this run LOST; the recording continues in it"
    ]


@FORMS
def test_a_recording_cut_short_again_and_at_the_very_end_is_counted_exactly(
    name: str, server: Command, tmp_path: Path
) -> None:
    out = tmp_path / name
    with running(*record(server, out)) as proxy:
        for step in range(3):
            send(proxy, range(10 * step, 10 * step + 10))
            os.truncate(out, int(out.stat().st_size * 0.9))
        assert proxy.stop() == 1

    assert lost_by(proxy) == 30 - len(numbers_in(out)) > 0
    assert len([line for line in proxy.lines if "another program cut" in line]) == 3


@FORMS
def test_earlier_runs_that_are_cut_off_are_told_too(name: str, server: Command, tmp_path: Path) -> None:
    out = tmp_path / name
    with running(*record(server, out)) as proxy:
        send(proxy, range(10))
        assert proxy.stop() == 0
    with running(*record(server, out, "--append")) as proxy:
        os.truncate(out, 0)
        send(proxy, range(10, 15))
        assert proxy.stop() == 1

    assert numbers_in(out) == list(range(10, 15))
    assert lost_by(proxy) == 0
    assert any("exchanges of earlier runs LOST" in line for line in proxy.lines)


@FORMS
def test_a_last_newline_that_is_cut_off_costs_nothing(name: str, server: Command, tmp_path: Path) -> None:
    out = tmp_path / name
    with running(*record(server, out)) as proxy:
        send(proxy, range(5))
        if name.endswith(".jsonl"):
            os.truncate(out, out.stat().st_size - 1)
        send(proxy, range(5, 9))
        proxy.stop()

    assert numbers_in(out) == list(range(9))
    assert lost_by(proxy) == 0


@FORMS
@pytest.mark.parametrize("others", [5, 20, 60])
def test_a_recording_that_is_overwritten_is_told_and_counted(
    others: int, name: str, server: Command, tmp_path: Path
) -> None:
    """By a file that is shorter, about as long, or longer."""
    out, other = tmp_path / name, tmp_path / f"other-{name}"
    with running(*record(server, other)) as proxy:
        send(proxy, range(100, 100 + others))
        assert proxy.stop() == 0
    with running(*record(server, out)) as proxy:
        send(proxy, range(20))
        out.write_bytes(other.read_bytes())
        send(proxy, range(20, 30))
        assert proxy.stop() == 1

    assert numbers_in(out) == [*range(100, 100 + others), *range(20, 30)]
    assert lost_by(proxy) == 20
    told = f"another program overwrote '{out}': 20 exchanges of this run LOST; the recording continues in it"
    assert [line for line in proxy.lines if "another program" in line] == [f"tapehead: {told}"]


def overwrite(out: Path) -> None:
    out.write_bytes(b"\x28\xb5\x2f\xfd" if out.suffix == ".jsonl" else b"hello")


def replace(out: Path) -> None:
    (out.parent / "other").write_text("hello\n")
    (out.parent / "other").replace(out)


def replace_by_folder(out: Path) -> None:
    out.unlink()
    out.mkdir()


def replace_and_lock(out: Path) -> None:
    out.unlink()
    fcntl.flock(os.open(out, os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)  # until the tests end


@FORMS
@pytest.mark.parametrize("take", [overwrite, replace, replace_by_folder, replace_and_lock])
def test_a_recording_whose_name_is_taken_continues_in_a_file_beside(
    take: Callable[[Path], None], name: str, server: Command, tmp_path: Path
) -> None:
    out = tmp_path / name
    with running(*record(server, out, "--rotate", "1h")) as proxy:
        send(proxy, range(20))
        take(out)
        send(proxy, range(20, 60))
        assert proxy.stop() == 1

    (beside,) = tmp_path.glob("a-*")
    assert numbers_in(beside) == list(range(20, 60))
    assert lost_by(proxy) == 20
    assert len([line for line in proxy.lines if line.endswith(f"; the recording continues in '{beside}'")]) == 1
