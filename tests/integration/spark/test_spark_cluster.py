"""`audit --engine spark` on a real cluster: the report of one process, also where a machine is lost half-way.

The tests share a cluster, and the last one kills a part of it, so they are steps of one test.
"""

import contextlib
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from support.hdfs import Hdfs, running_hdfs
from support.mixed_recordings import VISITORS, write_mix, write_one
from support.object_stores import Bucket
from support.paths import ROOT
from support.s3a import s3a_options
from support.sessions import BEGIN_MS, Timeline
from support.spark_cluster import TIMEOUT_SECONDS, SparkCluster, kill_machine, running_cluster
from tapehead.cli.app import run
from tapehead.protocol.exchange import encode

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


def write_crowd(path: Path) -> None:
    """Write so many sessions of one device at once that no part of an audit can compare them by itself."""
    starts = (Timeline(f"c{number}", BEGIN_MS + number * 50, VISITORS[0]).start() for number in range(600))
    path.write_bytes(b"".join(encode(exchange) for start in starts for exchange in start.exchanges))


def readme_command(master: str) -> list[str]:
    """The arguments of the README's command, on another cluster."""
    (command,) = re.findall(r"^tapehead (.*--engine spark .*)$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    return shlex.split(command.replace("spark://HOST:7077", master))


def reports(folder: Path) -> list[str]:
    return [word for form, name in FORMS.items() for word in ("--format", form, "-o", str(folder / name))]


@contextlib.contextmanager
def command(
    cluster: SparkCluster, folder: Path, arguments: list[str], options: str = ""
) -> Iterator["subprocess.Popen[str]"]:
    """A command that runs in a folder, with more options of Spark."""
    with subprocess.Popen(
        [sys.executable, "-m", "tapehead", *arguments],
        env=cluster.environment(options),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.timeout(2 * TIMEOUT_SECONDS)
def test_a_cluster_reports_what_one_process_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, bucket: Bucket
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    monkeypatch.chdir(tmp_path)
    write_recordings(tmp_path / "recordings")
    for name in ("local", "spread", "cluster"):
        (tmp_path / name).mkdir()
    with running_cluster(tmp_path / "cluster") as cluster, running_hdfs() as hdfs:
        check_with_loss(cluster, tmp_path, capsys)
        check_page(cluster, tmp_path, capsys)
        check_hdfs(cluster, hdfs, tmp_path, capsys)
        check_broken_hdfs(cluster, hdfs, tmp_path)
        check_s3a(cluster, bucket, tmp_path, capsys)


def check_with_loss(cluster: SparkCluster, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check the README's command, with every format but pages, while a machine is lost.

    One executor evaluates, and is gone with its worker.
    """
    assert run(["audit", "recordings", "--fail-on", "never", *reports(folder / "local")]) == 0
    told = capsys.readouterr().err.replace(str(folder / "local"), str(folder / "spread"))
    for message in ("skipped", "counted once", "corrected"):
        assert message in told
    (cluster.pauses / "pause").touch()
    arguments = [*readme_command(cluster.master), *reports(folder / "spread")]
    with command(cluster, folder, arguments) as process:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not (cluster.pauses / "paused").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        kill_machine(int((cluster.pauses / "paused").read_text()))
        (cluster.pauses / "pause").unlink()
        out, err = process.communicate()
    assert (process.returncode, out, err) == (0, "", f"{told}tapehead: wrote tables to 'tables'\n")
    for name in FORMS.values():
        assert (folder / "spread" / name).read_bytes() == (folder / "local" / name).read_bytes(), name
    assert len(json.loads((folder / "local" / "report.json").read_bytes())["sessions"]) > 20
    check_tables(folder / "tables", folder / "export", capsys)


def check_hdfs(cluster: SparkCluster, hdfs: Hdfs, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check the report on URLs of HDFS, whose sessions cannot be divided, by the worker that is left."""
    (folder / "a b").mkdir()
    write_crowd(folder / "a b" / "crowd {x}.jsonl")
    for path in [*folder.glob("recordings/*"), *folder.glob("a b/*")]:
        hdfs.files[f"/{path.relative_to(folder)}"] = path.read_bytes()
    inputs = ["a b/c*.jsonl", "recordings", "none.jsonl"]
    code = run(["audit", *inputs, "--format", "json"])
    expected = capsys.readouterr()
    assert "there is no file 'none.jsonl'" in expected.err
    names = re.compile(r"(?<!\w)(a b/crowd|recordings/|none)")
    urls = [f"{hdfs.url}/{each}" for each in inputs]
    options = ["--engine", "spark", "--master", cluster.master, "--format", "json"]
    with command(cluster, folder, ["audit", *urls, *options]) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (code, names.sub(rf"{hdfs.url}/\1", expected.out)), err
    again = "tapehead: the sessions cannot be divided among executors; one of them evaluates all"
    told = names.sub(rf"{hdfs.url}/\1", expected.err).splitlines()
    assert [line for line in err.splitlines() if line != again] == told
    assert err.count(again) == 1
    assert set(hdfs.opened) == set(hdfs.files)


def check_s3a(cluster: SparkCluster, bucket: Bucket, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check the report on objects in a store, by Hadoop's own library for them."""
    for path in folder.glob("recordings/**/*"):
        if path.is_file():
            bucket.put(str(path.relative_to(folder)), path.read_bytes())
    inputs = ["recordings/?.jsonl", "recordings", "none.jsonl"]
    code = run(["audit", *inputs, "--format", "json"])
    expected = capsys.readouterr()
    root = bucket.url.replace("s3:", "s3a:")
    names = re.compile(r"(?<!\w)(recordings/|none)")
    options = ["--engine", "spark", "--master", cluster.master, "--format", "json"]
    urls = [f"{root}/{each}" for each in inputs]
    with command(cluster, folder, ["audit", *urls, *options], s3a_options(bucket.store)) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (code, names.sub(rf"{root}/\1", expected.out)), err
    assert err == names.sub(rf"{root}/\1", expected.err)
    assert json.loads(out)["sessions"]


def check_broken_hdfs(cluster: SparkCluster, hdfs: Hdfs, folder: Path) -> None:
    """Check that a server which ends each connection in the middle of a file is told in a sentence."""
    hdfs.breaks_off = True
    options = ["--engine", "spark", "--master", cluster.master]
    with command(cluster, folder, ["audit", f"{hdfs.url}/recordings", *options]) as process:
        told = process.communicate()
    assert (process.returncode, *told) == (
        2,
        "",
        "tapehead: executors cannot read a recording: its server ended the connection in the middle of it; there is no"
        " report\n",
    )


def check_page(cluster: SparkCluster, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check the HTML report, which one executor makes."""
    words = ["audit", "recordings", "--fail-on", "never"]
    assert run([*words, "-o", "local/report.html"]) == 0
    expected = capsys.readouterr().err.replace("local/", "spread/")
    options = ["-o", "spread/report.html", "--engine", "spark", "--master", cluster.master]
    with command(cluster, folder, [*words, *options]) as process:
        told = process.communicate()
    assert (process.returncode, told[1]) == (0, expected)
    local, spread = ((folder / name / "report.html").read_bytes() for name in ("local", "spread"))
    assert local == spread
    assert b"</html>" in local


def check_tables(tables: Path, exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check that tables hold what `export` writes."""
    import pyarrow.parquet as pq

    assert run(["export", "--parquet", str(exported), "recordings"]) == 0
    capsys.readouterr()
    assert {path.name for path in tables.iterdir()} == {path.name for path in exported.iterdir()}
    for path in exported.iterdir():
        assert pq.read_table(tables / path.name).equals(pq.read_table(path)), path.name
