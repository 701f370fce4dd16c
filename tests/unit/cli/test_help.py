"""The help of every command: words for values, 80 columns, one sentence that fits into the list of commands."""

import re

import pytest

from tapehead.cli.app import COMMANDS, run


@pytest.fixture(params=COMMANDS)
def shown(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> str:
    """The help of a command at 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    assert run([request.param, "--help"]) == 0
    return capfd.readouterr().out


def test_values_are_shown_as_words(shown: str) -> None:
    assert not re.search(r"<[\w|\[\] ]+>|list\[|Path|\.{4,}|\[\[|env var", shown)
    assert max(map(len, shown.splitlines())) <= 80


def test_every_option_is_explained(shown: str) -> None:
    options = re.findall(r"^  (?:-\w, )?--[\w-]+.*(?:\n {6,}.*)*", shown, re.MULTILINE)

    assert len(options) == shown.count("\n  -")
    assert not [option for option in options if not re.search(r"[a-z.](  \[[^\]]*\]|\s+\[[^\]]*\])?$", option)]


def test_the_list_of_commands_cuts_no_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    run(["--help"])
    listed = capfd.readouterr().out.partition("Commands:")[2]

    assert listed.count("\n  ") >= len(COMMANDS)
    assert "..." not in listed
