"""The session machine's tables rendered as Markdown and as Mermaid state diagrams."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from tapehead.protocol.transitions import ACTIVE_MACHINES, ANY, TABLE, Transition, ViolationKind

# The rule's id for each kind of violation; handed in, since the package of rules imports this one.
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
    """Return all machines as Markdown: a table of transitions for each, and the active machines by state of life."""
    blocks = []
    for machine in TABLE:
        head = f"### {_TITLES[machine]}\n\n| State | Event | Next | Rule broken |\n| --- | --- | --- | --- |"
        rows = [
            f"| {state} | {event} | {move.to} | {f'`{rule_ids[move.violation]}`' if move.violation else ''} |"
            for state, event, move in _transitions(machine)
        ]
        blocks.append("\n".join([head, *rows]))
    head = "### Who moves when\n\n| Life | Machines that move |\n| --- | --- |"
    rows = [f"| {life} | {', '.join(n for n in TABLE if n in active)} |" for life, active in ACTIVE_MACHINES.items()]
    return "\n\n".join([*blocks, "\n".join([head, *rows])]) + "\n"


def render_mermaid(machine: str, rule_ids: RuleIds) -> str:
    """Return one machine (a key of TABLE) as a Mermaid state diagram; violations are labelled with their rule's id.

    Raises:
        KeyError: there is no such machine.
    """
    # Events with the same arrow and the same rule share one label.
    arrows: dict[tuple[str, str, ViolationKind | None], list[str]] = {}
    for state, event, move in _transitions(machine):
        arrows.setdefault((state, move.to, move.violation), []).append(event if event != ANY else "any other")
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(TABLE[machine]))}"]
    for (start, end, violation), events in arrows.items():
        rule = f" [{rule_ids[violation]}]" if violation else ""
        lines.append(f"    {start} --> {end}: {', '.join(events)}{rule}")
    return "\n".join(lines) + "\n"


def _transitions(machine: str) -> Iterator[tuple[StrEnum, str, Transition]]:
    for state, row in TABLE[machine].items():
        yield from ((state, event, move) for event, move in row.items())
