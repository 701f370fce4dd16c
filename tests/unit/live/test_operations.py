"""`/metrics` as Prometheus reads it, and `/healthz`: names, labels, values, bounds, and what a call costs."""

import re
import time
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.exchanges import entries, event, exchange, opened, request, response, sent, start
from tapehead import __version__
from tapehead.auditor.results import SessionFinding
from tapehead.internal_errors import InternalErrors
from tapehead.journal.audit_interface import AuditState
from tapehead.journal.journal import Journal
from tapehead.journal.run_counts import MOST_RULES, OTHER, RunCounts
from tapehead.journal.run_metrics import RunMetric, RunMetrics, Sample
from tapehead.journal.stored_rows import Limits, NewFinding
from tapehead.live.api_model import Api, ApiRequest, Query
from tapehead.live.operations import TEXT_FORMAT, render_metrics, show_health, show_metrics
from tapehead.live.stored_audit import StoredAudit
from tapehead.live.wait_limit import WaitLimit
from tapehead.protocol.exchange import Answered, Exchange, Severity, encode
from tapehead.protocol.routes import Call

# Conventions of Prometheus: the units of names, and counters that say that they are.
UNITS = ("_seconds", "_bytes", "_calls", "_info", "_running", "_writable")
Values = dict[str, dict[tuple[tuple[str, str], ...], float]]


class Audit(StoredAudit):
    """An audit in a given state."""

    def __init__(self, state: AuditState) -> None:
        super().__init__()
        self._state = state

    def state(self) -> AuditState:
        return self._state


class Writer:
    """A writer whose disk does or does not take its lines."""

    written, lost_so_far, unconfirmed, waiting_bytes = 8, 3, 1, 500

    def __init__(self, *, is_down: bool) -> None:
        self.is_down = is_down


def filled(exchanges: Iterable[Exchange], limits: Limits | None = None) -> Journal:
    journal = Journal(limits)
    for each in exchanges:
        journal.add(each, encode(each))
    return journal


def api_of(journal: Journal, internal_errors: InternalErrors | None = None) -> Api:
    metrics = RunMetrics(journal, "serve", internal_errors or InternalErrors())
    return Api(journal, None, "serve", WaitLimit(), lambda _error: None, metrics)


