"""The audit's memory: few bytes are left of a session that is over, and a report adds few as it is written."""

import gc
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from support import reports
from tapehead import files
from tapehead.auditor import received_events
from tapehead.auditor.recordings_audit import audit
from tapehead.cli.audit_results import AuditResults
from tapehead.cli.audit_run import AuditOptions, render
from tapehead.protocol import events
from tapehead.protocol.exchange import Entry, decode, encode
from tapehead.reports.audit import html_report
from tapehead.reports.audit.json_report import build_report
from tapehead.reports.report_formats import Format, Order, Target

FEW, MANY = 100, 300
# Bytes of each session that is over, and of each while a report is built and written.
MOST_LEFT, MOST_RENDERED = 230, 200


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have few sessions fill what has a bound, and trace memory."""
    monkeypatch.setattr(files.TemporaryRows.__init__, "__defaults__", (2000,))
    monkeypatch.setattr(received_events, "_MOST_SHARED", 10)
    monkeypatch.setattr(events, "_known_time", events._parse_time)
    monkeypatch.setattr(html_report, "LARGE", 0)
    monkeypatch.setattr(html_report, "BLOCK", 4000)
    gc.freeze()  # else each collection looks at all that other tests of the process have left
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.unfreeze()


def entries(count: int) -> Iterator[Entry]:
    """Short sessions, each of another viewer, one after the other."""
    line = 0
    for number in range(count):
        viewer = {"visitor.marketingCloudUserId": f"{10**37 + number}"}
        bodies = [
            reports.event(0, "sessionStart", 0, reports.START | viewer),
            reports.event(1, "play", 0),
            reports.event(12, "sessionEnd", 11),
        ]
        for exchange in reports.session(f"{number:064x}", bodies, began=number * 200):
            line += 1
            yield Entry(line, decode(encode(exchange)), "recording.jsonl")


def allocated() -> int:
    """The bytes that are allocated."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def audit_sessions(count: int) -> tuple[int, dict[str, int]]:
    """Audit so many sessions; return the bytes that are left of them, and those that each step of a report adds."""
    results, before = AuditResults(has_pages=True), allocated()
    for result in audit(results.keep_bodies(entries(count + 1))):
        results.add(result)
        del result
        if len(results.sessions) == count:
            left = allocated() - before
    added, before = dict[str, int](), allocated()
    tracemalloc.reset_peak()
    report = build_report(results.sessions, date=datetime.now(UTC), recordings=["recording.jsonl"], order=Order.WORST)
    added["order"] = tracemalloc.get_traced_memory()[1] - before
    results.details.arrange(results.sessions.order)
    for form in Format:
        before = allocated()
        tracemalloc.reset_peak()
        for number, _ in enumerate(render(Target(form, None), report, results, AuditOptions(), [])):
            if number % 100 == 0:  # so that garbage does not count
                gc.collect()
        added[form] = tracemalloc.get_traced_memory()[1] - before
    return left, added


def test_few_bytes_of_each_session_are_in_memory() -> None:
    audit_sessions(2)  # modules, and what is cached
    (left, added), (more_left, more_added) = audit_sessions(FEW), audit_sessions(MANY)
    rendered = {step: (more_added[step] - added[step]) / (MANY - FEW) for step in added}

    assert (more_left - left) / (MANY - FEW) < MOST_LEFT
    assert {step: growth for step, growth in rendered.items() if growth > MOST_RENDERED} == {}
