"""The session machine on paper: its tables as Markdown and as state diagrams in Mermaid, made from the tables."""

from collections.abc import Iterator
from enum import StrEnum

from tapehead.protocol.transitions import ACTIVE_MACHINES, ANY, TABLE, Transition

_TITLES = {
    "life": "Life",
    "playback": "Playback",
    "ad_break": "Ad break",
    "ad": "Ad",
    "chapter": "Chapter",
    "state": "Player state (one for each name)",
}


def render_markdown() -> str:
    """All machines as Markdown: a table of moves for each, and which machines move in which state of life."""
    parts = [_machine_table(machine) for machine in TABLE]
    return "\n\n".join([*parts, _listening_table()]) + "\n"


def render_mermaid(machine: str) -> str:
    """One machine (a key of TABLE) as a Mermaid state diagram; slips carry their rule's id.

    Raises:
        KeyError: there is no such machine.
    """
    first = next(iter(TABLE[machine]))
    lines = [f"    {start} --> {end}: {label}" for start, end, label in _arrows(machine)]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {first}", *lines]) + "\n"


def _machine_table(machine: str) -> str:
    head = f"### {_TITLES[machine]}\n\n| State | Event | Next | Rule broken |\n| --- | --- | --- | --- |"
    rows = [f"| {state} | {event} | {move.to} | {_code(move.violation)} |" for state, event, move in _moves(machine)]
    return "\n".join([head, *rows])


def _listening_table() -> str:
    head = "### Who moves when\n\n| Life | Machines that move |\n| --- | --- |"
    names = list(TABLE)
    rows = [f"| {life} | {', '.join(n for n in names if n in moving)} |" for life, moving in ACTIVE_MACHINES.items()]
    return "\n".join([head, *rows])


def _moves(machine: str) -> Iterator[tuple[StrEnum, str, Transition]]:
    for state, row in TABLE[machine].items():
        yield from ((state, event, move) for event, move in row.items())


def _arrows(machine: str) -> Iterator[tuple[str, str, str]]:
    """The moves, those of one arrow and one rule together."""
    together: dict[tuple[str, str, str], list[str]] = {}
    for state, event, move in _moves(machine):
        together.setdefault((state, move.to, move.violation), []).append(event if event != ANY else "any other")
    for (start, end, violation), events in together.items():
        yield start, end, ", ".join(events) + (f" [{violation}]" if violation else "")


def _code(rule: str) -> str:
    return f"`{rule}`" if rule else ""
