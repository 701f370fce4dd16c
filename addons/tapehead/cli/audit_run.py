"""Reading recordings, auditing them, and writing the report in each format."""

import contextlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tapehead.auditor.coverage import Coverage
from tapehead.auditor.effective_settings import lines_in_force
from tapehead.auditor.received_events import recorded_schemas
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.auditor.scenario_catalog import find_scenario
from tapehead.auditor.scenarios import Scenario
from tapehead.auditor.settings import AuditSettings
from tapehead.auditor.timeline import Timeline, timeline_of
from tapehead.cli.baseline_file import BaselineFile
from tapehead.cli.config_file import load_config
from tapehead.cli.messages import RECORD_A_PLAYER, nothing_read, warn
from tapehead.cli.progress import progress
from tapehead.cli.run_journal import NO_SESSION
from tapehead.errors import UsageError
from tapehead.interop.reader import open_recordings
from tapehead.metrics.assumptions import Assumptions, parse_assumptions
from tapehead.metrics.calculator import calculate
from tapehead.protocol.exchange import Entry
from tapehead.recording.paths import check_outputs, name_of
from tapehead.recording.reader import RecordingReader
from tapehead.recording.stored_schemas import stored_schemas
from tapehead.reports.audit.body_store import BodyStore
from tapehead.reports.audit.coverage_section import render_coverage
from tapehead.reports.audit.csv_tables import render_findings, render_sessions
from tapehead.reports.audit.html_report import Detail, render_html
from tapehead.reports.audit.json_report import Report, build_report, fails, locate_findings, session_of
from tapehead.reports.audit.junit import RunCase, render_junit
from tapehead.reports.audit.sarif import render_sarif
from tapehead.reports.audit.scenario_section import checklists_of, passes, render_scenarios
from tapehead.reports.audit.text_report import render_text
from tapehead.reports.json_output import render_json
from tapehead.reports.report_formats import FailOn, Format, Order, Target
from tapehead.reports.report_output import report_zone, style_for, write_report
from tapehead.reports.report_wording import totals_of
from tapehead.text import format_number

# Events that the pages' timelines show in all; sessions without findings may take half of them.
MOST_EVENTS_DRAWN = 250_000


class AuditOptions(NamedTuple):
    """The options of an audit besides recordings and reports; the command's help describes them."""

    endpoints: Sequence[str] = ()
    fail_on: FailOn = FailOn.ERROR
    assume: Iterable[str] = ()
    config: Path | None = None
    expect: Sequence[str] = ()
    coverage: bool = False
    fail_under: float | None = None
    scenarios: Sequence[str] = ()
    verbose: bool = False
    order: Order = Order.WORST
    baseline: Path | None = None
    write_baseline: bool = False
    run: RunCase | None = None


class Audited(NamedTuple):
    """The exit code of an audit, 2 if a recording that was named cannot be read; and its report, if any could."""

    code: int
    report: Report | None


def run(recordings: Sequence[Path], targets: Sequence[Target], options: AuditOptions) -> Audited:
    """Audit recordings, and write the report; without recordings, one without sessions.

    Raises:
        UsageError: an assumption or a scenario is unknown, or the baseline cannot be used.
    """
    with naming("--assume"):
        assumptions = parse_assumptions(options.assume)
    with naming("--scenario"):
        scenarios = [find_scenario(name) for name in dict.fromkeys(options.scenarios)]
    date = report_date()
    reader = open_recordings(recordings, warn, strict=False, endpoints=options.endpoints)
    outputs = [target.output for target in targets if target.output]
    check_outputs([*outputs, *([options.baseline] if options.baseline else [])], reader.files)
    baseline = BaselineFile(options.baseline, write=options.write_baseline)
    loaded = load_config(options.config, options.expect)
    has_pages = any(target.form is Format.HTML for target in targets)
    results = _Results(has_pages, Coverage(loaded.settings) if options.coverage else None, scenarios)
    if options.verbose:
        for line in lines_in_force(loaded.settings, str(loaded.source) if loaded.source else None):
            warn(line)
    _audit(reader, assumptions, loaded.settings, results)
    if recordings and not reader.exchanges:
        return Audited(nothing_read("audit", recordings), None)
    names = [name_of(path) for path in reader.files]
    report = build_report(results.sessions, date=date, recordings=names, order=options.order)
    baseline.apply(report, is_complete=not reader.unreadable)
    if results.coverage:
        report["coverage"] = results.coverage.report().report()
    problems = [*problems_of(report, options, has_recordings=bool(recordings))]
    problems += [f"cannot read '{name_of(path)}'" for path in reader.unreadable]
    case = options.run or RunCase("tapehead audit")
    case = case._replace(problems=[*case.problems, *problems])
    for target in targets:
        styled = target.form is Format.TEXT
        write_report(_render(target, report, results, options, case), target.output, styled=styled)
    baselines = [options.baseline] if options.write_baseline and not reader.unreadable else []
    if all(target.output for target in targets) and not options.run:
        warn(f"{totals_of(report['summary'])}; wrote {', '.join(map(str, [*outputs, *baselines]))}")
    elif baselines:
        warn(f"wrote the baseline '{options.baseline}'")
    has_failed = bool(problems) or any(fails(located.finding, options.fail_on) for located in locate_findings(report))
    return Audited(2 if reader.unreadable else int(has_failed), report)


