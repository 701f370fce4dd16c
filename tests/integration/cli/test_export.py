"""`export --parquet`: files that pyarrow, DuckDB and Polars read, whole or not there, with the README's recipes."""

import errno
import re
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.exchanges import event, exchange, request, response, session
from support.paths import RECORDINGS_FOLDER, ROOT
from support.processes import run_tapehead
from support.reports import long_film
from support.resend import write
from support.terminals import Terminal
from tapehead.auditor.recordings_audit import audit
from tapehead.cli.app import run
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import Exchange
from tapehead.reports.tables import parquet_files
from tapehead.reports.tables.arrow import arrow_schema
from tapehead.reports.tables.parquet_files import ParquetTables
from tapehead.reports.tables.rows import rows_of
from tapehead.reports.tables.schema import TABLES

NAMES = {f"{table.name}.parquet" for table in TABLES}
README = (ROOT / "README.md").read_text()


def export(folder: Path, *recordings: Path, more: tuple[str, ...] = ()) -> int:
    return run(["export", "--parquet", str(folder), *more, *map(str, recordings)])


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of the samples and of a long film."""
    folder = tmp_path_factory.mktemp("exported")
    film = write(folder / "film.jsonl", list(long_film("film")))
    assert export(folder / "tables", RECORDINGS_FOLDER, film) == 0
    return folder / "tables"


def test_the_files_hold_the_rows_of_the_audit(tables: Path) -> None:
    results = list(audit(read_recordings([RECORDINGS_FOLDER, tables.parent / "film.jsonl"])))

    assert names_in(tables) == NAMES
    for table in TABLES:
        read = pq.read_table(tables / f"{table.name}.parquet")
        expected = [row for result in results for row in rows_of(result).get(table.name, ())]
        assert len(expected) == read.num_rows > 0
        assert read.schema.equals(arrow_schema(table))
        for name, values in zip(read.column_names, zip(*expected, strict=True), strict=True):
            shown = read.column(name)
            stored = shown.cast(pa.int64()) if pa.types.is_timestamp(shown.type) else shown
            assert stored.to_pylist() == [list(each) if isinstance(each, tuple) else each for each in values]


def test_columns_say_in_the_file_what_they_hold(tables: Path) -> None:
    schema = pq.read_schema(tables / "metrics.parquet")
    field = schema.field("total_buffer_duration")

    assert field.metadata[b"unit"] == b"s"
    assert field.metadata[b"description"].startswith(b"Time from each bufferStart")
    assert all(schema.field(name).metadata[b"description"] for name in schema.names)
    assert (tables / "metrics.parquet").stat().st_mode & 0o777 == 0o600


def test_polars_reads_types_as_they_are_meant(tables: Path) -> None:
    sessions = pl.read_parquet(tables / "sessions.parquet")
    film = sessions.row(by_predicate=pl.col("session_id") == "film", named=True)

    assert sessions.schema["started"] == pl.Datetime("us", "UTC")
    assert sessions.schema["outcome"] == pl.Categorical
    assert film["started"] == datetime(2026, 11, 23, 10, 2, 0, 20000, UTC)
    assert (film["media_length"], film["outcome"], film["recordings"]) == (3600.0, "completed", [film["recording"]])


def sql_recipes() -> list[str]:
    (block,) = re.findall(r"^```sql\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    return [each for each in block.split(";") if each.strip()]


def test_the_recipes_for_duckdb_work(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tables.parent)
    by_rule, by_day = [duckdb.execute(recipe).fetchall() for recipe in sql_recipes()]
    findings = pq.read_table(tables / "findings.parquet").num_rows

    assert sum(row[3] for row in by_rule) == findings
    assert by_rule[0][3] == max(row[3] for row in by_rule)
    assert {row[2] for row in by_rule} >= {"va-api-0.0.0"}
    assert "2026-11-23" in {str(row[0])[:10] for row in by_day}
    assert sum(row[2] for row in by_day) == pq.read_table(tables / "metrics.parquet").num_rows


def test_the_average_time_to_start_is_that_of_the_players(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recorded: list[Exchange] = []
    for number, ms in enumerate((500, 1500, None)):
        quality = {} if ms is None else {"qoeData": {"media.qoe.timeToStart": ms}}
        path = f"/api/v1/sessions/s{number}/events"
        calls = session(f"s{number}", [(0, 0, "play", {})], began=number * 60)
        ping = exchange(request(event("ping", 10, 10, **quality), path), calls[1].response, number * 60 + 10)
        recorded += [*calls, ping]
    assert export(Path("tables"), write(tmp_path / "a.jsonl", recorded)) == 0

    assert [row[1:] for row in duckdb.execute(sql_recipes()[1]).fetchall()] == [(1.0, 3)]


def test_the_recipe_for_polars_works(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tables.parent)
    (recipe,) = [each for each in re.findall(r"^```python\n(.*?)^```", README, re.M | re.S) if "import polars" in each]
    names: dict[str, Any] = {}
    exec(recipe, names)
    durations = names["buffered"]["total_buffer_duration"].to_list()

    assert len(durations) == 2
    assert durations == sorted(durations, reverse=True)
    assert durations[-1] > 0


def test_existing_tables_are_replaced_only_if_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, sample = tmp_path / "tables", RECORDINGS_FOLDER / "timeline-1.jsonl"
    folder.mkdir()
    (folder / "metrics.parquet").write_bytes(b"of somebody else")
    (folder / "notes.txt").write_text("kept")

    assert export(folder, sample) == 2
    told = f"'{folder}/metrics.parquet' exists; pass --overwrite to replace the tables in '{folder}'"
    assert capsys.readouterr() == ("", f"tapehead: {told}\n")
    assert names_in(folder) == {"metrics.parquet", "notes.txt"}
    assert (folder / "metrics.parquet").read_bytes() == b"of somebody else"

    assert export(folder, sample, more=("--overwrite",)) == 0
    assert names_in(folder) == NAMES | {"notes.txt"}
    assert pq.read_table(folder / "metrics.parquet").num_rows == 1


# It says when it has tables to write, and goes no further.
STOPPING = """
import sys, time
from tapehead.cli.app import run
from tapehead.reports.tables.parquet_files import ParquetTables
def add(*_):
    print("writing", flush=True)
    while True:  # not one long sleep: a signal just before it would be handled after it
        time.sleep(0.05)
