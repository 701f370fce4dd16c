"""The session machine on paper: its tables as Markdown and as state diagrams in Mermaid, made from the tables."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from tapehead.protocol.transitions import ACTIVE_MACHINES, ANY, TABLE, Transition, ViolationKind

# The rule's id for each kind of violation; rules are defined above this package.
RuleIds = Mapping[ViolationKind, str]

_TITLES = {
    "life": "Life",
    "playback": "Playback",
    "ad_break": "Ad break",
    "ad": "Ad",
    "chapter": "Chapter",
    "state": "Player state (one for each name)",
}


def render_markdown(rule_ids: RuleIds) -> str:
    """Return all machines as Markdown: a table of moves for each, and which machines move in which state of life."""
    parts = [_machine_table(machine, rule_ids) for machine in TABLE]
    return "\n\n".join([*parts, _listening_table()]) + "\n"


def render_mermaid(machine: str, rule_ids: RuleIds) -> str:
    """Return one machine (a key of TABLE) as a Mermaid state diagram; violations carry their rule's id.

    Raises:
        KeyError: there is no such machine.
    """
    first = next(iter(TABLE[machine]))
    lines = [f"    {start} --> {end}: {label}" for start, end, label in _arrows(machine, rule_ids)]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {first}", *lines]) + "\n"


def _machine_table(machine: str, rule_ids: RuleIds) -> str:
    head = f"### {_TITLES[machine]}\n\n| State | Event | Next | Rule broken |\n| --- | --- | --- | --- |"
    rows = [
        f"| {state} | {event} | {move.to} | {f'`{rule_ids[move.violation]}`' if move.violation else ''} |"
        for state, event, move in _moves(machine)
    ]
    return "\n".join([head, *rows])


def _listening_table() -> str:
    head = "### Who moves when\n\n| Life | Machines that move |\n| --- | --- |"
    names = list(TABLE)
    rows = [f"| {life} | {', '.join(n for n in names if n in moving)} |" for life, moving in ACTIVE_MACHINES.items()]
    return "\n".join([head, *rows])


def _moves(machine: str) -> Iterator[tuple[StrEnum, str, Transition]]:
    for state, row in TABLE[machine].items():
        yield from ((state, event, move) for event, move in row.items())


def _arrows(machine: str, rule_ids: RuleIds) -> Iterator[tuple[str, str, str]]:
    """Yield the moves, those of one arrow and one rule together."""
    together: dict[tuple[str, str, ViolationKind | None], list[str]] = {}
    for state, event, move in _moves(machine):
        together.setdefault((state, move.to, move.violation), []).append(event if event != ANY else "any other")
    for (start, end, violation), events in together.items():
        yield start, end, ", ".join(events) + (f" [{rule_ids[violation]}]" if violation else "")
