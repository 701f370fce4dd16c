"""Findings of sessions on the terminal: once each, when they are confirmed."""

import re

import msgspec
import pytest

from tapehead.auditor.results import EventRef, FindingState, LiveFinding, SessionFinding
from tapehead.cli.session_findings import SessionFindingPrinter, session_finding_lines
from tapehead.cli.terminal import Screen
from tapehead.protocol.exchange import Severity

PROVISIONAL, CONFIRMED, WITHDRAWN = FindingState


def change(
    state: FindingState, number: int = 1, message: str = "ping: too late", *, of_call: bool = False
) -> LiveFinding:
    finding = SessionFinding(
        rule="ping-gap", severity=Severity.WARNING, message=message, path="", event=None, line=1, recording=""
    )
    return LiveFinding(number=number, state=state, session="0123456789", finding=finding, of_call=of_call)


def at(session: str, index: int, number: int, state: FindingState = CONFIRMED) -> LiveFinding:
    """A change of a finding at an event of a session."""
    told = change(state, number, f"event {index}")
    event = EventRef(index, "ping", None, None)
    finding = msgspec.structs.replace(told.finding, event=event if index >= 0 else None)
    return msgspec.structs.replace(told, session=session, finding=finding)


def plain(line: str) -> str:
    """A line without its colours."""
    return re.sub(r"\x1b\[\d*m", "", line)


class Lines(Screen):
    """A screen that keeps its lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def show(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


def printed(*changes: LiveFinding, with_calls: bool = False) -> list[str]:
    """What a printer prints for changes, without the time."""
    screen = Lines()
    SessionFindingPrinter(screen, with_calls=with_calls).show(changes)
    return [plain(line).partition("  ")[2] for line in screen.lines]


def test_a_confirmed_finding_is_printed_once() -> None:
    more = change(CONFIRMED, message="ping: too late (2 such events)")
    assert printed(change(PROVISIONAL), change(CONFIRMED), more) == ["01234567  warning ping-gap: ping: too late"]


def test_what_was_never_confirmed_is_not_printed() -> None:
    assert printed(change(PROVISIONAL), change(WITHDRAWN)) == []


def test_a_printed_finding_that_is_withdrawn_is_printed_again() -> None:
    shown, withdrawn = printed(change(CONFIRMED), change(WITHDRAWN))
    assert withdrawn == shown.replace("warning", "withdrawn: warning")


def test_a_finding_of_a_call_is_printed_with_the_call() -> None:
    assert printed(change(CONFIRMED, of_call=True)) == []
    assert len(printed(change(CONFIRMED, of_call=True), with_calls=True)) == 1


@pytest.mark.parametrize("width", [40, 80])
def test_a_long_line_is_folded(width: int) -> None:
    found = change(CONFIRMED, message="word " * 40)
    lines = list(map(plain, session_finding_lines(found, 1795428000.0, width)))
    assert len(lines) > 2
    assert all(len(line) <= width for line in lines)
    assert all(line.startswith(" " * 10) for line in lines[1:])


def test_what_comes_together_is_printed_by_session_and_event() -> None:
    changes = [at("b", 7, 1), at("a", 3, 2), at("b", 2, 3), at("a", -1, 4), at("b", 2, 5), at("a", 10, 6)]

    shown = [(line.split()[0], int(line.rpartition(" ")[2])) for line in printed(*changes)]
    assert shown == [("b", 2), ("b", 2), ("b", 7), ("a", -1), ("a", 3), ("a", 10)]


def test_the_states_of_a_finding_are_printed_in_their_order() -> None:
    changes = [at("a", 5, 1), at("a", 4, 2), at("a", 5, 1, WITHDRAWN)]

    assert ["withdrawn" in line for line in printed(*changes)] == [False, False, True]
