"""Reading recordings, auditing them, and writing the report in each format."""

import contextlib
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tapehead.auditor.effective_settings import lines_in_force
from tapehead.auditor.received_events import recorded_schemas
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.settings import AuditSettings
from tapehead.cli.audit_results import AuditResults
from tapehead.cli.baseline_file import BaselineFile
from tapehead.cli.config_file import load_config
from tapehead.cli.messages import NO_SESSION, RECORD_A_PLAYER, nothing_read, warn
from tapehead.cli.progress import progress
from tapehead.errors import UsageError
from tapehead.interop.reader import open_recordings
from tapehead.metrics.assumptions import Assumptions, parse_assumptions
from tapehead.metrics.calculator import calculate
from tapehead.recording.paths import check_outputs, name_of, quoted_names
from tapehead.recording.reader import RecordingReader
from tapehead.recording.stored_schemas import stored_schemas
from tapehead.reports.audit.json_report import Report, build_report, fails, locate_findings
from tapehead.reports.json_output import stream_json
from tapehead.reports.report_formats import FailOn, Format, Order, Target
from tapehead.reports.report_output import report_zone, style_for, write_report
from tapehead.reports.report_wording import totals_of
from tapehead.reports.terminal_text import TextStyle
from tapehead.text import format_number

if TYPE_CHECKING:
    from tapehead.auditor.coverage import Coverage
    from tapehead.auditor.scenarios import Scenario
    from tapehead.reports.audit.junit import RunCase


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
    jobs: int = 1
    run: "RunCase | None" = None


class Audited(NamedTuple):
    """The exit code of an audit, 2 if a recording that was named cannot be read; and its report, if any could."""

    code: int
    report: Report | None


def run(
    recordings: Sequence[Path],
    targets: Sequence[Target],
    options: AuditOptions,
    engine: "Callable[[LocalReading], AuditReading] | None" = None,
) -> Audited:
    """Audit recordings, and write the report; without recordings, one without sessions.

    Args:
        recordings: the recordings.
        targets: the reports.
        options: the options.
        engine: returns what reads and audits the recordings; None for this machine.

    Raises:
        UsageError: an assumption or a scenario is unknown, or the baseline cannot be used.
    """
    with naming("--assume"):
        assumptions = parse_assumptions(options.assume)
    scenarios = find_scenarios(options.scenarios)
    date = report_date()
    loaded = load_config(options.config, options.expect)
    local = LocalReading(recordings, options, assumptions, scenarios, loaded.settings, Warnings())
    reading = engine(local) if engine else local
    reader = reading.open()
    outputs = [target.output for target in targets if target.output]
    check_outputs([*outputs, *([options.baseline] if options.baseline else [])], reader.files)
    baseline = BaselineFile(options.baseline, write=options.write_baseline)
    has_pages = any(target.form is Format.HTML for target in targets)
    if options.verbose:
        for line in lines_in_force(loaded.settings, str(loaded.source) if loaded.source else None):
            warn(line)
    reader, results = reading.audit(reader, has_pages=has_pages)
    if recordings and not reader.exchanges:
        return Audited(nothing_read("audit", recordings), None)
    names = [name_of(path) for path in reader.files]
    report = build_report(results.sessions, date=date, recordings=names, order=options.order)
    results.details.arrange(results.sessions.order)
    baseline.apply(report, is_complete=not reader.unreadable)
    if results.coverage:
        report["coverage"] = results.coverage.report().report()
    problems = [*problems_of(report, options, has_recordings=bool(recordings))]
    problems += [f"cannot read '{name_of(path)}'" for path in reader.unreadable]
    for target in targets:
        styled = target.form is Format.TEXT
        write_report(render(target, report, results, options, problems), target.output, styled=styled)
    is_written = options.write_baseline and not reader.unreadable
    baselines = [options.baseline] if options.baseline and is_written else []
    if all(target.output for target in targets) and not options.run:
        warn(f"{totals_of(report['summary'])}; wrote {quoted_names([*outputs, *baselines])}")
    elif baselines:
        warn(f"wrote the baseline '{options.baseline}'")
    has_failed = bool(problems) or any(fails(located.finding, options.fail_on) for located in locate_findings(report))
    return Audited(2 if reader.unreadable else int(has_failed), report)


def find_scenarios(names: Sequence[str]) -> "list[Scenario]":
    """Return the scenarios of these names, each once.

    Raises:
        UsageError: one is unknown.
    """
    if not names:
        return []
    from tapehead.auditor.scenario_catalog import find_scenario

    with naming("--scenario"):
        return [find_scenario(name) for name in dict.fromkeys(names)]


def coverage_of(settings: AuditSettings) -> "Coverage":
    """Return the coverage of the tracking plan, to which results are added."""
    from tapehead.auditor.coverage import Coverage

    return Coverage(settings)


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
    if options.scenarios:
        from tapehead.reports.audit.scenario_section import passes

        if not passes(report):
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


class Warnings:
    """Warnings of a reader, each printed once where the recordings are read again."""

    def __init__(self) -> None:
        self._printed: Counter[str] = Counter()
        self._read: Counter[str] = Counter()

    def warn(self, line: str) -> None:
        """Print a line, unless it was printed in an earlier reading."""
        self._read[line] += 1
        if self._read[line] > self._printed[line]:
            self._printed[line] += 1
            warn(line)

    def read_again(self) -> None:
        """Begin another reading."""
        self._read.clear()


