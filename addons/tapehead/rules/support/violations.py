"""Rules that the session machine finds broken: from its violations to hits."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import Step
from tapehead.protocol.transitions import ViolationKind
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_check import Report, StepCheck, report_all
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.text import quote


class ViolationRule(NamedTuple):
    """The rule that a kind of violation breaks.

    Attributes:
        rule: the rule.
        message: what is wrong, after the event's name; {opened} is the event that opened what is open, {state} the
            name of a player state.
        opener: the type of the event that opened it.
        left_open: whether the session's end leaves something open that the session after it may repeat.
    """

    rule: Rule
    message: str
    opener: str = ""
    left_open: bool = False


Violations = Mapping[ViolationKind, ViolationRule]


def check_violations(session: SessionView, report: Report, table: Violations) -> StepCheck:
    """Report the violations of the kinds in `table`, and what silence leaves open when the session closes."""
    openers = {row.opener for row in table.values()}
    opened: dict[str, Event] = {}
    # What sessionEnd leaves open, until it is clear whether another session goes on with it.
    left_open: list[RuleHit] = []
    while step := (yield):
        ends = step.event.type == "sessionEnd"
        for row, hit in _hits(step, name_of(step.event), table, opened):
            (left_open.append if ends and row.left_open else report)(hit)
        if left_open and session.intervals.restarts is not None:
            report_all([] if session.intervals.restarts else left_open, report)
            left_open = []
        if step.event.type in openers:
            opened[step.event.type or ""] = step.event
    report_all(left_open, report)
    if session.end:
        subject = f"the session goes silent after {name_of(session.end.event)}"
        report_all((hit for _, hit in _hits(session.end, subject, table, opened)), report)


def _hits(
    step: Step, subject: str, table: Violations, opened: Mapping[str, Event]
) -> Iterator[tuple[ViolationRule, RuleHit]]:
    for violation in step.violations:
        if row := table.get(violation.kind):
            opener = opened.get(row.opener)
            message = row.message.format(
                opened=f"event {opener.index}" if opener else "an earlier event",
                state=violation.name and quote(violation.name),
            )
            path = f"params.{keys.STATE_NAME}" if violation.name and step.event.type != "statesUpdate" else ""
            yield row, row.rule.hit(step.event, f"{subject}: {message}", path)
