"""The outputs of a command that players call: the terminal, the live page and the journal."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tapehead.cli.display import DisplaySettings, ShowTable, live_table
from tapehead.cli.terminal import Screen, announce
from tapehead.internal_errors import InternalErrors
from tapehead.live.live_page import link_lines, live_page

if TYPE_CHECKING:
    from tapehead.journal.journal_run import JournalRun
    from tapehead.live.server import LiveServer
    from tapehead.replay.engine_control import EngineControl


class RunOutputs[K: "JournalRun | None"](NamedTuple):
    """The outputs of a run.

    Attributes:
        kept: the journal; None where nothing reads the calls.
        screen: the terminal.
        page: the live page; None without one.
        show_table: shows the table of sessions, if there is one.
        recording: the recording, where that is worth a line.
    """

    kept: K
    screen: Screen
    page: "LiveServer | None"
    show_table: ShowTable
    recording: Path | None = None

    def announce(self, addresses: Iterable[tuple[str, int]], notes: Iterable[str] = ()) -> None:
        """Say where calls can come, after some notes; begin to show the table."""
        announce(self.screen.show, addresses, [*notes, *link_lines(self.page)])
        if self.recording:
            self.screen.show(f"recording into {self.recording}")
        self.show_table(self.kept, addresses, link_lines(self.page)[:1])


# Those of a run that may or may not have a journal.
AnyOutputs = RunOutputs["JournalRun"] | RunOutputs["JournalRun | None"]


@contextmanager
def run_outputs[K: "JournalRun | None"](
    command: str,
    display: DisplaySettings,
    screen: Screen,
    internal_errors: InternalErrors,
    open_journal: Callable[[], AbstractContextManager[K]],
    control: "EngineControl | None" = None,
    *,
    has_workers: bool = False,
    summarise: Callable[[K], msgspec.Struct] | None = None,
    recording: Path | None = None,
) -> Iterator[RunOutputs[K]]:
    """Open the outputs of a run inside a `with` block, and serve the live page.

    Args:
        command: the name of the command.
        display: how calls are shown.
        screen: the terminal.
        internal_errors: counts what fails.
        open_journal: opens the journal, once the port of the page is known to be free.
        control: the engine that answers the calls; None where none does.
        has_workers: whether other processes answer them, each with an engine like that.
        summarise: returns the summary of the run so far, given the journal, in any thread; None without one.
        recording: the recording, where a line is to name it.

    Raises:
        StartupError: nothing can listen on the port of the page.
        TapeheadError: the recording cannot be written, or the settings have an error.
    """
    with (
        live_table(display, f"tapehead {command}", screen) as show_table,
        live_page(display.live, command, internal_errors) as page,
        open_journal() as kept,
    ):
        if page and kept is not None:
            so_far = partial(summarise, kept) if summarise else None
            page.serve(kept.journal, control, has_workers=has_workers, summarise=so_far)
        yield RunOutputs(kept, screen, page, show_table, recording)
