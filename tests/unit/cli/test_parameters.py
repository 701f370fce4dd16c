"""Options and arguments that functions declare: what their functions get, and what is refused."""

import inspect
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import click
import pytest

from tapehead.cli.app import COMMANDS, load_command
from tapehead.cli.parameters import Argument, Option, RecordingPath, build_parameters, defaults_of
from tapehead.errors import UsageError


class Level(StrEnum):
    LOW = "low"
    HIGH = "very-high"


def called(
    paths: Annotated[list[Path], Argument(metavar="FILE", help="Files.")],
    last: Annotated[str | None, Argument(metavar="LAST", help="The last.")] = None,
    count: Annotated[int, Option("--count", within=(1, 9), help="A number.")] = 1,
    share: Annotated[float | None, Option("--share", within=(0, None), help="A share.")] = None,
    level: Annotated[Level, Option("--level", "-l", help="A level.")] = Level.LOW,
    levels: Annotated[list[Level] | None, Option("--levels", help="Levels.")] = None,
    names: Annotated[list[str] | None, Option("--name", help="Names.")] = None,
    quiet: Annotated[bool, Option("--quiet", help="A switch.")] = False,
    own: str = "no parameter of the command",
) -> dict[str, Any]:
    return locals()


def call(*words: str) -> dict[str, Any]:
    command = click.Command("x", callback=called, params=build_parameters(called))
    with command.make_context("x", list(words), auto_envvar_prefix="X") as context:
        result: dict[str, Any] = command.invoke(context)
    return result


def test_values_have_the_types_of_the_annotations() -> None:
    words = ["--count", "3", "--share", "0.5", "-l", "very-high", "--levels", "low", "--levels", "very-high"]

    assert call("a", "b", *words, "--name", "n", "--quiet") == {
        "paths": [Path("a")],
        "last": "b",
        "count": 3,
        "share": 0.5,
        "level": Level.HIGH,
        "levels": [Level.LOW, Level.HIGH],
        "names": ["n"],
        "quiet": True,
        "own": "no parameter of the command",
    }


def test_what_is_not_given_has_its_default_and_no_list_is_empty() -> None:
    given = call("a", "b")

    assert (given["count"], given["share"], given["level"], given["quiet"]) == (1, None, Level.LOW, False)
    assert isinstance(given["level"], Level)
    assert (given["levels"], given["names"]) == (None, None)


def test_variables_give_several_values_between_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_LEVELS", "low very-high")
    monkeypatch.setenv("X_NAME", "a")
    monkeypatch.setenv("X_QUIET", "true")
    monkeypatch.setenv("X_PATHS", "an argument is not taken from there")

    given = call("a", "b")
    assert given["levels"] == [Level.LOW, Level.HIGH]
    assert (given["names"], given["quiet"], given["paths"]) == (["a"], True, [Path("a")])


def test_a_variable_is_named_like_its_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_NAME", "a b")

    assert call("a", "b")["names"] == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--count", "many", "a"], "'many' is not a valid integer"),
        (["--count", "1.5", "a"], "'1.5' is not a valid integer"),
        (["--count", "10", "a"], "10 is not in the range 1<=x<=9"),
        (["--share", "x", "a"], "'x' is not a valid number"),
        (["--share", "nan", "a"], "'nan' is not a valid number"),
        (["--share", "-1", "a"], "-1.0 is not in the range x>=0"),
        (["--level", "LOW", "a"], "'LOW' is not one of 'low', 'very-high'"),
        (["--levels", "low", "--levels", "", "a"], "'' is not one of 'low', 'very-high'"),
        (["--quiet=1", "a"], "does not take a value"),
        ([], "Missing argument 'FILE'"),
    ],
)
def test_bad_values_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(click.UsageError) as raised:
        call(*words)

    assert re.search(re.escape(message), raised.value.format_message())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_defaults_are_those_of_the_function(name: str) -> None:
    function = load_command(name).callback
    assert function
    parameters = inspect.signature(function).parameters.values()
    empty = inspect.Parameter.empty

    assert defaults_of(function) == {each.name: each.default for each in parameters if each.default is not empty}


def test_defaults_of_parameters_by_keyword_alone_are_found() -> None:
    def function(first: int, second: int = 2, *, third: int = 3, fourth: int) -> None: ...

    assert defaults_of(function) == {"second": 2, "third": 3}


def test_no_engine_gets_a_url_with_a_password() -> None:
    kind = RecordingPath(any_scheme=True)

    assert str(kind.convert("s3a://bucket/a", None, None)) == "s3a://bucket/a"
    with pytest.raises(UsageError, match="cannot read 's3a://bucket/a': it contains a login"):
        kind.convert("s3a://KEY:SECRET@bucket/a", None, None)
