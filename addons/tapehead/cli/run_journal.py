"""The journal of a command that players call: its options, and the audit's verdict at the end."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from tapehead.cli.display import LINES, DisplaySettings
from tapehead.cli.messages import NO_SESSION
from tapehead.cli.metrics_export import begin_export, parse_otlp
from tapehead.cli.option_parsing import parse_redact_keys, store_settings
from tapehead.cli.option_types import AUDIT_SETTINGS
from tapehead.cli.summary_file import check_summary_file
from tapehead.cli.terminal import Screen
from tapehead.counts import Count
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.exchange import Severity
from tapehead.recording.paths import check_outputs
from tapehead.recording.pseudonym_keys import shared_key
from tapehead.recording.recorder_settings import BACKLOG_BYTES, StoreSettings
from tapehead.replay.on_miss import OnMiss
from tapehead.reports.report_formats import FailOn
from tapehead.text import count_of

if TYPE_CHECKING:
    from tapehead.auditor.settings import AuditSettings
    from tapehead.journal.journal_run import AuditVerdict, JournalRun
    from tapehead.recording.pipeline import OnStored
    from tapehead.replay.engine_control import EngineControl
    from tapehead.shipping.shipping_messages import ShippingSetup

# Checks the settings of the audit, and returns what returns them.
LoadSettings = Callable[[], Callable[[], "AuditSettings"]]


def default_settings() -> "AuditSettings":
    """Return the settings of an audit without a settings file."""
    from tapehead.auditor.settings import AuditSettings  # with all rules, which a server loads after its start

    return AuditSettings()


class AuditSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of the audit on a run, in its summary as JSON.

    Attributes:
        verdict: the worst severity of its findings, `clean` without any, `no session`, or `incomplete` if not all
            of it was audited.
        sessions: the number of sessions that were audited.
        findings: the number of findings of each severity.
        left_out_sessions: the number of sessions that the audit could not keep up with.
        fails: whether `--fail-on` makes the exit code 1.
    """

    verdict: str
    sessions: Count
    findings: dict[str, Count]
    left_out_sessions: Count
    fails: bool

    @classmethod
    def of(
        cls,
        sessions: int,
        findings: Mapping[Severity, int],
        *,
        fails: bool,
        left_out: int = 0,
        is_complete: bool = True,
    ) -> Self:
        """Return the verdict on sessions with findings of each severity; `is_complete` but for those left out."""
        worst = next((str(severity) for severity in Severity if findings.get(severity)), "clean")
        if not is_complete or left_out:
            worst = "incomplete"
        elif not sessions:
            worst = "no session"
        counts = {str(severity): findings.get(severity, 0) for severity in Severity}
        return cls(verdict=worst, sessions=sessions, findings=counts, left_out_sessions=left_out, fails=fails)


class JournalOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The journal of a run, as its options say.

    Attributes:
        store: the recording of all calls; None for none.
        shipping: the upload of its full files; None for none.
        load_settings: checks the settings of the audit, and returns what returns them.
        fail_on: the least severe finding that makes the command exit with 1.
        is_audited: whether calls are audited.
        has_readers: whether anything but a recording reads the journal.
        keep_ids, redact_keys: without a recording, as in `StoreSettings`.
        summary: the file for the summary as JSON of a run without an engine; None for none.
        command: the name of the command.
        otlp: the URL that takes metrics of the run; None to export none.
    """

    store: StoreSettings | None = None
    shipping: "ShippingSetup | None" = None
    load_settings: LoadSettings = lambda: default_settings
    fail_on: FailOn = FailOn.NEVER
    is_audited: bool = True
    has_readers: bool = True
    keep_ids: bool = False
    redact_keys: tuple[str, ...] = ()
    summary: Path | None = None
    command: str = ""
    otlp: str | None = None

    @property
    def is_needed(self) -> bool:
        """True if anything reads the calls."""
        return self.store is not None or self.has_readers or self.fail_on is not FailOn.NEVER

    @property
    def backlog(self) -> int:
        """The number of bytes of calls that may wait in memory."""
        return self.store.backlog if self.store else BACKLOG_BYTES

    def check(self, others: Iterable[Path]) -> None:
        """Check that the recording is none of the other files of the run.

        Raises:
            UsageError: it is.
        """
        if self.store:
            check_outputs([self.store.out], others)


NO_JOURNAL = JournalOptions(has_readers=False)


def options_of(context: Any) -> JournalOptions:
    """Return the journal that the options of `serve` and `replay` ask for.

    Args:
        context: the context of the command, with its options.

    Raises:
        UsageError: an option is malformed, or options exclude each other.
    """
    params = context.params
    out, fail_on = params["out"], FailOn(params["fail_on"])
    redact_keys, otlp = parse_redact_keys(params["redact_key"]), parse_otlp(params["otlp"])
    is_of_all = params["on_miss"] not in (OnMiss.FORWARD, OnMiss.ONCE)
    is_shown = not params["quiet"] and (params["table"] or not params["no_audit"])
    store = None
    if out and is_of_all:
        names = ("append", "overwrite", "rotate", "compress", "keep_ids", "redact_key")
        store = store_settings(Path(out), **{name: params[name] for name in names})
    return JournalOptions(
        store=store,
        load_settings=context.meta[AUDIT_SETTINGS],
        fail_on=fail_on,
        is_audited=not params["no_audit"],
        has_readers=is_shown or params["live"] is not None or otlp is not None,
        keep_ids=params["keep_ids"],
        redact_keys=redact_keys,
        command=context.info_name,
        otlp=otlp,
    )


def open_journal(
    options: JournalOptions,
    warn: Callable[[str], None],
    internal_errors: InternalErrors,
    on_stored: "Sequence[OnStored]" = (),
    screen: Screen | None = None,
    display: DisplaySettings = LINES,
    control: "EngineControl | None" = None,
) -> "AbstractContextManager[JournalRun | None]":
    """Return a context manager that fills a journal, or does nothing if nothing reads it; as `make_journal`.

    `control` is that of the engine which answers the calls.
    """
    if not options.is_needed:
        return nullcontext()
    run = make_journal(options, warn, internal_errors, on_stored, screen, display)
    run.journal.control = control
    return run


def make_journal(
    options: JournalOptions,
    warn: Callable[[str], None],
    internal_errors: InternalErrors,
    on_stored: "Sequence[OnStored]" = (),
    screen: Screen | None = None,
    display: DisplaySettings = LINES,
    *,
    has_calls: bool = False,
) -> "JournalRun":
    """Return the journal of a run, which is filled inside a `with` block.

    Args:
        options: the options.
        warn: prints a line on stderr, in any thread.
        internal_errors: records what fails.
        on_stored: subscribers to the exchanges, besides the journal.
        screen: where findings are printed when they are confirmed; None to print none.
        display: whether they are printed, and when.
        has_calls: whether calls are printed there with the findings of each alone.

    Raises:
        RecordingError: the recording cannot be written.
        UsageError: the settings file has an error in it.
    """
    check_summary_file(options.summary, [options.store.out] if options.store else [])
    from tapehead.cli.audit_end import audit_end
    from tapehead.cli.session_findings import SessionFindingPrinter
    from tapehead.journal.journal_run import JournalRun, JournalSettings
    from tapehead.recording.stored_schemas import stored_schemas

    stored = stored_schemas([options.store.out], warn) if options.store and options.is_audited else []
    schemas = None
    if stored:
        from tapehead.auditor.received_events import recorded_schemas

        schemas = recorded_schemas(entry.exchange for entry in stored)
    settings = JournalSettings(
        store=options.store,
        audit=options.load_settings() if options.is_audited else None,
        schemas=schemas,
        keep_ids=options.keep_ids,
        redact_keys=options.redact_keys,
        pseudonym_key=None if options.store or options.keep_ids else shared_key(),
    )
    show = None
    if screen and display.has_lines:
        show = SessionFindingPrinter(screen, with_calls=not has_calls, verbose=display.verbose).show
    ending = partial(audit_end, screen)
    export = partial(begin_export, options.otlp, options.command, internal_errors, warn) if options.otlp else None
    return JournalRun(settings, warn, internal_errors, on_stored, show, ending, export)


def summary_lines(run: "JournalRun | None", fail_on: FailOn) -> list[str]:
    """Return what was recorded and found, in a line each."""
    if run is None:
        return []
    verdict = run.verdict
    if verdict is None:
        return [run.recorder.summary()] if run.recorder else []
    from tapehead.recording.pipeline import words_of  # which has been loaded with the first call

    found = words_of(verdict.findings)
    lines = [run.recorder.summary(found)] if run.recorder else []
    if not run.recorder and verdict.sessions:
        lines = [f"audit of {count_of(verdict.sessions, 'session')}: {found}"]
    if not verdict.sessions and fail_on is not FailOn.NEVER:
        lines.append(NO_SESSION)
    if verdict.left_out_sessions:
        names = run.journal.totals().left_out
        more = verdict.left_out_sessions - len(names)
        named = f": {', '.join(names)}{f' and {more} more' if more > 0 else ''}" if names else ""
        lines.append(f"{count_of(verdict.left_out_sessions, 'session')} left out of the audit under load{named}")
    if verdict.ended_early:
        lines.append("the audit ended before it had all calls")
    return lines


def show_summary(run: "JournalRun | None", show: Callable[[str], None], fail_on: FailOn, more: str = "") -> bool:
    """Show what was recorded and found, with `more` behind the first line; return whether the run has failed."""
    first, *others = summary_lines(run, fail_on) or [""]
    for line in filter(None, (first + more, *others)):
        show(line)
    return has_failed(run, fail_on)


def audit_summary(run: "JournalRun | None", fail_on: FailOn) -> AuditSummary | None:
    """Return the verdict for the summary as JSON; None without an audit."""
    if run is None or run.verdict is None:
        return None
    return _summarise(run.verdict, fail_on)


def _summarise(verdict: "AuditVerdict", fail_on: FailOn) -> AuditSummary:
    return AuditSummary.of(
        verdict.sessions,
        verdict.findings,
        fails=_fails(verdict, fail_on),
        left_out=verdict.left_out_sessions,
        is_complete=verdict.is_complete,
    )


def audit_so_far(run: "JournalRun | None", fail_on: FailOn) -> AuditSummary | None:
    """Return the verdict on what is confirmed so far, in any thread; None without an audit."""
    if run is None or run.verdict is None:
        return None
    from tapehead.journal.journal_run import AuditVerdict

    counts, sessions = run.journal.run_counts()
    verdict = AuditVerdict(sessions=sessions, left_out_sessions=run.journal.left_out_in_run)
    for (_, severity), number in counts.findings.items():
        verdict.findings[Severity(severity)] += number
    return _summarise(verdict, fail_on)


def has_failed(run: "JournalRun | None", fail_on: FailOn) -> bool:
    """Return whether a run has failed: not all of it was stored, or, if that counts, it has findings or no session."""
    if run is None:
        return False
    if run.recorder and not run.recorder.is_whole:
        return True
    return run.verdict is not None and _fails(run.verdict, fail_on)


def _fails(verdict: "AuditVerdict", fail_on: FailOn) -> bool:
    if fail_on is FailOn.NEVER:
        return False
    is_whole = verdict.sessions and verdict.is_complete and not verdict.left_out_sessions
    return not is_whole or any(verdict.findings[each] for each in Severity if each.reaches(fail_on))
