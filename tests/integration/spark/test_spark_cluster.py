"""`audit --engine spark` on a real cluster: the report of one process, also where a machine is lost half-way.

The tests share a cluster, and the last one kills a part of it, so they are steps of one test.
"""

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard

from support.mixed_recordings import write_mix, write_one
from support.paths import RECORDINGS_FOLDER, ROOT
from support.spark_cluster import TIMEOUT_SECONDS, SparkCluster, kill_machine, running_cluster
from tapehead.cli.app import run

FORMS = {"json": "report.json", "csv": "report.csv", "junit": "report.xml", "sarif": "report.sarif"}
FORMS |= {"csv-findings": "findings.csv", "text": "report.txt"}


def write_recordings(folder: Path) -> None:
    """Write sessions cut over files, with duplicates, bad lines, clocks apart, and an end within a line."""
    folder.mkdir()
    write_mix(folder, 3)
    one, last = folder / "one.jsonl", folder / "2.jsonl"
    write_one(one, 4)
    others = one.read_bytes().replace(b"/sessions/s", b"/sessions/t").replace(b'"session":"s', b'"session":"t')
    one.with_name("packed.jsonl.zst").write_bytes(zstandard.compress(others))
    one.unlink()
    content = last.read_bytes()
    last.write_bytes(content + content[:200])


def words(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tapehead", "audit", *map(str, arguments)]


def reports(folder: Path) -> list[object]:
    return [word for form, name in FORMS.items() for word in ("--format", form, "-o", folder / name)]


def audited(cluster: SparkCluster, *arguments: object) -> tuple[int, str, str]:
    done = subprocess.run(
        words(*arguments),
        env=cluster.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(2 * TIMEOUT_SECONDS)
def test_a_cluster_reports_what_one_process_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recordings, local, spread = (tmp_path / name for name in ("recordings", "local", "spread"))
    write_recordings(recordings)
    (tmp_path / "cluster").mkdir()
    with running_cluster(tmp_path / "cluster") as cluster:
        options = ["--engine", "spark", "--master", cluster.master]
        for folder in (local, spread):
            folder.mkdir()

        # Every format but pages, and tables.
        expected = audited(cluster, recordings, *reports(local))
        assert "skipped" in expected[2]
        assert "counted once" in expected[2]
        assert "corrected" in expected[2]
        tables = ["-o", f"{spread}/tables/"]
        found = audited(cluster, recordings, *reports(spread), *tables, *options)
        told = expected[2].replace(str(local), str(spread))
        more = [line for line in found[2].splitlines() if line not in told.splitlines()]
        assert more == [f"tapehead: wrote tables to '{spread}/tables'"]
        assert found[2].splitlines()[:-1] == told.splitlines()
        assert found[:2] == (expected[0], "")
        for name in FORMS.values():
            assert (spread / name).read_bytes() == (local / name).read_bytes(), name
        assert len(json.loads((local / "report.json").read_bytes())["sessions"]) > 20
        check_tables(recordings, spread / "tables", tmp_path / "export", capsys)

        # A machine that is lost: one executor evaluates, and is gone with its worker.
        report = run_with_loss(cluster, words(recordings, "--format", "json", *options))
        assert report == (local / "report.json").read_bytes()

        # URLs, which Spark reads; by the worker that is left.
        url = recordings.as_uri()
        code, out, err = audited(cluster, url, "--format", "json", *options)
        # Spark's names of local files have one slash.
        name = f"file:{recordings}".replace(" ", "%20")
        assert (code, out.replace(name, str(recordings))) == (expected[0], (local / "report.json").read_text()), err

        check_readme(cluster, tmp_path)


def check_readme(cluster: SparkCluster, folder: Path) -> None:
    """Check that the README's command works as it stands, on another cluster."""
    (command,) = re.findall(r"^tapehead (.*--engine spark .*)$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    (folder / "readme").mkdir()
    (folder / "readme" / "recordings").symlink_to(RECORDINGS_FOLDER)
    arguments = shlex.split(command.replace("spark://HOST:7077", cluster.master))
    done = subprocess.run(
        [sys.executable, "-m", "tapehead", *arguments],
        env=cluster.environment(),
        cwd=folder / "readme",
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "tapehead: wrote tables to 'tables'\n")
    assert "sessions" in done.stdout


def check_tables(recordings: Path, tables: Path, exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check that tables hold what `export` writes."""
    import pyarrow.parquet as pq

    assert run(["export", "--parquet", str(exported), str(recordings)]) == 0
    capsys.readouterr()
    for path in exported.iterdir():
        assert pq.read_table(tables / path.name).equals(pq.read_table(path)), path.name


def run_with_loss(cluster: SparkCluster, command: list[str]) -> bytes:
    """The report of a command during which an executor is lost in the middle of an evaluation."""
    (cluster.pauses / "pause").touch()
    with subprocess.Popen(
        command, env=cluster.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            deadline = time.monotonic() + TIMEOUT_SECONDS
            while not (cluster.pauses / "paused").exists():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            kill_machine(int((cluster.pauses / "paused").read_text()))
            out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        finally:
            process.kill()
            (cluster.pauses / "pause").unlink()
    assert process.returncode == 1, err
    return out
