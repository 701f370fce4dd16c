"""The audit on executors, in one process: its report is that of one process, whatever the recordings are."""

import contextlib
import errno
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from support.local_executors import LocalExecutors
from support.mixed_recordings import write_mix, write_one
from support.played_sessions import Player
from support.sessions import BEGIN_MS, Timeline, make_exchange
from tapehead.auditor import divided_audit
from tapehead.auditor.divided_audit import NotDivisibleError
from tapehead.cli import spark_run
from tapehead.cli.app import run
from tapehead.protocol.exchange import Entry, encode
from tapehead.protocol.routes import Call
from tapehead.reports.audit import body_store
from tapehead.reports.tables import parquet_files
from tapehead.spark import division, evaluation, reading
from tapehead.spark.fetched_files import FetchedFiles
from tapehead.spark.spark_audit import ShowTasks, SparkAudit

pytest.importorskip("pyspark", reason="there is no pyspark; .ci/run installs it")
SPARK = ("--engine", "spark")
AGAIN = "tapehead: the sessions cannot be divided among executors; one of them evaluates all"


@pytest.fixture(autouse=True)
def _executors(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process be all machines, send little at once, and date no report."""
    folder = tmp_path_factory.mktemp("sent")

    @contextlib.contextmanager
    def connect(_master: str | None) -> Iterator[LocalExecutors]:
        yield LocalExecutors(folder)

    monkeypatch.setattr(spark_run, "spark_context", connect)
    monkeypatch.setattr(evaluation, "_path_of", lambda name: str(folder / name))
    for module, name, value in (
        (reading, "_BLOCK_ITEMS", 7),
        (division, "_BLOCK_LINES", 5),
        (division, "_BATCH_EXCHANGES", 20),
        (evaluation, "_SENT_BYTES", 2000),
        (evaluation, "_SENT_RESULTS", 2),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")


def audited(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["audit", *map(str, arguments)])
    return code, *capsys.readouterr()


@pytest.mark.parametrize("seed", range(6))
def test_the_report_on_several_recorders_is_that_of_one_process(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines that cannot be read are told in the same order, too."""
    write_mix(tmp_path, seed)
    expected = audited(capsys, tmp_path, "--format", "json")
    assert "skipped" in expected[2]
    assert audited(capsys, tmp_path, "--format", "json", *SPARK) == expected


@pytest.mark.parametrize("seed", range(8))
def test_the_report_on_one_recorder_is_that_of_one_process(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_one(tmp_path / "one.jsonl", seed)
    expected = audited(capsys, tmp_path / "one.jsonl", "--format", "json")
    assert audited(capsys, tmp_path / "one.jsonl", "--format", "json", *SPARK) == expected


@pytest.mark.parametrize("form", ["csv", "csv-findings", "html", "junit", "sarif", "text"])
def test_each_format_is_that_of_one_process(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mix(tmp_path, 5)
    options = ["--format", form, "-v", "--coverage", "--scenario", "ads"]
    assert audited(capsys, tmp_path, *options, *SPARK) == audited(capsys, tmp_path, *options)


def test_a_page_has_no_more_bodies_than_that_of_one_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which ones depends on the order in which exchanges are read."""
    monkeypatch.setattr(body_store.BodyStore.__init__, "__defaults__", (20_000,))
    write_one(tmp_path / "one.jsonl", 3)
    expected = audited(capsys, tmp_path, "--format", "html")
    assert audited(capsys, tmp_path, "--format", "html", *SPARK) == expected


def test_other_forms_of_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Packed, of format 1, with a schema in the stream, an end within a line, a damaged end, and nothing at all."""
    write_mix(tmp_path, 4)
    first, second, third = (tmp_path / f"{number}.jsonl" for number in range(3))
    packed = zstandard.compress(first.read_bytes())
    first.with_name("0.jsonl.zst").write_bytes(packed)
    first.unlink()
    second.write_bytes(second.read_bytes().replace(b'"tapehead":2', b'"tapehead":1'))
    schema = make_exchange("/api/v1/schemas/play", b"", call=Call.SCHEMA, sid=None, status=200)
    lines = third.read_bytes().splitlines(keepends=True)
    late = Timeline("s0", visitor="1" * 38).start().exchanges
    third.write_bytes(encode(schema) + b"".join(lines) + b"".join(map(encode, late)) + lines[0][:300])
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "damaged.jsonl.zst").write_bytes(packed[: len(packed) // 2] + b"\xff" * 90)
    (tmp_path / "newer.jsonl").write_bytes(b'{"tapehead":99}\n')
    expected = audited(capsys, tmp_path, "--format", "json")
    assert "newer" in expected[2]
    assert audited(capsys, tmp_path, "--format", "json", *SPARK) == expected


@pytest.mark.parametrize("wrong", [b'"headers":[[1,', b'"method":1,"headers":[['])
def test_a_line_whose_headers_are_wrong_is_skipped(
    wrong: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.jsonl"
    write_one(path, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[40] = lines[40].replace(b'"headers":[[', wrong, 1)
    path.write_bytes(b"".join(lines))
    expected = audited(capsys, path, "--format", "json")
    assert "one.jsonl:41: skipped" in expected[2]
    assert audited(capsys, path, "--format", "json", *SPARK) == expected


def test_sessions_that_cannot_be_divided_are_evaluated_by_one_executor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divided_audit, "MOST_OVERLAPS", 1)
    write_mix(tmp_path, 3)
    code, out, err = audited(capsys, tmp_path, "--format", "json")
    *again, told = audited(capsys, tmp_path, "--format", "json", *SPARK)
    assert again == [code, out]
    assert [line for line in told.splitlines() if line != AGAIN] == err.splitlines()
    assert told.count(AGAIN) == 1


def test_a_disk_of_this_machine_is_not_taken_for_the_connection(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FetchedFiles, "add", fail)
    write_one(tmp_path / "one.jsonl", 1)
    code, _, err = audited(capsys, tmp_path, *SPARK)
    assert code == 2
    assert "No space left on device" in err
    assert "connection" not in err


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not say which files are open")
def test_a_division_that_fails_leaves_no_file_open(tmp_path: Path) -> None:
    def fail() -> Entry:
        raise NotDivisibleError

    with pytest.raises(NotDivisibleError):
        division.divide_into_parts((fail() for _ in range(1)), 2, tmp_path)
    opened = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    assert [path for path in opened if path.startswith(str(tmp_path))] == []


def test_settings_and_schemas_reach_executors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mix(tmp_path, 7)
    (tmp_path / "tapehead.toml").write_text('[metadata]\nplay = ["programmer"]\n[rules]\nstray-pings = "error"\n')
    options = [tmp_path, "--config", tmp_path / "tapehead.toml", "--assume", "rejected=counted", "--format", "json"]
    expected = audited(capsys, *options)
    assert "programmer" in expected[1]
    assert audited(capsys, *options, *SPARK) == expected


def test_other_calls_of_the_same_time_are_no_duplicates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Executors say which exchanges are equal."""
    for sid in ("a", "b"):
        player = Player(sid, BEGIN_MS, 300)
        player.timeline = Timeline(sid, BEGIN_MS, f"{ord(sid):038}").start(length=300)
        player.send("play")
        player.watch(60)
        exchanges = player.timeline.exchanges
        (tmp_path / f"{sid}.jsonl").write_bytes(b"".join(map(encode, exchanges)))
        (tmp_path / f"{sid}-again.jsonl").write_bytes(b"".join(map(encode, exchanges)))
    expected = audited(capsys, tmp_path, "--format", "json")
    assert "counted once" in expected[2]
    assert len(json.loads(expected[1])["sessions"]) == 2
    assert audited(capsys, tmp_path, "--format", "json", *SPARK) == expected


def test_a_recording_that_changes_meanwhile_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_one(tmp_path / "one.jsonl", 1)
    fetch = SparkAudit.fetch

    def fetch_and_change(self: SparkAudit, show: ShowTasks) -> None:
        fetch(self, show)
        lines = (tmp_path / "one.jsonl").read_bytes().splitlines(keepends=True)
        (tmp_path / "one.jsonl").write_bytes(b"".join(lines[:50]))

    monkeypatch.setattr(SparkAudit, "fetch", fetch_and_change)
    code, out, err = audited(capsys, tmp_path, *SPARK)
    assert (code, out) == (2, "")
    assert err == f"tapehead: '{tmp_path}/one.jsonl' was changed while it was audited; audit again\n"


def test_files_that_are_missing_and_named_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_one(tmp_path / "one.jsonl", 2)
    named = [tmp_path / "one.jsonl", tmp_path / "none.jsonl", tmp_path, tmp_path / "x*.jsonl", "--format", "json"]
    expected = audited(capsys, *named)
    assert expected[0] == 2
    assert audited(capsys, *named, *SPARK) == expected


def test_tables_are_those_of_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow.parquet as pq

    (tmp_path / "in").mkdir()
    write_mix(tmp_path / "in", 2)
    assert run(["export", "--parquet", str(tmp_path / "local"), str(tmp_path / "in")]) == 0
    capsys.readouterr()
    expected = audited(capsys, tmp_path / "in", "--format", "json")
    code, out, err = audited(capsys, tmp_path / "in", "--format", "json", "-o", tmp_path / "spark", *SPARK, "-o", "-")
    assert (code, out) == expected[:2]
    assert err == f"{expected[2]}tapehead: wrote tables to '{tmp_path}/spark'\n"
    written = sorted(path.name for path in (tmp_path / "spark").iterdir())
    assert {"sessions.parquet", "findings.parquet", "metrics.parquet"} <= set(written)
    for name in written:
        assert pq.read_table(tmp_path / "spark" / name).equals(pq.read_table(tmp_path / "local" / name)), name


def test_tables_are_replaced_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_one(tmp_path / "one.jsonl", 2)
    path = tmp_path / "tables" / "findings.parquet"
    path.parent.mkdir()
    path.write_bytes(b"theirs")
    words = [tmp_path / "one.jsonl", "-o", f"{path.parent}/", "--fail-on", "never", *SPARK]
    with monkeypatch.context() as patched:
        patched.setattr(spark_run, "spark_context", None)  # told before Spark starts, which takes a while
        code, out, err = audited(capsys, *words)
    assert (code, out) == (2, "")
    assert err == f"tapehead: '{path}' exists; pass --overwrite to replace the tables in '{path.parent}'\n"
    assert path.read_bytes() == b"theirs"
    assert audited(capsys, *words, "--overwrite")[0] == 0
    assert path.read_bytes().startswith(b"PAR1")


def test_tables_are_told_once_they_have_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(parquet_files._TableFile, "publish", fail)
    write_one(tmp_path / "one.jsonl", 2)
    code, _, err = audited(capsys, tmp_path, "-o", f"{tmp_path}/tables/", *SPARK)
    assert code == 2
    assert err == f"tapehead: cannot write the tables to '{tmp_path}/tables': No space left on device\n"


def test_a_terminal_shows_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_one(tmp_path / "one.jsonl", 2)
    own, terminal = os.openpty()
    shown: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # once the other end is closed
            while piece := os.read(own, 4096):
                shown.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(terminal, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        run(["audit", str(tmp_path), "-o", str(tmp_path / "report.csv"), *SPARK])
    reader.join()
    os.close(own)
    text = b"".join(shown).decode()
    for step in ("starting Spark", "% read", "exchanges", "% evaluated"):
        assert step in text
    assert "Traceback" not in text
    assert (tmp_path / "report.csv").exists()
