"""The catalogue of rules for a terminal: the list, and the explanation of one."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tapehead.reports.terminal_text import COLOURS, TextStyle, render
from tapehead.rules.catalog import RULES
from tapehead.rules.support.markdown import sections_of
from tapehead.rules.support.rule import Rule


def render_rules(look: TextStyle) -> str:
    """All rules, a line or two each."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("rule", "severity", "fires when"):
        table.add_column(name, no_wrap=name != "fires when")
    for rule in RULES.values():
        table.add_row(Text(rule.id), Text(rule.severity, style=COLOURS[rule.severity]), Text(rule.when))
    return render([table], look)


def render_rule(rule: Rule, look: TextStyle) -> str:
    """What a rule is about, what it does to the numbers, and how to mend it."""
    head = Text.assemble((rule.id, "bold"), "  ", (rule.severity, COLOURS[rule.severity]))
    parts: list[RenderableType] = [head, Text(rule.when), Text()]
    return render([*parts, *_sections(rule)], look)


def _sections(rule: Rule) -> Iterator[RenderableType]:
    for title, text in sections_of(rule):
        yield Text(title, style="bold")
        yield Padding(Text(text), (0, 0, 1, 2))
