"""The demo plays, replays and compares."""

import resource
from pathlib import Path

from support.processes import run_tapehead


def test_the_demo_runs_offline_in_fifteen_seconds_and_keeps_its_recording(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run_tapehead("demo", "--out", tmp_path / "demo.jsonl")

    assert done.returncode == 0, done.stderr
    assert "the player could not tell the difference: 27 calls answered offline" in done.stdout
    assert "0 errors, 0 warnings\ncontent time 45 s; ads 30 s; " in done.stdout
    assert len((tmp_path / "demo.jsonl").read_bytes().splitlines()) == 27
    # Of its own work, whatever else the machine does meanwhile.
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 15
