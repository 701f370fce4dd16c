"""The report as CSV: RFC 4180 in UTF-8, exact numbers, and no formulas."""

import csv
from io import StringIO
from typing import Any

import pytest

from support import reports
from tapehead.metrics.catalog import METRICS
from tapehead.reports.audit.baseline import mark_new
from tapehead.reports.audit.csv_tables import cell_of, render_findings, render_sessions, render_table
from tapehead.reports.audit.json_report import locate_findings

REPORT = reports.report_of(reports.faulty("faulty-session"), reports.documented(1, "documented-1"))


def read(text: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(StringIO(text, newline="")))


def test_a_session_is_a_row_with_its_counts_and_metrics() -> None:
    faulty, documented = read("".join(render_sessions(REPORT)))

    assert {key: faulty[key] for key in ("id", "player", "number", "recordings", "line", "outcome", "events")} == {
        "id": "faulty-session",
        "player": "web-player",
        "number": "1",
        "recordings": "recording.jsonl",
        "line": "22",
        "outcome": "ended",
        "events": "17",
    }
    summary = REPORT["summary"]
    for counted in ("errors", "warnings", "infos"):
        assert int(faulty[counted]) + int(documented[counted]) == summary[counted]
    assert int(faulty["errors"]) > 0 == int(documented["errors"])
    assert float(documented["content_time_spent"]) == REPORT["sessions"][1]["metrics"]["content_time_spent"]
    assert {metric.key for metric in METRICS if metric.scope == "session"} <= set(documented)


def test_a_finding_is_a_row_with_its_place_and_session() -> None:
    rows = read("".join(render_findings(REPORT)))
    found = list(locate_findings(REPORT))

    assert [(row["rule"], row["message"], int(row["line"])) for row in rows] == [
        (each.finding["rule"], each.finding["message"], each.finding["line"]) for each in found
    ]
    row = next(row for row in rows if row["rule"] == "ad-outside-break")
    assert (row["event_index"], row["event_type"], row["event_ordinal"], row["event_playhead"]) == (
        "1",
        "adStart",
        "1",
        "0",
    )
    assert (row["id"], row["media_name"], row["recording"]) == ("faulty-session", reports.SCRIPT, "recording.jsonl")
    assert "new" not in row


def test_a_baseline_adds_whether_a_finding_is_new() -> None:
    report = reports.report_of(reports.faulty("faulty-session"))
    mark_new(report, {})

    assert {row["new"] for row in read("".join(render_findings(report)))} == {"1"}


def test_lines_end_and_quotes_are_doubled_as_rfc_4180_has_it() -> None:
    table = "".join(render_table(["a", "b"], [['say "hi"', "x,y"], [None, 1.5]]))

    assert table == 'a,b\r\n"say ""hi""","x,y"\r\n,1.5\r\n'


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\u00a0=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201"]
)
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    assert cell_of(text) == f"'{text}"
    assert cell_of([text, "b"]) == f"'{text}; b"


@pytest.mark.parametrize(
    ("value", "cell"), [(-1.5, -1.5), (None, None), ("a-b", "a-b"), ("", ""), (["a", "b"], "a; b")]
)
def test_numbers_and_other_texts_stay_as_they_are(value: object, cell: object) -> None:
    assert cell_of(value) == cell


@pytest.mark.parametrize("control", ["\t", "\r", "\n", "\x00", "\x1b"])
def test_control_characters_begin_no_formula_and_break_no_row(control: str) -> None:
    assert cell_of(f"a{control}b") == "a\ufffdb"
    assert "'" not in str(cell_of(f"{control}b"))


def test_what_players_send_begins_no_cell_as_a_formula() -> None:
    start = reports.START | {"media.name": '=HYPERLINK("https://example.com")', "media.playerName": "@player"}
    report = reports.report_of(reports.session("-sid", [reports.event(0, "sessionStart", 0, start)]))

    for text in ("".join(render_sessions(report)), "".join(render_findings(report))):
        for row in read(text):
            numbers = {key for key in row if key in ("event_playhead", "event_ts")}
            assert not [key for key in row if key not in numbers and (row[key] or "").startswith(tuple("=+-@"))]
            assert row["media_name"].startswith("'=HYPERLINK")
