"""The display of calls on the terminal and on a live page, as options say."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from tapehead.answers import Observer
from tapehead.cli.option_parsing import parse_live
from tapehead.cli.terminal import Screen, observer
from tapehead.live.live_settings import LiveSettings
from tapehead.text import http_url

if TYPE_CHECKING:
    from tapehead.journal.journal_run import JournalRun

# Shows the table of a run, given where it listens, and the lines about its live page.
ShowTable = Callable[["JournalRun | None", Iterable[tuple[str, int]], Iterable[str]], None]


class DisplaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the display of calls, on the terminal and on a live page.

    Attributes:
        quiet: whether the terminal shows no calls.
        verbose: whether it also shows why each answer was chosen, keys, and findings that are not confirmed.
        table: whether it shows a table of sessions instead of lines.
        live: the live page and the HTTP API; None for none.
    """

    quiet: bool = False
    verbose: bool = False
    table: bool = False
    live: LiveSettings | None = None

    @property
    def has_lines(self) -> bool:
        """True if calls and findings are lines on the terminal."""
        return not (self.quiet or self.table)


LINES = DisplaySettings()


def display_of(params: Mapping[str, Any], warn: Callable[[str], None]) -> DisplaySettings:
    """Return the display that the options ask for, by parameter; without a terminal, lines instead of a table.

    Raises:
        UsageError: the token or an origin is invalid.
    """
    has_table = params["table"] and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if params["table"] and not has_table:
        warn("--table needs a terminal with a cursor on stdout; printing lines instead")
    live = parse_live(params["live"], params["token"], params["live_origin"])
    return DisplaySettings(quiet=params["quiet"], verbose=params["verbose"], table=has_table, live=live)


def observers_of(display: DisplaySettings, screen: Screen, *, explain: bool) -> list[Observer]:
    """Return what shows each answer in a line, if any is shown; `explain` adds why it was chosen."""
    return [observer(screen, explain=explain, verbose=display.verbose)] if display.has_lines else []


@contextmanager
def live_table(display: DisplaySettings, title: str, screen: Screen) -> Iterator[ShowTable]:
    """Yield what shows the table of a run, from when it is called; without `--table`, it does nothing.

    Args:
        display: the options.
        title: the name of the command, which stands above the table.
        screen: the terminal.
    """
    if not display.table:
        yield lambda _run, _addresses, _links: None
        return
    from tapehead.cli.live_table import LiveTable

    table = LiveTable(title, screen)

    def show(run: "JournalRun | None", addresses: Iterable[tuple[str, int]], links: Iterable[str]) -> None:
        if run:
            places = [*(http_url(*address) for address in dict.fromkeys(addresses)), *links]
            table.start(run.journal, places, run.recording)

    try:
        yield show
    finally:
        table.close()
