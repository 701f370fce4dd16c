"""Completion of commands, options and values in real shells."""

import os
import sys
from pathlib import Path

import pytest

from support.paths import ROOT
from support.processes import run_program
from support.tools import require

SCRIPTS = Path(sys.executable).parent
# What the line of the README does in each shell, and what a shell does when Tab is pressed behind `words`.
BASH = """
eval "$(_TAPEHEAD_COMPLETE=bash_source tapehead)"
complete -p tapehead >&2
COMP_WORDS=({words}) COMP_CWORD={last}
_tapehead_completion tapehead
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ registered=$1; }}
compadd() {{ print -l -- "${{completions[@]}}"; }}
_describe() {{ print -l -- "${{completions_with_descriptions[@]%%:*}}"; }}
_path_files() {{ print -- files; }}
eval "$(_TAPEHEAD_COMPLETE=zsh_source tapehead)"
words=({words}) CURRENT=$(({last} + 1))
$registered
"""
FISH = """
_TAPEHEAD_COMPLETE=fish_source tapehead | source
complete --do-complete '{line}'
"""
SHELLS = {
    "bash": ("bash", "--norc", "-c", BASH),
    "zsh": ("zsh", "-f", "-c", ZSH),
    "fish": ("fish", "--no-config", "-c", FISH),
}
CASES = {
    ("re",): {"record", "replay"},
    ("audit", "--fail-o"): {"--fail-on"},
    ("serve", "--on-miss", ""): {"simulate", "error", "forward", "once"},
    ("audit", "--format", "js"): {"json"},
    ("audit", "--no-such"): set(),
}


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join((str(SCRIPTS), os.environ["PATH"])))


def complete(shell: str, words: tuple[str, ...], folder: Path) -> set[str]:
    """The words that a shell offers for the last one."""
    program, *options, script = SHELLS[shell]
    line = ["tapehead", *words]
    quoted = " ".join(word or "''" for word in line)
    code = script.format(words=quoted, last=len(words), line=" ".join(line))
    done = run_program(require(program), *options, code, cwd=folder)

    assert "Traceback" not in done.stderr
    # fish puts a description behind a tabulator.
    return {offered.partition("\t")[0] for offered in done.stdout.splitlines() if offered}


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_a_shell_completes_commands_options_and_values(shell: str, words: tuple[str, ...], tmp_path: Path) -> None:
    assert complete(shell, words, tmp_path) == CASES[words]


@pytest.mark.usefixtures("path")
def test_a_shell_completes_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()

    assert complete("zsh", ("audit", ""), tmp_path) == {"files"}
    assert complete("fish", ("audit", "a"), tmp_path) == {"a.jsonl"}


@pytest.mark.usefixtures("path")
def test_a_settings_file_with_an_error_keeps_no_shell_from_completing(tmp_path: Path) -> None:
    (tmp_path / "tapehead.toml").write_text("[record\n")

    assert complete("bash", ("record", "--ups"), tmp_path) == {"--upstream-proxy"}


def test_the_readme_says_how() -> None:
    readme = (ROOT / "README.md").read_text()

    assert 'eval "$(_TAPEHEAD_COMPLETE=bash_source tapehead)"' in readme
    assert "_TAPEHEAD_COMPLETE=fish_source tapehead | source" in readme
