"""Rows of tables: each value under its column, of its type, as the audit has it."""

import json
import marshal
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from support.exchanges import entries, event, opened, sent, start, start_with
from support.paths import RECORDINGS_FOLDER
from support.reports import faulty, long_film
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import Exchange
from tapehead.reports.tables.arrow import record_batch
from tapehead.reports.tables.rows import key_of, microseconds, rows_of
from tapehead.reports.tables.schema import METRICS_TABLE, TABLES, Column, ColumnType, Table

_PLAIN: dict[ColumnType, type | tuple[type, ...]] = {
    ColumnType.TEXT: str,
    ColumnType.CATEGORY: str,
    ColumnType.TEXTS: (list, tuple),
    ColumnType.INTEGER: int,
    ColumnType.FLAG: int,
    ColumnType.NUMBER: (int, float),
    ColumnType.TIME: int,
}


def results_of(exchanges: Iterable[Exchange], recording: str = "") -> list[SessionResult]:
    return list(audit(entry._replace(recording=recording) for entry in entries(exchanges)))


@pytest.fixture(scope="module")
def results() -> list[SessionResult]:
    """The results of many kinds of sessions."""
    samples = list(audit(read_recordings([RECORDINGS_FOLDER])))
    return [*samples, *results_of(long_film("film"), "film"), *results_of(faulty("faulty"), "faulty")]


def rows_in(results: Iterable[SessionResult], table: Table) -> list[dict[str, Any]]:
    """The rows of a table, by the names of columns."""
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for each in results for row in rows_of(each).get(table.name, ())]


def table_of(name: str) -> Table:
    (found,) = [table for table in TABLES if table.name == name]
    return found


