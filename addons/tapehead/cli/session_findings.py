"""Findings of sessions on the terminal, each in a line when it is confirmed."""

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from tapehead.auditor.results import FindingState, LiveFinding
from tapehead.cli.terminal import SHORT_SID, Screen, finding_lines
from tapehead.text import escape_controls, local_time

# The findings that are known to be printed.
MOST_SHOWN = 100_000


def session_finding_lines(change: LiveFinding, now: float, width: int | None = None) -> Iterator[str]:
    """Yield the lines for a finding of a session that got into a state at `now`."""
    clock = local_time(datetime.fromtimestamp(now, UTC), timespec="milliseconds")[11:]
    sid = escape_controls(change.session or "-")[:SHORT_SID]
    state = "" if change.state is FindingState.CONFIRMED else f"{change.state}: "
    found = change.finding
    yield from finding_lines(f"{clock}  {sid:<{SHORT_SID}}  {state}", found.severity, found.rule, found.message, width)


class SessionFindingPrinter:
    """Printing of the findings of sessions on a screen.

    Args:
        screen: the screen.
        with_calls: whether those of a call alone are printed, too; a recorder prints them with the call.
        verbose: whether provisional ones are printed, too, and withdrawn ones that were not confirmed.
    """

    def __init__(self, screen: Screen, *, with_calls: bool, verbose: bool = False) -> None:
        self._screen = screen
        self._with_calls = with_calls
        self._verbose = verbose
        # The states that were printed last.
        self._shown: OrderedDict[int, FindingState] = OrderedDict()

    def show(self, changes: Iterable[LiveFinding]) -> None:
        """Print what is confirmed, once, and what is withdrawn after that; if verbose, what is provisional as well.

        Those that come together are printed session by session, in the order of their events.
        """
        for change in by_session_and_event(changes):
            state, before = change.state, self._shown.get(change.number)
            if state is before or (before is None and state is FindingState.WITHDRAWN):
                continue
            if (state is FindingState.PROVISIONAL and not self._verbose) or (change.of_call and not self._with_calls):
                continue
            if state is FindingState.WITHDRAWN:
                del self._shown[change.number]
            else:
                self._shown[change.number] = state
                if len(self._shown) > MOST_SHOWN:
                    self._shown.popitem(last=False)
            for line in session_finding_lines(change, time.time(), self._screen.width):
                self._screen.show(line)


def by_session_and_event(changes: Iterable[LiveFinding]) -> list[LiveFinding]:
    """Return changes session by session, as these come first, each in the order of its events."""
    listed = list(changes)
    places = {sid: place for place, sid in enumerate(dict.fromkeys(change.session for change in listed))}

    def order(change: LiveFinding) -> tuple[int, int]:
        event = change.finding.event
        return places[change.session], event.index if event else -1

    return sorted(listed, key=order)
