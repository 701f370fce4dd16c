"""Sessions in temporary rows give the same reports as sessions in memory."""

import errno
import json
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import reports
from tapehead import files
from tapehead.reports.audit.baseline import count_known, mark_new
from tapehead.reports.audit.csv_tables import render_findings, render_sessions
from tapehead.reports.audit.html_report import Detail, render_html
from tapehead.reports.audit.json_report import Report, build_report, fails, locate_findings, session_of
from tapehead.reports.audit.junit import RunCase, render_junit
from tapehead.reports.audit.sarif import render_sarif
from tapehead.reports.audit.stored_sessions import StoredSessions
from tapehead.reports.audit.text_report import render_text
from tapehead.reports.json_output import render_json, stream_json
from tapehead.reports.report_formats import Order
from tapehead.reports.stored_objects import StoredObjects
from tapehead.reports.terminal_text import TextStyle

KNOWN = [
    session_of(result)
    for result in reports.results_of(reports.faulty("faulty"), reports.documented(1, "good"), reports.long_film("long"))
]
NAMES = st.sampled_from(["", "one", "two", "Ünï ✓", "a\0b", '<b>&"'])
# Among them what JSON readers round.
SUMS = st.sampled_from([0, 1, 2**62, 2**53, 0.1, -3.5, 1e300])


@st.composite
def sessions(draw: Callable[..., Any]) -> dict[str, Any]:
    """A session of a report, mixed from those that there are."""
    session: dict[str, Any] = deepcopy(draw(st.sampled_from(KNOWN)))
    kept = draw(st.integers(0, 3))
    session["findings"] = session["findings"][:kept]
    for key in ("media_name", "media_id", "player"):
        session[key] = draw(NAMES)
    session["recording"] = draw(st.sampled_from(["b.jsonl", "a.jsonl", "ü.har"]))
    session["started"] = draw(st.sampled_from(["2026-11-23T10:00:00.020000Z", "2026-11-23T10:00:00Z", ""]))
    session["line"] = draw(st.integers(1, 3))
    if session["metrics"]:
        session["metrics"] |= {"content_time_spent": draw(SUMS), "dropped_frames": draw(SUMS)}
    return session


def forms(report: Report) -> Iterator[str]:
    """The report in every form that it has."""
    for style in (TextStyle(80), TextStyle(160, verbose=True, colour=True)):
        yield from render_text(report, style)
    yield from stream_json(report)
    yield from render_junit(report, "warning", RunCase("run", ["problem"]))
    yield from render_sarif(report)
    yield from render_html(report, [Detail()] * len(report["sessions"]), UTC)
    yield from render_sessions(report)
    yield from render_findings(report)
    yield str([fails(located.finding, "info") for located in locate_findings(report)])


def ignore(_error: OSError) -> None:
    """Take no notice."""


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    made=st.lists(sessions(), max_size=8),
    order=st.sampled_from(Order),
    most=st.sampled_from([0, 3000, 10**9]),
    known=st.none() | st.integers(0, 3),
)
def test_reports_are_the_same(made: list[dict[str, Any]], order: Order, most: int, known: int | None) -> None:
    plain = build_report(deepcopy(made), order=order)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files.TemporaryRows.__init__, "__defaults__", (most,))
        stored = StoredSessions(ignore)
        for session in made:
            stored.add(session)
        report = build_report(stored, order=order)
        if known is not None:
            baseline = Counter(dict(count_known(plain).most_common(known)))
            mark_new(plain, baseline)
            mark_new(report, baseline)

    assert list(report["sessions"]) == plain["sessions"]
    assert "".join(forms(report)) == "".join(forms(plain))
    assert "".join(stream_json(plain)) == render_json(plain)
    assert json.dumps(report["sessions"][1:3]) == json.dumps(plain["sessions"][1:3])


def test_rows_stay_in_memory_if_no_file_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[OSError] = []
    rows = StoredObjects(errors.append)
    wide = [{"number": number, "text": "x" * 1_000_000} for number in range(12)]

    def fill(_file: int, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for row in wide[:6]:
        rows.append(row)
    monkeypatch.setattr(files, "write_all", fill)
    for row in wide[6:]:
        rows.append(row)

    assert [error.errno for error in errors] == [errno.ENOSPC]
    assert list(rows) == wide
    assert rows[-1] == wide[-1]


def test_rows_that_are_on_disk_take_no_memory() -> None:
    rows = files.TemporaryRows(ignore, 1000)
    for number in range(100):
        rows.append(b"%d" % number * 100)

    assert [rows[number] for number in (99, 0, 50)] == [b"99" * 100, b"0" * 100, b"50" * 100]
    assert len(rows._held) <= 1000