def is_of(value: object, column: Column) -> bool:
    return column.is_nullable if value is None else isinstance(value, _PLAIN[column.type])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_row_has_a_value_of_its_type_for_each_column(table: Table, results: list[SessionResult]) -> None:
    rows = rows_in(results, table)

    assert rows
    assert not [(row, column) for row in rows for column in table.columns if not is_of(row[column.name], column)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_names_of_columns_are_unique_and_all_are_explained(table: Table) -> None:
    assert len({column.name for column in table.columns}) == len(table.columns)
    assert all(column.description.endswith(".") for column in table.columns)


def test_a_session_has_a_key_that_no_other_has(results: list[SessionResult]) -> None:
    rows = rows_in(results, table_of("sessions"))
    findings = rows_in(results, table_of("findings"))

    assert len({row["session_key"] for row in rows}) == len(rows) == len(results) > 7
    assert {row["session_key"] for row in findings} <= {row["session_key"] for row in rows}


def test_metrics_are_those_of_the_report(results: list[SessionResult]) -> None:
    rows = {row.pop("session_key"): row for row in rows_in(results, METRICS_TABLE)}
    film = next(each for each in results if each.id == "film")

    assert all(rows[key_of(film)][name] == film.metrics[name] for name in rows[key_of(film)] if name != "session_id")
    assert rows[key_of(film)]["content_time_spent"] > 3000


def test_parts_of_a_session_have_rows_of_their_own(results: list[SessionResult]) -> None:
    film = [each for each in results if each.id == "film"]
    (ad,) = rows_in(film, table_of("ads"))
    states = rows_in(film, table_of("states"))

    assert (ad["number"], ad["ad"], ad["pod"], ad["ad_time_spent"]) == (1, "car-7", "1_1800", 29.999)
    assert {row["state"]: row["total_duration"] for row in states} == {"fullscreen": 780.0, "mute": 59.0}


def test_a_session_is_told_as_it_was_played(results: list[SessionResult]) -> None:
    (row,) = rows_in([each for each in results if each.id == "film"], table_of("sessions"))
    began = 1_795_428_120_020_000

    assert row == {
        "session_key": "film:1",
        "session_id": "film",
        "started": began,
        "last_event": began + 3631 * 1_000_000,
        "outcome": "completed",
        "media_id": "film-9",
        "media_name": "The Long Night",
        "media_length": 3600.0,
        "content_type": "VOD",
        "stream_type": None,
        "player": "web-player",
        "sdk_version": None,
        "channel": "one",
        "recording": "film",
        "line": 1,
        "recordings": ("film",),
        "sources": (),
        "events": row["events"],
        "errors": 0,
        "warnings": row["warnings"],
        "infos": row["infos"],
    }


def test_an_event_and_a_finding_are_told_as_they_came() -> None:
    played = [opened("a", start()), sent("a", event("ping", 5, 10), 10, 404)]
    (result,) = results_of(played, "a.jsonl")
    event_row = rows_in([result], table_of("events"))[1]
    finding = rows_in([result], table_of("findings"))[-1]

    assert event_row == {
        "session_key": "a.jsonl:1",
        "session_id": "a",
        "event_index": 1,
        "type": "ping",
        "playhead": 5.0,
        "ts": 1_795_401_610_000_000,
        "arrived": 1_795_392_010_000_000,
        "answer_time": 0.0125,
        "status": 404,
        "call": "event",
        "playback": "starting",
        "recording": "a.jsonl",
        "line": 2,
    }
    assert finding["message"] == result.findings[-1].message
    assert (finding["rule"], finding["severity"]) == (result.findings[-1].rule, result.findings[-1].severity)
    assert {finding[name] for name in ("session_key", "session_id", "recording")} == {"a.jsonl:1", "a", "a.jsonl"}
    assert (finding["line"], finding["event_index"], finding["event_type"]) == (2, 1, "ping")
    assert (finding["event_playhead"], finding["event_ts"]) == (5.0, 1_795_401_610_000_000)


def test_counts_and_findings_agree(results: list[SessionResult]) -> None:
    sessions, findings = rows_in(results, table_of("sessions")), rows_in(results, table_of("findings"))

    for row in sessions:
        own = Counter(each["severity"] for each in findings if each["session_key"] == row["session_key"])
        assert (row["errors"], row["warnings"], row["infos"]) == (own["error"], own["warning"], own["info"])
    assert {severity for each in findings if (severity := each["severity"])} == {"error", "warning", "info"}
    assert sum(row["events"] for row in sessions) == len(rows_in(results, table_of("events")))


def test_what_a_player_sends_that_no_column_can_hold_is_left_empty() -> None:
    hostile = start_with({"media.length": 10**400, "media.sdkVersion": ["1.0"], "media.streamType": 7})
    hostile["playerTime"] = {"playhead": 10**400, "ts": 2**62}
    (result,) = results_of(
        [opened("a", json.dumps(hostile).encode()), sent("a", event("ping", 5, 10) | {"eventType": 7}, 10)]
    )
    (row,) = rows_in([result], table_of("sessions"))
    first, second = rows_in([result], table_of("events"))

    assert (row["media_length"], row["sdk_version"], row["stream_type"]) == (None, None, None)
    assert (first["playhead"], first["ts"]) == (None, None)
    assert (second["playhead"], second["type"]) == (5.0, "7")
    for table in TABLES:
        record_batch(table, rows_of(result).get(table.name, [])).validate(full=True)


def test_times_are_microseconds_of_the_years_1_to_9999() -> None:
    assert microseconds(1_795_401_600_000.125) == 1_795_401_600_000_125
    assert microseconds(-62_135_596_800_000) == -62_135_596_800_000_000
    assert [microseconds(ms) for ms in (None, -62_135_596_800_001, 253_402_300_800_000)] == [None] * 3


def test_half_a_pair_of_code_units_is_replaced() -> None:
    (result,) = results_of([opened("a", start())])
    broken = [("k:1", None, "mute \ud83d", 1, 1, 2.0)]
    batch = record_batch(table_of("states"), [(row[0], *row[2:]) for row in broken])

    assert batch.column("state").to_pylist() == ["mute ?"]
    assert record_batch(table_of("sessions"), rows_of(result)["sessions"]).num_rows == 1


def test_rows_are_plain_objects_for_other_processes(results: list[SessionResult]) -> None:
    for result in results:
        rows = rows_of(result)
        assert marshal.loads(marshal.dumps(rows)) == rows
