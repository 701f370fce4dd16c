"""Reads recordings, audits them, and brings the report to where it is wanted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import typer

from tapehead.audit.coverage import Coverage
from tapehead.audit.effective_settings import lines_in_force
from tapehead.audit.results import SessionResult
from tapehead.audit.session_audit import audit
from tapehead.audit.settings import Settings
from tapehead.cli.config_file import load_config
from tapehead.cli.progress import Show, progress
from tapehead.errors import RecordingError, TapeheadError, UsageError
from tapehead.metrics.assumptions import Assumptions, parse_assumptions
from tapehead.metrics.calculator import calculate
from tapehead.protocol.exchange import Entry
from tapehead.recording.format_versions import BadLine
from tapehead.recording.paths import check_outputs, find_recordings, name_of
from tapehead.recording.reader import MOST_COMPLAINTS, read_recording
from tapehead.reports.audit.bodies import BodyStore
from tapehead.reports.audit.coverage import render_coverage
from tapehead.reports.audit.html import Detail, render_html
from tapehead.reports.audit.junit import render_junit
from tapehead.reports.audit.model import Report, build_report, fails, places_of, render_json, session_of
from tapehead.reports.audit.plain_text import render_text
from tapehead.reports.audit.sarif import render_sarif
from tapehead.reports.output import deliver, look_at
from tapehead.reports.report_formats import FailOn, Format, Target
from tapehead.reports.rule_text import render_rule, render_rules
from tapehead.reports.terminal import TextStyle
from tapehead.reports.timeline import Timeline, timeline_of
from tapehead.reports.wording import totals_of
from tapehead.rules.catalog import RULES
from tapehead.text import escape_controls, nearest

# Events that the pages' pictures show in all; sessions without findings may take half of them.
MOST_EVENTS_DRAWN = 80_000

_SHOWN_EVERY = 500


class Request(NamedTuple):
    """What is asked of an audit: recordings, where the report goes, when it fails, what metrics assume."""

    recordings: tuple[str, ...]
    targets: tuple[Target, ...]
    fail_on: FailOn
    assume: tuple[str, ...]
    config: Path | None
    expect: tuple[str, ...]
    coverage: bool
    verbose: bool


def run(request: Request) -> int:
    """Audit recordings and deliver the report; the exit code: 2 if a recording that was named could not be read.

    Raises:
        UsageError: an assumption is unknown.
        RecordingError: nothing could be read.
    """
    assumptions = _assumptions(request.assume)
    recordings = list(_find(request.recordings))
    check_outputs((target.output for target in request.targets if target.output), recordings)
    config = load_config(request.config, request.expect)
    pictures = any(target.form is Format.HTML for target in request.targets)
    gathered = _Gathered(pictures, Coverage(config.settings) if request.coverage else None)
    if request.verbose:
        for line in lines_in_force(config.settings, str(config.source) if config.source else None):
            _warn(line)
    unread = _gather(recordings, assumptions, config.settings, gathered)
    report = build_report(gathered.sessions)
    if gathered.coverage:
        report["coverage"] = gathered.coverage.report().report()
    for target in request.targets:
        deliver(_render(target, report, gathered, request), target.output)
    if all(target.output for target in request.targets):
        written = ", ".join(str(target.output) for target in request.targets)
        _warn(f"{totals_of(report['summary'])}; wrote {written}")
    if unread.intersection(request.recordings):
        return 2
    return int(any(fails(place.finding, request.fail_on) for place in places_of(report)))


def explain(rule: str | None) -> None:
    """Print the catalogue, or what it says of one rule.

    Raises:
        UsageError: there is no such rule.
    """
    if rule is None:
        typer.echo(render_rules(look_at(None)), nl=False)
    elif rule in RULES:
        typer.echo(render_rule(RULES[rule], look_at(None)), nl=False)
    else:
        hint = nearest(rule, tuple(RULES)) or "; tapehead rules lists them"
        raise UsageError(f"there is no rule {rule}{hint}")


def _warn(line: str) -> None:
    typer.echo(f"tapehead: {escape_controls(line)}", err=True)


def _assumptions(settings: Iterable[str]) -> Assumptions:
    try:
        return parse_assumptions(settings)
    except ValueError as error:
        raise UsageError(f"--assume: {error}") from error


# ---- Reading ----


@dataclass
class _Gathered:
    """What the audit gave, in the order of the recordings' lines."""

    pictures: bool
    coverage: Coverage | None = None
    results: list[tuple[tuple[int, int], dict[str, object], Timeline | None]] = field(default_factory=list)
    bodies: BodyStore = field(default_factory=BodyStore)
    room: int = MOST_EVENTS_DRAWN

    @property
    def sessions(self) -> list[dict[str, object]]:
        return [session for _, session, _ in self.results]

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


