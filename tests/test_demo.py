"""The demo plays, replays and compares."""

import time
from pathlib import Path

from doors import tapehead


def test_the_demo_runs_offline_in_fifteen_seconds_and_keeps_its_recording(tmp_path: Path) -> None:
    began = time.monotonic()
    done = tapehead("demo", "--out", tmp_path / "demo.jsonl")

    assert done.returncode == 0, done.stderr
    assert "the player could not tell the difference: 27 calls answered offline" in done.stdout
    assert "0 errors, 0 warnings\ncontent time 4" in done.stdout
    assert len((tmp_path / "demo.jsonl").read_bytes().splitlines()) == 27
    assert time.monotonic() - began < 15
