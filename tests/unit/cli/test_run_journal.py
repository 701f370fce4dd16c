"""Verdicts of the audit on a run: which of them fail it, and what its summaries say."""

from collections import Counter
from types import SimpleNamespace

import pytest

from tapehead.auditor.settings import AuditSettings
from tapehead.cli.option_types import AUDIT_SETTINGS
from tapehead.cli.run_journal import audit_summary, has_failed, options_of, summary_lines
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal_run import AuditVerdict, JournalRun, JournalSettings
from tapehead.protocol.exchange import Severity
from tapehead.reports.report_formats import FailOn

FAILING = ["error", "warning"]
ERROR, WARNING, INFO = (Counter([severity]) for severity in Severity)
ENDED_EARLY = "the audit ended before it had all calls"


@pytest.mark.parametrize(
    ("verdict", "said", "fails_on", "line"),
    [
        (AuditVerdict(sessions=2), "clean", [], "audit of 2 sessions: no findings"),
        (AuditVerdict(sessions=1, findings=INFO), "info", [], "audit of 1 session: 1 info"),
        (AuditVerdict(sessions=1, findings=WARNING), "warning", ["warning"], "audit of 1 session: 1 warning"),
        (AuditVerdict(sessions=1, findings=ERROR), "error", FAILING, "audit of 1 session: 1 error"),
        (AuditVerdict(), "no session", FAILING, None),
        (
            AuditVerdict(sessions=1, left_out_sessions=2),
            "incomplete",
            ["error", "warning"],
            "2 sessions left out of the audit",
        ),
        (
            AuditVerdict(sessions=1, is_complete=False),
            "incomplete",
            ["error", "warning"],
            "audit of 1 session: no",
        ),
        (AuditVerdict(is_complete=False, ended_early=True), "incomplete", FAILING, ENDED_EARLY),
    ],
)
def test_a_verdict_fails_a_run_if_that_counts_and_not_only_what_was_found(
    verdict: AuditVerdict, said: str, fails_on: list[str], line: str | None
) -> None:
    run = JournalRun(JournalSettings(audit=AuditSettings), pytest.fail, InternalErrors())
    run.verdict = verdict

    for fail_on in FailOn:
        summary = audit_summary(run, fail_on)
        assert summary
        assert (summary.verdict, summary.fails) == (said, fail_on in fails_on)
        assert has_failed(run, fail_on) is summary.fails
        lines = summary_lines(run, fail_on)
        assert ("no session to audit" in lines) is (not verdict.sessions and fail_on is not FailOn.NEVER)
        assert line is None or any(each.startswith(line) for each in lines)


@pytest.mark.parametrize(
    ("given", "is_needed"),
    [
        ({}, True),
        ({"no_audit": True}, False),
        ({"no_audit": True, "live": 0}, True),
        ({"no_audit": True, "table": True}, True),
        ({"quiet": True}, False),
        ({"quiet": True, "table": True}, False),
        ({"quiet": True, "live": 0}, True),
    ],
)
def test_calls_are_kept_where_something_reads_them(given: dict[str, object], is_needed: bool) -> None:
    """Lines of calls do not: they come from the answers."""
    usual = {"quiet": False, "no_audit": False, "live": None, "table": False, "otlp": None}
    others = {"out": None, "fail_on": "never", "redact_key": None, "on_miss": "simulate", "keep_ids": False}

    context = SimpleNamespace(
        params={**usual, **others, **given}, meta={AUDIT_SETTINGS: lambda: AuditSettings}, info_name="serve"
    )
    assert options_of(context).is_needed is is_needed
