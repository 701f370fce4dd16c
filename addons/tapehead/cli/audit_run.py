"""Reading recordings, auditing them, and writing the report in each format."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tapehead.auditor.coverage import Coverage
from tapehead.auditor.effective_settings import lines_in_force
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.cli.config_file import load_config
from tapehead.cli.messages import warn
from tapehead.cli.progress import progress
from tapehead.errors import RecordingError, UsageError
from tapehead.metrics.assumptions import Assumptions, parse_assumptions
from tapehead.metrics.calculator import calculate
from tapehead.protocol.exchange import Entry
from tapehead.recording.paths import check_outputs, name_of
from tapehead.recording.reader import RecordingReader
from tapehead.reports.audit.body_store import BodyStore
from tapehead.reports.audit.coverage_section import render_coverage
from tapehead.reports.audit.html_report import Detail, render_html
from tapehead.reports.audit.json_report import Report, build_report, fails, locate_findings, session_of
from tapehead.reports.audit.junit import render_junit
from tapehead.reports.audit.sarif import render_sarif
from tapehead.reports.audit.text_report import render_text
from tapehead.reports.json_output import render_json
from tapehead.reports.report_formats import FailOn, Format, Target
from tapehead.reports.report_output import style_for, write_report
from tapehead.reports.report_wording import totals_of
from tapehead.reports.timeline import Timeline, timeline_of

# Events that the pages' timelines show in all; sessions without findings may take half of them.
MOST_EVENTS_DRAWN = 80_000


def run(
    recordings: Sequence[str],
    targets: Sequence[Target],
    *,
    fail_on: FailOn,
    assume: Iterable[str],
    config: Path | None,
    expect: Sequence[str],
    coverage: bool,
    verbose: bool,
) -> int:
    """Audit recordings, write the report and return the exit code: 2 if a recording that was named cannot be read.

    Raises:
        UsageError: an assumption is unknown.
        RecordingError: nothing could be read.
    """
    try:
        assumptions = parse_assumptions(assume)
    except ValueError as error:
        raise UsageError(f"--assume: {error}") from error
    reader = RecordingReader(recordings, warn, strict=False)
    check_outputs((target.output for target in targets if target.output), reader.files)
    loaded = load_config(config, expect)
    has_pages = any(target.form is Format.HTML for target in targets)
    results = _Results(has_pages, Coverage(loaded.settings) if coverage else None)
    if verbose:
        for line in lines_in_force(loaded.settings, str(loaded.source) if loaded.source else None):
            warn(line)
    _audit(reader, assumptions, loaded.settings, results)
    report = build_report(results.sessions)
    if results.coverage:
        report["coverage"] = results.coverage.report().report()
    for target in targets:
        write_report(_render(target, report, results, fail_on, verbose=verbose), target.output)
    if all(target.output for target in targets):
        written = ", ".join(str(target.output) for target in targets)
        warn(f"{totals_of(report['summary'])}; wrote {written}")
    if reader.unreadable:
        return 2
    return int(any(fails(located.finding, fail_on) for located in locate_findings(report)))


# ---- Reading ----


@dataclass
class _Results:
    """The results of an audit, in the order of the recordings' lines."""

    has_pages: bool
    coverage: Coverage | None = None
    rows: list[tuple[tuple[int, int], dict[str, object], Timeline | None]] = field(default_factory=list)
    bodies: BodyStore = field(default_factory=BodyStore)
    events_left: int = MOST_EVENTS_DRAWN

    @property
    def sessions(self) -> list[dict[str, object]]:
        return [session for _, session, _ in self.rows]

    def keep_bodies(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the entries, having kept their bodies if pages are to show them."""
        for entry in entries:
            if self.has_pages:
                self.bodies.keep(entry.recording, entry)
            yield entry

    def add(self, position: tuple[int, int], result: SessionResult) -> None:
        self.rows.append((position, session_of(result), self._draw(result)))
        if self.coverage:
            self.coverage.add(result)

    def _draw(self, result: SessionResult) -> Timeline | None:
        reserve = 0 if result.findings else MOST_EVENTS_DRAWN // 2
        if not self.has_pages or result.events > self.events_left - reserve:
            return None
        self.events_left -= result.events
        return timeline_of(result)

    def details(self) -> list[Detail]:
        return [Detail(drawn, self.bodies.of(drawn)) if drawn else Detail() for _, _, drawn in self.rows]


def _audit(reader: RecordingReader, assumptions: Assumptions, settings: AuditSettings, results: _Results) -> None:
    """Audit everything that can be read.

    Raises:
        RecordingError: nothing could be read.
    """
    order = {name_of(path): number for number, path in enumerate(reader.files)}
    with progress(len(reader.files), "recordings, {task.fields[read]:,} exchanges") as show:
        entries = results.keep_bodies(reader.entries(show))
        for result in audit(entries, settings, measure=partial(calculate, assume=assumptions)):
            results.add((order.get(result.recording, -1), result.line), result)
    if not reader.exchanges:
        raise RecordingError("nothing to audit: no recording could be read")
    results.rows.sort(key=lambda item: item[0])


# ---- Writing ----


def _render(target: Target, report: Report, results: _Results, fail_on: FailOn, *, verbose: bool) -> str:
    match target.form:
        case Format.JSON:
            return render_json(report)
        case Format.JUNIT:
            return render_junit(report, fail_on)
        case Format.SARIF:
            return render_sarif(report)
        case Format.HTML:
            return render_html(report, results.details())
        case Format.TEXT:
            style = style_for(target.output, verbose=verbose)
            text, coverage = render_text(report, style), results.coverage
            return f"{text}\n{render_coverage(coverage.report(), style)}" if coverage else text
