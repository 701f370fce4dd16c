"""Messages of `audit --engine spark` where it cannot start: one sentence, and exit code 2."""

import io
import socket
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from support.local_executors import LocalData, LocalExecutors
from support.mixed_recordings import write_one
from tapehead.cli.app import run
from tapehead.errors import TapeheadError
from tapehead.spark import cluster
from tapehead.spark.cluster import spark_error

if TYPE_CHECKING:
    from pyspark import SparkContext


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    write_one(tmp_path / "one.jsonl", 1)
    return "one.jsonl"


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pyspark and Java as far as this process looks before it starts them."""
    pytest.importorskip("pyspark", reason="there is no pyspark; .ci/run installs it")
    monkeypatch.setattr(cluster, "_check_java", lambda: None)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr of a command that fails."""
    assert run(["audit", "--engine", "spark", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line.removeprefix("tapehead: ")


def test_pyspark_is_an_extra(
    recording: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyspark"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_WithoutSpark(), *sys.meta_path])
    assert told(capsys, recording) == "--engine spark: pyspark is not installed; run pip install 'tapehead[spark]'"


class _WithoutSpark:
    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        if name.partition(".")[0] == "pyspark":
            raise ModuleNotFoundError(name=name)


def test_java_is_needed(recording: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason="there is no pyspark; .ci/run installs it")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert told(capsys, recording) == (
        "--engine spark needs Java 17 or later: there is no program 'java'; install it, or set JAVA_HOME"
    )
    monkeypatch.setenv("JAVA_HOME", "/nonexistent")
    assert "there is none in JAVA_HOME, '/nonexistent'" in told(capsys, recording)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("master", "reason"),
    [
        ("sc://host:15002", "Spark Connect is not supported"),
        ("host:7077", "invalid --master 'host:7077': expected spark://HOST:PORT"),
        ("local[x]", "invalid --master 'local[x]': expected spark://HOST:PORT, yarn, k8s://URL or local[N]"),
        ("spark://host", "invalid --master 'spark://host': expected spark://HOST:PORT"),
        ("spark://host:99999", "expected spark://HOST:PORT"),
    ],
)
def test_a_master_that_is_none(master: str, reason: str, recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert reason in told(capsys, recording, "--master", master)


@pytest.mark.usefixtures("_installed")
def test_a_master_that_cannot_be_reached(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        master = f"spark://127.0.0.1:{closed.getsockname()[1]}"
        assert told(capsys, recording, "--master", master) == (
            f"cannot reach the master '{master}': Connection refused; is it running, and is --master right?"
        )


def test_a_cluster_without_executors_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster, "EXECUTOR_SECONDS", 0.1)
    given = threading.Event()
    context = LocalExecutors(tmp_path)
    monkeypatch.setattr(LocalData, "collect", lambda _data: given.wait(60))
    try:
        with pytest.raises(TapeheadError, match=r"'spark://a:1' has given no executor within 0 s; are its work"):
            cluster._check_executors(cast("SparkContext", context), "spark://a:1")
    finally:
        given.set()


def test_a_context_that_spark_has_stopped_meanwhile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Cannot call methods on a stopped SparkContext.")

    context = LocalExecutors(tmp_path)
    monkeypatch.setattr(context, "parallelize", fail)
    scala = SimpleNamespace(isStopped=lambda: True)
    monkeypatch.setattr(context, "_jsc", SimpleNamespace(sc=lambda: scala))
    with pytest.raises(TapeheadError, match=r"^Spark gave up: 'spark://a:1' is no master of Spark [0-9.]+, or"):
        cluster._check_executors(cast("SparkContext", context), "spark://a:1")
    scala.isStopped = lambda: False
    with pytest.raises(TapeheadError, match=r"^Spark failed: Cannot call methods"):
        cluster._check_executors(cast("SparkContext", context), "spark://a:1")


def test_a_start_that_fails_is_told_by_its_error() -> None:
    log = b'WARN one\nException in thread "main" SparkException: no HADOOP_CONF_DIR\n\tat org.apache.A.main(A.scala)\n'
    assert cluster._last_line(io.BytesIO(log)) == 'Exception in thread "main" SparkException: no HADOOP_CONF_DIR'


def test_stdin_and_other_formats(recording: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot read stdin" in told(capsys, "-")
    journal = told(capsys, "http://127.0.0.1:8090/#secret-of-a-test")
    assert "cannot read 'http://127.0.0.1:8090', which executors do not reach; leave out --engine spark" in journal
    assert "secret" not in journal
    Path("a.har").write_text('{"log": {"entries": []}}')
    assert told(capsys, recording, "a.har") == (
        "--engine spark reads recordings alone; make one of 'a.har' with: tapehead import 'a.har'"
    )


def test_tables_go_to_one_folder(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'a/' and 'b/' are folders; pass one --output for tables" in told(capsys, recording, "-o", "a/", "-o", "b/")


@pytest.mark.parametrize("options", [(), ("-o", "report.csv")])
def test_overwriting_is_for_tables(
    options: tuple[str, ...], recording: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, recording, *options, "--overwrite") == (
        "missing --engine spark with --output FOLDER/: --overwrite replaces the tables there"
    )


def test_jobs_are_refused(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, recording, "--jobs", "2").startswith("--jobs and --engine spark exclude each other")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "An error occurred.\n: org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n"
            "ModuleNotFoundError: No module named 'tapehead.spark'\n",
            "the executors have no tapehead; install tapehead[spark]",
        ),
        (
            "Job aborted.\ntapehead.errors.RecordingError: 'a.jsonl' was changed while it was audited; audit again\n",
            "'a.jsonl' was changed while it was audited; audit again",
        ),
        (
            "Job aborted.\nCaused by: java.io.IOException: no space left\n\tat y",
            "Spark failed: java.io.IOException: no",
        ),
        (
            "An error occurred while calling o7.addFile.\n: java.lang.IllegalArgumentException: requirement failed\n",
            "Spark failed: java.lang.IllegalArgumentException: requirement failed; there is no report",
        ),
        (
            "Job aborted.\nCaused by: java.io.IOException: Premature EOF reading from a.b.SocketInputStream@11af39f1",
            "executors cannot read a recording: its server ended the connection in the middle of it; there is no",
        ),
        ("TypeError: cannot pickle", "Spark failed: TypeError: cannot pickle; there is no report"),
    ],
)
def test_errors_of_spark_are_one_sentence(text: str, sentence: str) -> None:
    assert str(spark_error(RuntimeError(text))).startswith(sentence)