def _gather(recordings: Sequence[Path], assumptions: Assumptions, settings: Settings, gathered: _Gathered) -> set[str]:
    """Read and audit everything that can be read; the names of what cannot.

    Raises:
        RecordingError: nothing could.
    """
    order = {name_of(path): number for number, path in enumerate(recordings)}
    with progress(len(recordings), "recordings, {task.fields[read]:,} exchanges") as show:
        reader = _Reader(recordings, gathered.bodies if gathered.pictures else None, show)
        for result in audit(reader.entries(), settings, measure=partial(calculate, assume=assumptions)):
            gathered.add((order.get(result.recording, -1), result.line), result)
    if not reader.read:
        raise RecordingError("nothing to audit: no recording could be read")
    gathered.results.sort(key=lambda item: item[0])
    return reader.unread


def _find(names: Iterable[str]) -> Iterator[Path]:
    """The recordings that names stand for, each once; a folder without any is complained of."""
    found: dict[Path, None] = {}
    for path in map(Path, names):
        if path.is_dir():
            inside = find_recordings(path)
            found |= dict.fromkeys(inside)
            if not inside:
                _warn(f"{path}: there is no recording (*.jsonl, *.jsonl.zst) in this folder")
        else:
            found[path] = None
    # Under two spellings it is one recording.
    once = {each.resolve(): each for each in reversed(found)}
    return reversed(once.values())


class _Reader:
    """Reads recordings one after the other; what cannot be read is complained of and hides nothing else.

    Attributes:
        read: how many exchanges were read.
        unread: the recordings that could not be read.
    """

    def __init__(self, recordings: Iterable[Path], bodies: BodyStore | None, show: Show) -> None:
        self._recordings = recordings
        self._bodies = bodies
        self._show = show
        self._done = 0
        self.read = 0
        self.unread: set[str] = set()

    def entries(self) -> Iterator[tuple[str, Entry]]:
        for recording in self._recordings:
            try:
                yield from self._entries(recording)
            except TapeheadError as problem:
                _warn(str(problem))
                self.unread.add(str(recording))
            self._done += 1
            self._show(self._done, self.read)

    def _entries(self, recording: Path) -> Iterator[tuple[str, Entry]]:
        name, bad, begun = name_of(recording), 0, False
        # Only a file with exchanges in it has lines that are none; any other is no recording as a whole.
        waiting: list[BadLine] = []
        for item in read_recording(recording):
            if isinstance(item, BadLine):
                bad += 1
                waiting += [item] if bad <= MOST_COMPLAINTS else []
            else:
                begun = True
                yield name, self._take(name, item)
            if begun:
                _complain_of(name, waiting)
                waiting.clear()
        if bad > MOST_COMPLAINTS:
            _warn(f"{name}: skipped {bad - MOST_COMPLAINTS} more lines that are no exchanges")

    def _take(self, name: str, entry: Entry) -> Entry:
        self.read += 1
        if self.read % _SHOWN_EVERY == 0:
            self._show(self._done, self.read)
        if self._bodies:
            self._bodies.keep(name, entry)
        return entry


def _complain_of(name: str, lines: Iterable[BadLine]) -> None:
    for line in lines:
        _warn(f"{name}:{line.line}: skipped, {line.reason}")


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
            look = look_at(target.output, verbose=request.verbose)
            return render_text(report, look) + _render_coverage(gathered.coverage, look)


def _render_coverage(coverage: Coverage | None, look: TextStyle) -> str:
    if coverage is None:
        return ""
    shown = render_coverage(coverage.report(), look.width, colour=look.colour, verbose=look.verbose)
    return f"\n{shown}"
