"""Findings of sessions on the terminal, each in a line when it is confirmed."""

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from tapehead.auditor.live_findings import FindingState, LiveFinding
from tapehead.cli.terminal import SHORT_SID, Screen, finding_lines
from tapehead.text import escape_controls, local_time

# The findings that are known to be printed.
MOST_SHOWN = 100_000


def session_finding_lines(change: LiveFinding, now: float, width: int | None = None) -> Iterator[str]:
    """Yield the lines for a finding of a session that was confirmed, or withdrawn after that, at `now`."""
    clock = local_time(datetime.fromtimestamp(now, UTC), timespec="milliseconds")[11:]
    sid = escape_controls(change.session or "-")[:SHORT_SID]
    withdrawn = "withdrawn: " if change.state is FindingState.WITHDRAWN else ""
    found = change.finding
    yield from finding_lines(
        f"{clock}  {sid:<{SHORT_SID}}  {withdrawn}", found.severity, found.rule, found.message, width
    )


class SessionFindingPrinter:
    """Printing of the findings of sessions on a screen.

    Args:
        screen: the screen.
        with_calls: whether those of a call alone are printed, too; a recorder prints them with the call.
    """

    def __init__(self, screen: Screen, *, with_calls: bool) -> None:
        self._screen = screen
        self._with_calls = with_calls
        self._shown: OrderedDict[int, None] = OrderedDict()

    def show(self, changes: Iterable[LiveFinding]) -> None:
        """Print what is confirmed, once, and what is withdrawn after that."""
        for change in changes:
            is_confirmed = change.state is FindingState.CONFIRMED
            was_shown = change.number in self._shown
            if change.state is FindingState.PROVISIONAL or is_confirmed == was_shown:
                continue
            if change.of_call and not self._with_calls:
                continue
            if is_confirmed:
                self._shown[change.number] = None
                if len(self._shown) > MOST_SHOWN:
                    self._shown.popitem(last=False)
            else:
                del self._shown[change.number]
            for line in session_finding_lines(change, time.time(), self._screen.width):
                self._screen.show(line)
