"""The catalogue of rules for a terminal: the list, and the explanation of one."""

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from tapehead.reports.terminal_text import COLOURS, TextStyle, make_table, render
from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import Rule, sections_of


def render_rules(style: TextStyle) -> str:
    """Render all rules, a line or two each."""
    table = make_table(header=True)
    for name in ("rule", "severity", "fires when"):
        table.add_column(name, no_wrap=name != "fires when")
    for rule in RULES.values():
        table.add_row(Text(rule.id), Text(rule.severity, style=COLOURS[rule.severity]), Text(rule.when))
    return render([table], style)


def render_rule(rule: Rule, style: TextStyle) -> str:
    """Render a rule: when it fires, its effect on the numbers, its fix, and an example."""
    head = Text.assemble((rule.id, "bold"), "  ", (rule.severity, COLOURS[rule.severity]))
    parts: list[RenderableType] = [head, Text(rule.when), Text()]
    for title, text in sections_of(rule):
        parts += [Text(title, style="bold"), Padding(Text(text), (0, 0, 1, 2))]
    return render(parts, style)
