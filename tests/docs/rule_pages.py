"""The catalogue as a document: each rule as a page, and all of them, in Markdown for `.github/docs`."""

from collections.abc import Iterable

from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import Rule, sections_of

_EXAMPLES = frozenset({"Wrong", "Right"})


def render_page(rule: Rule, level: int = 1) -> str:
    """Return a rule in Markdown: when it fires, why, what to change, examples; `level` is the level of its heading."""
    parts = [f"{'#' * level} {rule.id}", f"{rule.severity}: {rule.when}"]
    for title, text in sections_of(rule):
        parts.append(f"**{title}.**" + (f"\n\n```\n{text}\n```" if title in _EXAMPLES else f" {text}"))
    return "\n\n".join(parts) + "\n"


def render_catalogue(rules: Iterable[Rule] | None = None) -> str:
    """Return rules, those of the catalogue if None, in Markdown: a table that leads to them, then their pages."""
    listed = tuple(RULES.values() if rules is None else rules)
    head = "| Rule | Severity | Fires when |\n| --- | --- | --- |"
    rows = [f"| [{rule.id}](#{rule.id}) | {rule.severity} | {rule.when.replace('|', r'\|')} |" for rule in listed]
    return "\n".join([head, *rows, "", *(render_page(rule, 3) for rule in listed)])