ParquetTables.add = add
run(["export", "--parquet", *sys.argv[1:]])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("exists", [False, True])
def test_a_signal_leaves_no_unfinished_tables(tmp_path: Path, number: signal.Signals, exists: bool) -> None:
    folder = tmp_path / "tables"
    if exists:
        folder.mkdir()
    command = [sys.executable, "-c", STOPPING, str(folder), str(next(RECORDINGS_FOLDER.glob("*.jsonl")))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "writing\n"
            assert list(folder.glob(".*.part"))
            process.send_signal(number)
            assert process.wait(60) == -number
        finally:
            process.kill()
    assert folder.exists() == exists
    assert not exists or list(folder.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    film = write(tmp_path / "film.jsonl", list(long_film("film")))
    code = f"""
import resource
import signal
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, {resource.RLIM_INFINITY}))
from tapehead.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "export", "--parquet", "tables", film],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tapehead: cannot write the tables to 'tables': File too large\n"
    assert names_in(tmp_path) == {"film.jsonl"}


@pytest.mark.parametrize("at", range(1, 60, 7))
def test_whatever_write_fails_old_tables_stay_as_they_were(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, sample = tmp_path / "tables", RECORDINGS_FOLDER / "timeline-1.jsonl"
    assert export(folder, sample) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    writes = 0

    class FullFile:
        """A file on a disk that is full after some writes."""

        def __init__(self, file: Any) -> None:
            self._file = file

        def write(self, content: bytes) -> int:
            nonlocal writes
            writes += 1
            if writes > at:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(self._file.write(content))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    monkeypatch.setattr(parquet_files, "open", lambda *a, **k: FullFile(open(*a, **k)), raising=False)  # noqa: PTH123, SIM115
    assert export(folder, sample, more=("--overwrite",)) == 2
    assert writes > at
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("more", [(), ("--overwrite",)])
def test_a_directory_with_the_name_of_a_table_is_told_before_any_is_replaced(
    more: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tables"
    (folder / "ads.parquet").mkdir(parents=True)
    (folder / "sessions.parquet").write_bytes(b"of an earlier run")

    assert export(folder, RECORDINGS_FOLDER, more=more) == 2
    told = f"'{folder}/ads.parquet' is a directory; remove it, or write the tables to another folder"
    assert capsys.readouterr().err == f"tapehead: {told}\n"
    assert names_in(folder) == {"ads.parquet", "sessions.parquet"}
    assert (folder / "sessions.parquet").read_bytes() == b"of an earlier run"


def test_a_recording_that_cannot_be_read_leaves_no_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jsonl").write_text("no exchange\n")

    assert export(tmp_path / "tables", tmp_path / "a.jsonl") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert names_in(tmp_path) == {"a.jsonl"}


def test_recordings_without_a_session_give_empty_tables_and_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preflight = exchange(request(b"", method="OPTIONS"), response(200))

    assert export(tmp_path / "tables", write(tmp_path / "a.jsonl", [preflight])) == 1
    out, err = capsys.readouterr()
    assert out == f"wrote 0 sessions, 0 findings, 0 events to '{tmp_path / 'tables'}'\n"
    assert "no session in" in err
    assert names_in(tmp_path / "tables") == NAMES
    assert pq.read_table(tmp_path / "tables" / "sessions.parquet").num_rows == 0


def test_the_folder_of_tables_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "a.jsonl"]) == 2
    told = "tapehead: missing --parquet FOLDER: the folder that the tables are written to\n"
    assert capsys.readouterr() == ("", told)


def test_a_folder_that_lies_in_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(tmp_path / "a" / "b", RECORDINGS_FOLDER) == 2
    assert "create it first" in capsys.readouterr().err
    assert names_in(tmp_path) == set()


def test_without_its_library_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError(\"No module named 'pyarrow'\", name='pyarrow')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from tapehead.__main__ import main; main()"
    words = ["export", "--parquet", str(tmp_path / "t"), str(RECORDINGS_FOLDER)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tapehead: --parquet: pyarrow is not installed; run pip install 'tapehead[parquet]'\n"


def test_settings_hold_as_for_the_audit(tmp_path: Path) -> None:
    (tmp_path / "tapehead.toml").write_text('[rules]\nmissing-parameter = "off"\n')
    for name, more in (("plain", ()), ("own", ("--config", str(tmp_path / "tapehead.toml")))):
        assert export(tmp_path / name, RECORDINGS_FOLDER / "mistakes.jsonl", more=more) == 0
    plain, own = (
        set(pq.read_table(tmp_path / name / "findings.parquet").column("rule").to_pylist()) for name in ("plain", "own")
    )

    assert plain - own == {"missing-parameter"}


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    shown = Terminal("export", "--parquet", "tables", str(RECORDINGS_FOLDER), cwd=tmp_path, columns=80).close()
    done = run_tapehead("export", "--parquet", "tables", "--overwrite", RECORDINGS_FOLDER, cwd=tmp_path)

    assert re.search(r"4/4 recordings, \d+ exchanges", re.sub("\x1b\\[[0-9;]*m", "", shown))
    assert done.stderr == ""
    assert done.stdout == "wrote 7 sessions, 25 findings, 97 events to 'tables'\n"


def test_many_rows_are_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "ROWS_IN_GROUP", 300)
    results = list(audit(read_recordings([write(tmp_path / "film.jsonl", list(long_film("film")))])))
    with ParquetTables(tmp_path / "tables") as tables:
        for _ in range(5):
            tables.add(rows_of(results[0]))

    file = pq.ParquetFile(tmp_path / "tables" / "events.parquet")
    assert file.metadata.num_rows == tables.counts["events"] == 5 * results[0].events
    assert file.metadata.num_row_groups == 5
