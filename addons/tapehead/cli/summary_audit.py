"""The audit of merged summaries, which one process would have had: that of the recordings of all replicas together."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tapehead.auditor.received_events import recorded_schemas
from tapehead.auditor.recordings_audit import audit
from tapehead.cli.config_file import load_config
from tapehead.cli.messages import NO_SESSION, warn
from tapehead.cli.progress import progress
from tapehead.cli.run_journal import AuditSummary
from tapehead.interop.reader import open_recordings
from tapehead.protocol.exchange import Severity
from tapehead.recording.pipeline import words_of
from tapehead.recording.stored_schemas import stored_schemas
from tapehead.remote.url_paths import UrlPath
from tapehead.reports.report_formats import FailOn
from tapehead.text import count_of

if TYPE_CHECKING:
    from tapehead.cli.summary_run import AuditChoice


def audit_together(recordings: Sequence[Path], choice: "AuditChoice") -> AuditSummary:
    """Return the verdict of the audit on some recordings together; without any, there is no session.

    Raises:
        RecordingError: a recording cannot be read.
        UsageError: the settings have an error.
    """
    settings = load_config(choice.config, choice.expect).settings
    sessions, findings, is_complete = 0, Counter[Severity](), True
    if recordings:
        reader = open_recordings(recordings, warn)
        is_complete = not any(isinstance(path, UrlPath) and path.notice for path in reader.files)
        with progress(len(reader.files), "recordings, {task.fields[read]:,} exchanges") as show:
            schemas = recorded_schemas(entry.exchange for entry in stored_schemas(reader.files, warn))
            for result in audit(reader.entries(show), settings, schemas):
                sessions += 1
                findings.update(finding.severity for finding in result.findings)
    fail_on = choice.fail_on
    fails = fail_on is not FailOn.NEVER and (
        not (sessions and is_complete) or any(severity.reaches(fail_on) for severity in findings)
    )
    return AuditSummary.of(sessions, findings, fails=fails, is_complete=is_complete)


def audit_lines(summary: AuditSummary, fail_on: FailOn) -> list[str]:
    """Return a verdict in lines for people."""
    found = Counter({Severity(name): count for name, count in summary.findings.items()})
    lines = [f"audit of {count_of(summary.sessions, 'session')}: {words_of(found)}"] if summary.sessions else []
    if not summary.sessions and fail_on is not FailOn.NEVER:
        lines.append(NO_SESSION)
    if summary.verdict == "incomplete":
        lines.append("the audit is incomplete: it has not all calls")
    return lines