def values_of(text: bytes | str) -> Values:
    """The samples of metrics, by their names and labels."""
    found: Values = {}
    for family in text_string_to_metric_families(text if isinstance(text, str) else text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def shown(journal: Journal, internal_errors: InternalErrors | None = None) -> Values:
    answer = show_metrics(api_of(journal, internal_errors), ApiRequest(Query(dict_of(), {}), {}))
    assert answer.headers["content-type"] == TEXT_FORMAT
    return values_of(bytes(answer.body))


def dict_of() -> Any:
    from starlette.datastructures import QueryParams

    return QueryParams({})


def health_of(journal: Journal) -> tuple[int, dict[str, Any]]:
    answer = show_health(api_of(journal), ApiRequest(Query(dict_of(), {}), {}))
    return answer.status_code, orjson.loads(bytes(answer.body))


CALLS = [
    opened("s1", start()),
    sent("s1", event("ping", 1, 1), 1),
    sent("s1", event("ping", 2, 2), 2, 404),
    sent("s1", event("ping", 3, 3), 3, None),
    sent("s1", event("nonsense", 4, 4), 4),
    exchange(request(b"", method="OPTIONS"), response(200), 5),
]


def test_calls_are_counted_by_type_and_status() -> None:
    calls = shown(filled(CALLS))["tapehead_calls_total"]

    assert {(dict(labels)["type"], dict(labels)["status"]): count for labels, count in calls.items()} == {
        ("sessionStart", "201"): 1,
        ("ping", "204"): 1,
        ("ping", "404"): 1,
        ("ping", "none"): 1,
        ("other", "204"): 1,
        ("preflight", "200"): 1,
    }


def test_durations_are_in_a_histogram() -> None:
    slow = [Exchange(**{name: getattr(CALLS[1], name) for name in CALLS[1].__struct_fields__} | {"elapsed_ms": ms})
            for ms in (0.4, 5, 12_000)]  # fmt: skip
    found = shown(filled(slow))
    buckets = {dict(labels)["le"]: count for labels, count in found["tapehead_call_duration_seconds_bucket"].items()}

    assert (buckets["0.001"], buckets["0.0025"], buckets["0.005"], buckets["10.0"], buckets["+Inf"]) == (1, 1, 2, 2, 3)
    assert list(buckets.values()) == sorted(buckets.values())
    assert found["tapehead_call_duration_seconds_count"][()] == 3
    assert found["tapehead_call_duration_seconds_sum"][()] == pytest.approx(12.0054)


def test_answers_are_counted_by_their_origin() -> None:
    fields = {name: getattr(CALLS[1], name) for name in CALLS[1].__struct_fields__}
    answered = [Exchange(**fields | {"answered": Answered(outcome)}) for outcome in ("hit", "hit", "miss", "")]

    assert shown(filled(answered))["tapehead_answers_total"] == {(("outcome", "hit"),): 2, (("outcome", "miss"),): 1}


def found(number: int, rule: str, state: str = "confirmed", severity: Severity = Severity.ERROR) -> NewFinding:
    finding = SessionFinding(rule=rule, severity=severity, message="", path="", event=None, line=number, recording="")
    return NewFinding(number, state, "s1", finding)


def test_a_finding_counts_once_it_is_confirmed() -> None:
    journal = filled(CALLS)
    before = shown(journal).get("tapehead_findings_total", {})
    journal.apply([found(1, "ping-gap", "provisional"), found(2, "ping-gap", "provisional")])
    assert shown(journal).get("tapehead_findings_total", {}) == before
    for state in ("confirmed", "confirmed", "withdrawn"):
        journal.apply([found(1, "ping-gap", state)])

    assert shown(journal)["tapehead_findings_total"][("rule", "ping-gap"), ("severity", "error")] == 1


def test_a_reset_takes_nothing_back() -> None:
    journal = filled(CALLS)
    journal.apply([found(1, "ping-gap")])
    before = shown(journal)
    journal.reset()
    after = shown(journal)

    counters = {name for name in before if name.endswith("_total") and name.startswith("tapehead_")}
    assert counters >= {"tapehead_calls_total", "tapehead_findings_total", "tapehead_sessions_total"}
    assert {name: before[name] for name in counters} == {name: after[name] for name in counters}
    assert after["tapehead_sessions_total"][()] == 1


def test_the_state_of_recording_and_audit_is_told() -> None:
    journal, errors = filled(CALLS), InternalErrors()
    journal.attach(Audit(AuditState(is_wanted=True, is_running=False, waiting=7, left_out=5)))
    journal.writer = Writer(is_down=True)  # type: ignore[assignment]
    journal.leave_out("s1", 5)
    errors.record("a test", ValueError())
    values = {name: by_labels[()] for name, by_labels in shown(journal, errors).items() if () in by_labels}

    assert (
        values.items()
        >= {
            "tapehead_audit_running": 0,
            "tapehead_audit_backlog_calls": 7,
            "tapehead_audit_left_out_calls_total": 5,
            "tapehead_audit_left_out_sessions_total": 1,
            "tapehead_recording_writable": 0,
            "tapehead_recording_exchanges_total": 8,
            "tapehead_recording_lost_exchanges_total": 3,
            "tapehead_recording_unconfirmed_exchanges_total": 1,
            "tapehead_recording_backlog_bytes": 500,
            "tapehead_internal_errors_total": 1,
        }.items()
    )
    assert 0 <= values["tapehead_uptime_seconds"] < 60


def test_version_and_process_are_told() -> None:
    values = shown(filled([]))

    (labels,) = values["tapehead_build_info"]
    assert dict(labels).items() >= {"version": __version__, "command": "serve"}.items()
    assert values["process_resident_memory_bytes"][()] > 1_000_000
    assert values["process_cpu_seconds_total"][()] > 0


def test_names_follow_the_conventions_and_all_are_explained() -> None:
    journal = filled(CALLS)
    journal.attach(Audit(AuditState(is_wanted=True, is_running=True)))
    journal.writer = Writer(is_down=False)  # type: ignore[assignment]
    text = bytes(show_metrics(api_of(journal), ApiRequest(Query(dict_of(), {}), {})).body).decode()
    families = [each for each in text_string_to_metric_families(text) if each.name.startswith("tapehead_")]

    assert len(families) >= 15
    for family in families:
        assert re.fullmatch(r"tapehead(_[a-z]+)+", family.name)
        assert family.documentation.endswith(".")
        assert family.type in ("counter", "gauge", "histogram")
        if family.type != "counter":
            assert family.name.endswith(UNITS)
    assert "_created" not in text


HOSTILE = 'a"b\\c\nd}e # HELP x\u2028'


def test_labels_are_escaped() -> None:
    metric = RunMetric("calls", "counter", f"What {HOSTILE} is.", (Sample(2, {"type": HOSTILE}),))
    text = render_metrics([metric])

    assert values_of(text)["tapehead_calls_total"] == {(("type", HOSTILE),): 2}


def test_players_cannot_add_labels_without_end() -> None:
    counts = RunCounts()
    for number in range(3000):
        counts.add_call(f"type{number}", number, 0.01, "")
        counts.add_finding(f"rule{number}", "error")

    assert len(counts.calls) <= 502
    assert {kind for kind, _ in counts.calls} == {OTHER}
    assert sum(counts.calls.values()) == sum(counts.findings.values()) == 3000
    assert len(counts.findings) <= MOST_RULES + 1


def test_every_call_of_the_api_has_a_type() -> None:
    counts = RunCounts()
    for call in Call:
        counts.add_call(f"({call})", 200, 0.0, "")

    assert {kind for kind, _ in counts.calls} == set(Call)


@pytest.mark.parametrize(
    ("is_down", "state", "expected"),
    [
        (None, None, (200, {"status": "ok", "recording": "none", "audit": "none", "backlog": 0})),
        (False, AuditState(True, True, 4), (200, {"status": "ok", "recording": "ok", "audit": "ok", "backlog": 4})),
        (None, AuditState(False, True), (200, {"status": "ok", "recording": "none", "audit": "none", "backlog": 0})),
        (
            True,
            AuditState(True, True),
            (503, {"status": "failing", "recording": "failing", "audit": "ok", "backlog": 0,
                   "error": "the recording cannot be written"}),
        ),
        (
            True,
            AuditState(True, False, 9),
            (503, {"status": "failing", "recording": "failing", "audit": "failing", "backlog": 9,
                   "error": "the recording cannot be written, and the audit has ended"}),
        ),
    ],
)  # fmt: skip
def test_health_is_that_of_recording_and_audit(
    is_down: bool | None, state: AuditState | None, expected: tuple[int, dict[str, Any]]
) -> None:
    journal = filled(CALLS)
    if state:
        journal.attach(Audit(state))
    if is_down is not None:
        journal.writer = Writer(is_down=is_down)  # type: ignore[assignment]

    assert health_of(journal) == expected


def test_a_call_is_counted_at_next_to_no_cost() -> None:
    counts, calls = RunCounts(), 20_000
    best = float("inf")
    for _ in range(5):
        began = time.thread_time()
        for _ in range(calls):
            counts.add_call("ping", 204, 0.0042, "hit")
        best = min(best, (time.thread_time() - began) / calls)

    # Less than a microsecond here; a machine that is busy or slow has some more.
    assert best < 10e-6


def test_entries_of_the_journal_stay_few_while_counts_go_on() -> None:
    journal = filled((entry.exchange for entry in entries(CALLS * 20)), Limits(calls=10, sessions=2))

    assert sum(shown(journal)["tapehead_calls_total"].values()) == 120
