"""The documentation says what the code does: its generated pages, its links, its list of commands."""

import re

import pytest

from docs.generate_pages import DOCS, pages
from support.paths import ROOT
from tapehead.cli.app import COMMANDS, load_command
from tapehead.rules.catalog import RULES

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", pages())
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """If this fails, run `cd tests && python -m docs.generate_pages`."""
    assert (DOCS / name).read_text() == pages()[name]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_page(rule: str) -> None:
    assert f"\n### {rule}\n" in pages()["rules.md"]


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:|#)([^)]+)\)", README))
def test_every_link_of_the_readme_leads_somewhere(target: str) -> None:
    assert (ROOT / target.partition("#")[0]).exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_has_an_example(command: str) -> None:
    assert f"tapehead {command}" in README
    assert f"Example: tapehead {command}" in (load_command(command).help or "")
