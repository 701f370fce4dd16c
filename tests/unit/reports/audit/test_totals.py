"""Totals of sessions: overall, and by player, content and recording."""

from datetime import UTC, datetime
from typing import Any

import pytest

from support import reports
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import Outcome
from tapehead.protocol.exchange import Entry, Severity
from tapehead.reports.audit.html_report import Detail, render_html
from tapehead.reports.audit.json_report import build_report, locate_findings, session_of
from tapehead.reports.audit.text_report import render_text
from tapehead.reports.audit.totals import build_totals, facts_of
from tapehead.reports.report_formats import Order
from tapehead.reports.terminal_text import TextStyle


def clip(sid: str, seconds: int, began: float, *, odd: bool = False, **params: Any) -> Any:
    """A session that plays for some seconds; `odd` for an error."""
    start = reports.START | {"media.length": seconds} | {f"media.{key}": value for key, value in params.items()}
    events = [
        reports.event(0, "sessionStart", 0, start),
        reports.event(0, "play", -1 if odd else 0),
        reports.event(seconds, "sessionComplete", seconds),
    ]
    return reports.session(sid, events, began=began)


def results() -> list[dict[str, Any]]:
    """Three sessions in two recordings: two contents, and two players."""
    first = reports.results_of(clip("a", 8, 0), clip("b", 5, 100, playerName="tv", id="clip-2"), recording="one.jsonl")
    second = reports.results_of(clip("c", 3, 200, odd=True), recording="two.jsonl")
    return list(map(session_of, first + second))


def rows(report: dict[str, Any], group: str) -> list[tuple[Any, ...]]:
    return [
        (row["name"], row["sessions"], row["events"], row["errors"] > 0, row["metrics"]["content_time_spent"])
        for row in report["totals"][group]
    ]


def test_groups_add_up_sessions_events_findings_and_metrics_the_worst_first() -> None:
    report = build_report(results())

    assert rows(report, "players") == [("web-player", 2, 6, True, 11.0), ("tv", 1, 3, False, 5.0)]
    assert rows(report, "recordings") == [("two.jsonl", 1, 3, True, 3.0), ("one.jsonl", 2, 6, False, 13.0)]
    for severity in Severity:
        found = sum(each.finding["severity"] == severity for each in locate_findings(report))
        assert report["totals"]["overall"][f"{severity}s"] == found
        assert sum(row[f"{severity}s"] for row in report["totals"]["contents"]) == found
    assert [row["media_id"] for row in report["totals"]["contents"]] == ["clip-1", "clip-2"]
    assert report["totals"]["overall"]["sessions"] == 3
    assert report["totals"]["overall"]["metrics"]["content_time_spent"] == 16.0
    assert report["totals"]["overall"]["metrics"]["content_completes"] == 3


def test_groups_stand_by_time_where_sessions_do() -> None:
    report = build_report(results(), order=Order.TIME)

    assert [name for name, *_ in rows(report, "recordings")] == ["one.jsonl", "two.jsonl"]
    assert [session["id"] for session in report["sessions"]] == ["a", "b", "c"]


def fake(player: str, errors: int, outcome: Outcome = Outcome.ENDED, time: float = 0.0) -> dict[str, Any]:
    """A session as `build_totals` needs it."""
    (session,) = map(session_of, reports.results_of(clip("s", 1, 0)))
    findings = [{"severity": "error"}] * errors
    metrics = session["metrics"] | {"content_time_spent": time}
    return session | {"player": player, "findings": findings, "outcome": outcome, "metrics": metrics}


def test_groups_are_sorted_by_their_sums() -> None:
    """The worst session is one of the tv player, the most errors are of the web player."""
    sessions = [fake("tv", 2), fake("web", 1), fake("web", 1), fake("web", 1)]

    assert [row["name"] for row in build_totals(list(map(facts_of, sessions)), Order.WORST)["players"]] == ["web", "tv"]
    assert [row["name"] for row in build_totals(list(map(facts_of, sessions)), Order.TIME)["players"]] == ["tv", "web"]


def test_results_that_are_no_sessions_are_not_counted_as_such() -> None:
    sessions = [fake("tv", 0), fake("tv", 1, Outcome.LATE_EVENTS), fake("tv", 1, Outcome.NONE)]
    overall = build_totals(list(map(facts_of, sessions)), Order.WORST)["overall"]

    assert (overall["sessions"], overall["errors"], overall["events"]) == (1, 2, 9)


