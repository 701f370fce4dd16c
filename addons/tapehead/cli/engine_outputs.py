"""The outputs of `replay` and `serve`: the terminal, the live page with the engine's control, and the journal."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tapehead.cli.display import DisplaySettings
from tapehead.cli.offline_run import EngineRun
from tapehead.cli.run_journal import JournalOptions, audit_so_far, open_journal
from tapehead.cli.run_outputs import RunOutputs, run_outputs
from tapehead.cli.run_report import RunReport
from tapehead.cli.terminal import Screen, UnmatchedRequests
from tapehead.reports.report_formats import FailOn

if TYPE_CHECKING:
    from tapehead.journal.journal_run import JournalRun


def engine_outputs(
    command: str,
    run: EngineRun,
    journal: JournalOptions,
    display: DisplaySettings,
    screen: Screen,
    warn: Callable[[str], None],
    *,
    unmatched: UnmatchedRequests | None = None,
    has_workers: bool = False,
) -> "AbstractContextManager[RunOutputs[JournalRun | None]]":
    """Return the outputs of a run that answers calls, as `run_outputs`.

    Args:
        command: the name of the command.
        run: the run.
        journal: the journal of its calls.
        display: how answers are shown.
        screen: the terminal.
        warn: prints a line on stderr, in any thread.
        unmatched: the requests to the endpoint that were no collection call; None if other processes count them.
        has_workers: whether other processes answer.
    """
    errors, control = run.internal_errors, run.control
    return run_outputs(
        command,
        display,
        screen,
        errors,
        partial(open_journal, journal, warn, errors, screen=screen, display=display, control=control),
        control,
        has_workers=has_workers,
        summarise=partial(_report_so_far, run, journal.fail_on, unmatched),
    )


def _report_so_far(
    run: EngineRun, fail_on: FailOn, unmatched: UnmatchedRequests | None, kept: "JournalRun | None"
) -> RunReport:
    """Return the summary of a run up to now, in any thread while others answer."""
    report = run.report_so_far(unmatched.count if unmatched else 0)
    return msgspec.structs.replace(report, audit=audit_so_far(kept, fail_on))
