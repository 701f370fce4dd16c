"""An empty path, as an unset variable of the shell gives it, is refused by every command; it is no current folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from support.paths import RECORDINGS_FOLDER
from tapehead.cli.app import COMMANDS, load_command, run
from tapehead.errors import UsageError
from tapehead.interop.reader import read_recordings

RECORDING = str(RECORDINGS_FOLDER / "timeline-1.jsonl")
# The arguments that a command needs.
NEEDED = {"diff": [RECORDING, RECORDING]} | {
    name: [RECORDING] for name in ("audit", "show", "replay", "import", "export")
}


def empty_arguments() -> Iterator[list[str]]:
    """Yield, for each parameter of each command that takes a file, arguments in which it is empty."""
    for name in COMMANDS:
        command: Any = load_command(name)
        hints = get_type_hints(command.callback)
        for parameter in command.params:
            # Some are text until their command has looked at it.
            if "Path" not in str(hints.get(parameter.name)) and parameter.name not in ("output", "expect"):
                continue
            if parameter.param_type_name == "option":
                yield [name, *NEEDED.get(name, []), f"{parameter.opts[0]}="]
            else:
                yield [name, *NEEDED.get(name, [])[1:], ""]


CASES = list(empty_arguments())


def test_all_commands_with_files_are_tried() -> None:
    assert {case[0] for case in CASES} == {
        "audit", "demo", "diff", "export", "import", "record", "replay", "schema", "serve", "show",
        "summary", "test", "view",
    }  # fmt: skip


@pytest.mark.parametrize("arguments", CASES, ids=[" ".join(each).replace(RECORDING, "R") for each in CASES])
def test_an_empty_path_is_refused(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_bytes(Path(RECORDING).read_bytes())

    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert "is empty; expected a path (is a variable of the shell not set?)" in line
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_an_empty_path_is_refused_in_python() -> None:
    with pytest.raises(UsageError, match="the path of a recording is empty"):
        list(read_recordings([""]))
