"""The catalogue on paper: each rule as a page, and all of them, in Markdown that a terminal can show, too."""

from collections.abc import Iterable

from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import Rule

_EXAMPLES = frozenset({"Wrong", "Right"})


def sections_of(rule: Rule) -> list[tuple[str, str]]:
    """The parts of a rule's explanation, each with its title; those that say nothing left out."""
    sections = [
        ("Why it matters", rule.why),
        ("How to fix it", rule.fix),
        ("Wrong", rule.bad),
        ("Right", rule.good),
        ("Where the documents disagree", rule.contradictions),
        ("Thresholds that tune it", ", ".join(rule.options)),
        ("Source", rule.source),
    ]
    return [(title, text) for title, text in sections if text]


def render_page(rule: Rule, level: int = 1) -> str:
    """A rule in Markdown: when it fires, why that matters, what to change, examples; `level` is its heading's."""
    parts = [f"{'#' * level} {rule.id}", f"{rule.severity}: {rule.when}"]
    parts += [f"**{title}.**{_block(title, text)}" for title, text in sections_of(rule)]
    return "\n\n".join(parts) + "\n"


def render_catalogue(rules: Iterable[Rule] = tuple(RULES.values())) -> str:
    """Rules in Markdown: a table that leads to them, then their pages."""
    listed = tuple(rules)
    head = "| Rule | Severity | Fires when |\n| --- | --- | --- |"
    rows = [f"| [{rule.id}](#{rule.id}) | {rule.severity} | {rule.when.replace('|', r'\|')} |" for rule in listed]
    return "\n".join([head, *rows, "", *(render_page(rule, 3) for rule in listed)])


def _block(title: str, text: str) -> str:
    return f"\n\n```\n{text}\n```" if title in _EXAMPLES else f" {text}"
