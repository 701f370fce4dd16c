"""The catalogue on paper: every page says all that its entry says, in Markdown that holds together."""

import re

import pytest

from docs.rule_pages import render_catalogue, render_page
from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import Rule, sections_of


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_page_says_all_of_its_entry(rule: Rule) -> None:
    page = render_page(rule)
    assert page.startswith(f"# {rule.id}\n\n{rule.severity}: {rule.when}\n\n")
    for text in (rule.why, rule.fix, rule.contradictions, rule.source, *rule.options):
        assert text in page
    assert f"**Wrong.**\n\n```\n{rule.bad}\n```\n" in page
    assert f"**Right.**\n\n```\n{rule.good}\n```\n" in page


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_page_holds_together(rule: Rule) -> None:
    page = render_page(rule)
    assert page.count("```") == 4
    assert not re.search(r" $|\n\n\n", page, re.MULTILINE)
    assert page.endswith("\n")
    assert not page.endswith("\n\n")


def test_what_an_entry_does_not_say_has_no_title() -> None:
    rule = RULES["ad-outside-break"]
    assert [title for title, _ in sections_of(rule)] == ["Why it matters", "How to fix it", "Wrong", "Right", "Source"]


def test_the_catalogue_leads_to_every_page() -> None:
    catalogue = render_catalogue()
    for rule in RULES.values():
        assert f"| [{rule.id}](#{rule.id}) | {rule.severity} | " in catalogue
        assert render_page(rule, 3) in catalogue
    assert [line.count("|") - line.count(r"\|") for line in catalogue.splitlines()[: len(RULES) + 2]] == [4] * (
        len(RULES) + 2
    )
    assert render_catalogue([]) == "| Rule | Severity | Fires when |\n| --- | --- | --- |\n"