def test_sums_keep_milliseconds_and_no_more() -> None:
    summed = build_totals([facts_of(fake("tv", 0, time=seconds)) for seconds in (0.1, 0.2004)], Order.WORST)["overall"][
        "metrics"
    ]

    assert summed["content_time_spent"] == 0.3


def test_points_in_time_and_averages_have_no_sum() -> None:
    summed = build_report(results())["totals"]["overall"]["metrics"]

    assert not {"time_to_start", "seconds_since_last_call", "average_bitrate", "content_segment"} & set(summed)
    assert {"media_time_spent", "ad_starts", "estimated_streams", "average_minute_audience"} <= set(summed)


def test_sums_beyond_exact_integers_can_be_written() -> None:
    sessions = results()
    for session in sessions:
        session["metrics"]["dropped_frames"] = 2**62

    assert build_report(sessions)["totals"]["overall"]["metrics"]["dropped_frames"] == float(3 * 2**62)


def test_text_has_the_totals_of_groups_with_several_rows() -> None:
    report = build_report(results(), date=datetime(2026, 11, 29, 18, 30, tzinfo=UTC))
    text = "".join(render_text(report, TextStyle(80)))
    lines = text.splitlines()

    assert lines[0] == "audit of 2 recordings, 2026-11-29 18:30+00:00"
    told = [line.split() for line in lines if line.startswith(("web-player ", "tv "))]
    assert [(name, sessions, *times) for name, sessions, _, _, _, *times in told] == [
        ("web-player", "2", "0:11", "0:00", "2"),
        ("tv", "1", "0:05", "0:00", "1"),
    ]
    for (_, _, *counts, _, _, _), row in zip(told, report["totals"]["players"], strict=True):
        assert counts == [str(row[f"{severity}s"]) for severity in Severity]
    assert "First clip (clip-2)" in text
    assert "content time 0:16, ad time 0:00, 3 media starts, 3 content completes" in lines


def test_text_on_one_of_each_has_no_tables_of_groups() -> None:
    text = "".join(render_text(reports.report_of(clip("a", 8, 0)), TextStyle(80)))

    assert text.splitlines()[0] == "audit of recording.jsonl"
    assert "completes\n" not in text.replace("content complete", "")


def test_long_groups_are_cut_without_verbose() -> None:
    many = [clip(f"s{n}", 2, 10 * n, id=f"clip-{n}", name=f"Clip {n}") for n in range(12)]
    report = reports.report_of(*many)

    assert "and 2 more; -v shows all" in "".join(render_text(report, TextStyle(80)))
    assert "Clip 11  " in "".join(render_text(report, TextStyle(80, verbose=True)))


@pytest.mark.parametrize("width", [80, 160])
def test_every_session_names_its_files(width: int) -> None:
    exchanges = list(clip("a", 8, 0))
    entries = [Entry(1, each, name) for each, name in zip(exchanges, ("a.jsonl", "b.jsonl", "a.jsonl"), strict=True)]
    report = build_report(map(session_of, audit(entries)))

    assert report["sessions"][0]["recordings"] == ["a.jsonl", "b.jsonl"]
    row = "".join(render_text(report, TextStyle(width))).partition("outcome")[2].splitlines()[1:3]
    assert "a.jsonl, b.jsonl" in row[width < 120]
    assert row[0].startswith("a  ")


def test_all_recordings_are_listed_also_those_without_sessions() -> None:
    report = build_report(results(), recordings=["one.jsonl", "two.jsonl", "nothing.jsonl"])

    assert report["recordings"] == ["one.jsonl", "two.jsonl", "nothing.jsonl"]
    assert "  nothing.jsonl\n" in "".join(render_text(report, TextStyle(80, verbose=True)))
    assert "nothing.jsonl" not in "".join(render_text(report, TextStyle(80)))
    assert "<li>nothing.jsonl</li>" in "".join(render_html(report, [Detail()] * 3, UTC))


def test_the_page_has_totals_date_and_files() -> None:
    report = build_report(results(), date=datetime(2026, 11, 29, 18, 30, tzinfo=UTC))
    page = "".join(render_html(report, [Detail()] * 3, UTC))

    assert "audit of 2 recordings, 2026-11-29 18:30+00:00, by tapehead" in page
    assert page.count('aria-label="Totals by ') == 3
    assert 'data-text="clip-2"' in page
    assert "<td>0:11</td>" in page
    assert '<span class="sub">two.jsonl</span>' in page
    assert '<option value="worst" selected>' in page
