"""Reading recordings, auditing them, and writing the report in each format."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

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
from tapehead.reports.terminal_text import TextStyle
from tapehead.reports.timeline import Timeline, timeline_of

# Events that the pages' pictures show in all; sessions without findings may take half of them.
MOST_EVENTS_DRAWN = 80_000


class Request(NamedTuple):
    """The options of an audit."""

    recordings: tuple[str, ...]
    targets: tuple[Target, ...]
    fail_on: FailOn
    assume: tuple[str, ...]
    config: Path | None
    expect: tuple[str, ...]
    coverage: bool
    verbose: bool


def run(request: Request) -> int:
    """Audit recordings, write the report and return the exit code: 2 if a recording that was named cannot be read.

    Raises:
        UsageError: an assumption is unknown.
        RecordingError: nothing could be read.
    """
    assumptions = _assumptions(request.assume)
    reader = RecordingReader(request.recordings, warn, strict=False)
    check_outputs((target.output for target in request.targets if target.output), reader.files)
    config = load_config(request.config, request.expect)
    pictures = any(target.form is Format.HTML for target in request.targets)
    gathered = _Gathered(pictures, Coverage(config.settings) if request.coverage else None)
    if request.verbose:
        for line in lines_in_force(config.settings, str(config.source) if config.source else None):
            warn(line)
    _gather(reader, assumptions, config.settings, gathered)
    report = build_report(gathered.sessions)
    if gathered.coverage:
        report["coverage"] = gathered.coverage.report().report()
    for target in request.targets:
        write_report(_render(target, report, gathered, request), target.output)
    if all(target.output for target in request.targets):
        written = ", ".join(str(target.output) for target in request.targets)
        warn(f"{totals_of(report['summary'])}; wrote {written}")
    if reader.unreadable:
        return 2
    return int(any(fails(located.finding, request.fail_on) for located in locate_findings(report)))


def _assumptions(settings: Iterable[str]) -> Assumptions:
    try:
        return parse_assumptions(settings)
    except ValueError as error:
        raise UsageError(f"--assume: {error}") from error


# ---- Reading ----


@dataclass
class _Gathered:
    """The results of an audit, in the order of the recordings' lines."""

    pictures: bool
    coverage: Coverage | None = None
    results: list[tuple[tuple[int, int], dict[str, object], Timeline | None]] = field(default_factory=list)
    bodies: BodyStore = field(default_factory=BodyStore)
    room: int = MOST_EVENTS_DRAWN

    @property
    def sessions(self) -> list[dict[str, object]]:
        return [session for _, session, _ in self.results]

    def keep_bodies(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the entries, having kept their bodies if pages are to show them."""
        for entry in entries:
            if self.pictures:
                self.bodies.keep(entry.recording, entry)
            yield entry

    def add(self, place: tuple[int, int], result: SessionResult) -> None:
        self.results.append((place, session_of(result), self._draw(result)))
        if self.coverage:
            self.coverage.add(result)

    def _draw(self, result: SessionResult) -> Timeline | None:
        reserve = 0 if result.findings else MOST_EVENTS_DRAWN // 2
        if not self.pictures or result.events > self.room - reserve:
            return None
        self.room -= result.events
        return timeline_of(result)

    def details(self) -> list[Detail]:
        return [Detail(picture, self.bodies.of(picture)) if picture else Detail() for _, _, picture in self.results]


def _gather(reader: RecordingReader, assumptions: Assumptions, settings: AuditSettings, gathered: _Gathered) -> None:
    """Audit everything that can be read.

    Raises:
        RecordingError: nothing could be read.
    """
    order = {name_of(path): number for number, path in enumerate(reader.files)}
    with progress(len(reader.files), "recordings, {task.fields[read]:,} exchanges") as show:
        entries = gathered.keep_bodies(reader.entries(show))
        for result in audit(entries, settings, measure=partial(calculate, assume=assumptions)):
            gathered.add((order.get(result.recording, -1), result.line), result)
    if not reader.exchanges:
        raise RecordingError("nothing to audit: no recording could be read")
    gathered.results.sort(key=lambda item: item[0])


# ---- Writing ----


def _render(target: Target, report: Report, gathered: _Gathered, request: Request) -> str:
    match target.form:
        case Format.JSON:
            return render_json(report)
        case Format.JUNIT:
            return render_junit(report, request.fail_on)
        case Format.SARIF:
            return render_sarif(report)
        case Format.HTML:
            return render_html(report, gathered.details())
        case Format.TEXT:
            style = style_for(target.output, verbose=request.verbose)
            return render_text(report, style) + _render_coverage(gathered.coverage, style)


def _render_coverage(coverage: Coverage | None, style: TextStyle) -> str:
    if coverage is None:
        return ""
    return f"\n{render_coverage(coverage.report(), style)}"