@contextlib.contextmanager
def naming(option: str) -> Iterator[None]:
    """Name an option whose value is invalid.

    Raises:
        UsageError: it is.
    """
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def report_date() -> datetime:
    """Return the date of the report: now, or SOURCE_DATE_EPOCH where that is set, for reports equal to the byte.

    Raises:
        UsageError: SOURCE_DATE_EPOCH is no time.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"invalid SOURCE_DATE_EPOCH '{given}': expected seconds since 1970") from error


def problems_of(report: Report, options: AuditOptions, *, has_recordings: bool) -> Iterator[str]:
    """Yield what fails an audit besides findings, and warn of what the report does not say."""
    if has_recordings and not report["sessions"] and options.fail_on is not FailOn.NEVER:
        yield NO_SESSION
    if options.scenarios and not passes(report):
        yield "not every session shows all steps of its scenarios"
    if problem := problem_of_coverage(report, options.fail_under):
        warn(problem)
        yield problem


def problem_of_coverage(report: Report, fail_under: float | None) -> str:
    """Return in a sentence that less of the tracking plan was exercised than asked for; nothing if that is not so."""
    percent = report["coverage"]["percent"] if fail_under is not None else math.inf
    if percent is None:
        return "the tracking plan is empty, so --fail-under cannot be met; add expectations to the settings"
    if fail_under is None or percent >= fail_under:
        return ""
    return f"coverage is {format_number(percent)} %, below --fail-under {format_number(fail_under)}"


# ---- Reading ----


@dataclass
class _Results:
    """The results of an audit."""

    has_pages: bool
    coverage: Coverage | None = None
    scenarios: Sequence[Scenario] = ()
    rows: list[tuple[dict[str, Any], Timeline | None]] = field(default_factory=list)
    bodies: BodyStore = field(default_factory=BodyStore)
    events_left: int = MOST_EVENTS_DRAWN

    @property
    def sessions(self) -> list[dict[str, Any]]:
        return [session for session, _ in self.rows]

    def keep_bodies(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the entries, having kept their bodies if pages are to show them."""
        for entry in entries:
            if self.has_pages:
                self.bodies.keep(entry.recording, entry)
            yield entry

    def add(self, result: SessionResult) -> None:
        session = session_of(result) | checklists_of(result, self.scenarios)
        self.rows.append((session, self._draw(result)))
        if self.coverage:
            self.coverage.add(result)

    def _draw(self, result: SessionResult) -> Timeline | None:
        reserve = 0 if result.findings else MOST_EVENTS_DRAWN // 2
        if not self.has_pages or result.events > self.events_left - reserve:
            return None
        self.events_left -= result.events
        return timeline_of(result)

    def details(self, report: Report) -> list[Detail]:
        """Return what pages show of the sessions of a report, in its order."""
        timelines = {id(session): drawn for session, drawn in self.rows}
        ordered = (timelines[id(session)] for session in report["sessions"])
        return [Detail(drawn, self.bodies.of(drawn)) if drawn else Detail() for drawn in ordered]


def _audit(reader: RecordingReader, assumptions: Assumptions, settings: AuditSettings, results: _Results) -> None:
    """Audit everything that can be read."""
    with progress(len(reader.files), "recordings, {task.fields[read]:,} exchanges") as show:
        entries = results.keep_bodies(reader.entries(show))
        # What an endpoint accepts does not depend on when its schemas were fetched.
        schemas = recorded_schemas(entry.exchange for entry in stored_schemas(reader.files, warn))
        for result in audit(entries, settings, schemas, partial(calculate, assume=assumptions)):
            results.add(result)
    if reader.exchanges and not results.rows:
        warn(f"no session in {', '.join(map(name_of, reader.files))}; {RECORD_A_PLAYER}")


# ---- Writing ----


def _render(target: Target, report: Report, results: _Results, options: AuditOptions, case: RunCase) -> str:
    match target.form:
        case Format.JSON:
            return render_json(report)
        case Format.JUNIT:
            return render_junit(report, options.fail_on, case if options.run or case.problems else None)
        case Format.SARIF:
            return render_sarif(report)
        case Format.HTML:
            return render_html(report, results.details(report), report_zone())
        case Format.CSV:
            return render_sessions(report)
        case Format.CSV_FINDINGS:
            return render_findings(report)
        case Format.TEXT:
            style = style_for(target.output, verbose=options.verbose)
            text, coverage = render_text(report, style), results.coverage
            text = f"{text}\n{render_scenarios(report, style)}" if results.scenarios else text
            return f"{text}\n{render_coverage(coverage.report(), style)}" if coverage else text