class AuditReading(Protocol):
    """A reading and an audit of recordings, on whichever machines."""

    def open(self) -> RecordingReader:
        """Return a reader of the recordings."""
        ...

    def audit(self, reader: RecordingReader, *, has_pages: bool) -> tuple[RecordingReader, AuditResults]:
        """Audit everything that can be read; return the reader that has read it, which may be another, and results."""
        ...


class LocalReading(NamedTuple):
    """A reading and an audit of recordings on this machine."""

    recordings: Sequence[Path]
    options: AuditOptions
    assumptions: Assumptions
    scenarios: "Sequence[Scenario]"
    settings: AuditSettings
    warnings: Warnings

    def open(self) -> RecordingReader:
        """Return a reader of the recordings."""
        return open_recordings(self.recordings, self.warnings.warn, strict=False, endpoints=self.options.endpoints)

    def audit(self, reader: RecordingReader, *, has_pages: bool) -> tuple[RecordingReader, AuditResults]:
        """Audit everything that can be read; return the reader that has read it, which may be another, and results."""
        # What a page shows of sessions depends on those before, and a pipe cannot be read again.
        can_divide = not has_pages and all(map(os.path.isfile, reader.files))
        jobs = count_jobs(self.options.jobs) if can_divide else 1
        if jobs > 1:
            from tapehead.auditor.divided_audit import NotDivisibleError

            try:
                return reader, self._audit(reader, self.results(has_pages), jobs)
            except NotDivisibleError:
                warn(f"the sessions cannot be divided among {jobs} processes; reading everything again in one")
                self.warnings.read_again()
                reader = self.open()
        return reader, self._audit(reader, self.results(has_pages), 1)

    def results(self, has_pages: bool) -> AuditResults:
        """Return empty results."""
        coverage = coverage_of(self.settings) if self.options.coverage else None
        return AuditResults(has_pages, coverage, self.scenarios)

    def _audit(self, reader: RecordingReader, results: AuditResults, jobs: int) -> AuditResults:
        with progress(len(reader.files), "recordings, {task.fields[read]:,} exchanges") as show:
            entries = results.keep_bodies(reader.entries(show, outlined=jobs > 1))
            # What an endpoint accepts does not depend on when its schemas were fetched.
            schemas = recorded_schemas(entry.exchange for entry in stored_schemas(reader.files, self.warnings.warn))
            if jobs == 1:
                for result in audit(entries, self.settings, schemas, partial(calculate, assume=self.assumptions)):
                    results.add(result)
            else:
                from tapehead.cli.audit_workers import audit_in_processes
                from tapehead.reports.audit.result_rows import AuditSetup

                names = [scenario.name for scenario in self.scenarios]
                setup = AuditSetup(jobs, self.settings, schemas, self.assumptions, names, self.options.coverage)
                with contextlib.closing(audit_in_processes(entries, setup)) as rows:
                    for row in rows:
                        results.add_row(row)
        warn_without_session(reader, results)
        return results


def warn_without_session(reader: RecordingReader, results: AuditResults) -> None:
    """Warn if there are exchanges, and no session."""
    if reader.exchanges and not results.sessions:
        warn(f"no session in {quoted_names(reader.files)}; {RECORD_A_PLAYER}")


def count_jobs(jobs: int) -> int:
    """Return the number of processes that an option asks for; 0 asks for one for each core that is there."""
    return jobs or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


# ---- Writing ----


def render(
    target: Target, report: Report, results: AuditResults, options: AuditOptions, problems: Sequence[str]
) -> Iterator[str]:
    """Return the parts of the report in a format, of which no other format's modules are loaded."""
    match target.form:
        case Format.JSON:
            return stream_json(report)
        case Format.JUNIT:
            from tapehead.reports.audit.junit import RunCase, render_junit

            case = options.run or RunCase("tapehead audit")
            case = case._replace(problems=[*case.problems, *problems])
            return render_junit(report, options.fail_on, case if options.run or case.problems else None)
        case Format.SARIF:
            from tapehead.reports.audit.sarif import render_sarif

            return render_sarif(report)
        case Format.HTML:
            from tapehead.reports.audit.html_report import render_html

            return render_html(report, results.details, report_zone())
        case Format.CSV | Format.CSV_FINDINGS:
            from tapehead.reports.audit.csv_tables import render_findings, render_sessions

            return render_sessions(report) if target.form is Format.CSV else render_findings(report)
        case Format.TEXT:
            return _render_text(report, style_for(target.output, verbose=options.verbose), results)


def _render_text(report: Report, style: TextStyle, results: AuditResults) -> Iterator[str]:
    from tapehead.reports.audit.text_report import render_text

    yield from render_text(report, style)
    if results.scenarios:
        from tapehead.reports.audit.scenario_section import render_scenarios

        yield "\n"
        yield from render_scenarios(report, style)
    if results.coverage:
        from tapehead.reports.audit.coverage_section import render_coverage

        yield f"\n{render_coverage(results.coverage.report(), style)}"
