"""Options and arguments of commands: declared in the annotations of a command's function, parsed by click."""

import math
import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import click

from tapehead.errors import UsageError
from tapehead.remote.urls import SCHEMES, check_login, is_url, scheme_of, without_secrets

UNBOUNDED: tuple[float | None, float | None] = (None, None)
# Stands for the default of a parameter that has none.
REQUIRED = object()


class Declaration:
    """The declaration of a parameter, as `Annotated[Path | None, Option("--out", metavar="FILE", help="...")]`.

    Args:
        names: the names of an option; an argument has none.
        within: the least and the largest number that it takes; None for no bound.
        settings: settings of `click.Option` or `ClickArgument`.
    """

    def __init__(self, *names: str, within: tuple[float | None, float | None] = UNBOUNDED, **settings: Any) -> None:
        self.names = names
        self.within = within
        self.settings = settings


class Option(Declaration):
    """The declaration of an option."""


class Argument(Declaration):
    """The declaration of an argument."""


class DeclaredParameter(NamedTuple):
    """A parameter of a command's function, with its declaration.

    Attributes:
        name: its name.
        kind: the type of its value, a list if it takes several.
        default: its default; REQUIRED if it has none.
        declaration: its declaration.
    """

    name: str
    kind: Any
    default: Any
    declaration: Declaration


def defaults_of(function: Any) -> dict[str, Any]:
    """Return the defaults of a function's parameters by name, without `inspect`, which takes long to load."""
    plain = getattr(function, "__wrapped__", function)
    defaults = plain.__defaults__ or ()
    names = plain.__code__.co_varnames[: plain.__code__.co_argcount]
    return dict(zip(names[len(names) - len(defaults) :], defaults, strict=True)) | (plain.__kwdefaults__ or {})


def declared_parameters(function: Callable[..., object]) -> Iterator[DeclaredParameter]:
    """Yield the parameters of a command's function that are options or arguments."""
    defaults = defaults_of(function)
    annotations: dict[str, Any] = function.__annotations__
    for name, annotation in annotations.items():
        if get_origin(annotation) is Annotated:
            hint, declaration = get_args(annotation)
            kind = get_args(hint)[0] if NoneType in get_args(hint) else hint
            yield DeclaredParameter(name, kind, defaults.get(name, REQUIRED), declaration)


def build_parameters(function: Callable[..., object]) -> list[click.Parameter]:
    """Return the options and arguments that a command's function declares."""
    return [_build(declared) for declared in declared_parameters(function)]


def _build(declared: DeclaredParameter) -> click.Parameter:
    name, kind, default, declaration = declared
    is_list = get_origin(kind) is list
    settings: dict[str, Any] = {
        "type": _type_of(get_args(kind)[0] if is_list else kind, *declaration.within),
        **declaration.settings,
    }
    settings["required"] = default is REQUIRED
    if default is not REQUIRED:
        settings["default"] = str(default) if isinstance(default, StrEnum) else default
    if isinstance(declaration, Argument):
        # Versions of click that know a help text of arguments print it in a section of their own.
        description = settings.pop("help")
        return ClickArgument([name], nargs=-1 if is_list else 1, description=description, **settings)
    return ClickOption(
        [name, *declaration.names], is_flag=kind is bool, multiple=is_list, show_default=True, **settings
    )


def _type_of(kind: Any, low: Any, high: Any) -> Any:
    if kind is Path:
        return LocalPath(path_type=Path)
    if kind is int:
        return IntegerRange(low, high)
    if kind is float:
        return NumberRange(low, high)
    # Of a switch, click finds the type itself.
    return EnumValue(kind) if issubclass(kind, StrEnum) else None if kind is bool else kind


class LocalPath(click.Path):
    """The type of paths on this machine, which no URL is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Raises:
            UsageError: it is a URL.
        """
        if isinstance(value, str) and is_url(value):
            name = param.opts[0] if param else "the option"
            more = "; to store recordings at a URL, record to a file, and pass --ship URL" if name == "--out" else ""
            raise UsageError(f"cannot use '{without_secrets(value)}' as {name}: it takes a path, and no URL{more}")
        return super().convert(value, param, ctx)


class RecordingPath(click.Path):
    """The type of recordings to be read: paths, and URLs of object storage or of journals.

    Args:
        any_scheme: whether a URL of another kind becomes an `OtherUrlPath`, for an engine that may read it.
    """

    def __init__(self, *, any_scheme: bool = False) -> None:
        super().__init__(path_type=Path)
        self._any_scheme = any_scheme

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Raises:
            UsageError: it is a URL that names neither of these, or that contains a login.
        """
        if not (isinstance(value, str) and is_url(value)):
            return super().convert(value, param, ctx)
        from tapehead.cli.copy_progress import prepare_copies
        from tapehead.remote.journal_paths import path_of_url
        from tapehead.remote.journal_urls import parse_journal_url
        from tapehead.remote.url_paths import OtherUrlPath

        if self._any_scheme and scheme_of(value) not in SCHEMES and not parse_journal_url(value):
            check_login(value)
            return OtherUrlPath(value)
        prepare_copies()
        return path_of_url(value)


class SummaryPath(LocalPath):
    """The type of summaries: paths on this machine, and URLs of journals."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Raises:
            UsageError: it is another URL.
        """
        if isinstance(value, str) and is_url(value):
            from tapehead.cli.copy_progress import prepare_copies
            from tapehead.remote.journal_paths import JournalPath
            from tapehead.remote.journal_urls import EXAMPLE, parse_journal_url

            if (journal := parse_journal_url(value)) is None:
                expected = f"expected a file, or {EXAMPLE} of a replica that runs"
                raise UsageError(f"cannot read '{without_secrets(value)}': {expected}")
            prepare_copies()
            return JournalPath(journal)
        return super().convert(value, param, ctx)


class IntegerRange(click.IntRange):
    """The type of integers in a range."""

    name = "integer"


class NumberRange(click.FloatRange):
    """The type of numbers in a range, which NaN is in none of."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"'{value}' is not a valid number.", param, ctx)
        return number


class EnumValue(click.Choice[Any]):
    """The type of an enum's members, written as their values."""

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__([each.value for each in kind])
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the member."""
        return self._kind(super().convert(str(value), param, ctx))


class ClickOption(click.Option):
    """An option whose function gets a list of several values, or None if there are none."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value of the variable that is named like the option, not like the function's parameter."""
        if isinstance(self.envvar, str):
            return os.environ.get(self.envvar) or None
        return os.environ.get(variable_of(self, ctx)) or None if self.allow_from_autoenv else None

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value for the function."""
        return _listed(super().type_cast_value(ctx, value))


class ClickArgument(click.Argument):
    """An argument with a description, whose function gets values as that of an option."""

    def __init__(self, names: list[str], *, description: str, **settings: Any) -> None:
        super().__init__(names, **settings)
        self.description = description

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value for the function."""
        return _listed(super().type_cast_value(ctx, value))

    def value_is_missing(self, value: Any) -> bool:
        """Return whether the argument was not given."""
        return value is None or super().value_is_missing(value)

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return how messages name the argument."""
        return f"'{self.metavar}'"


def variable_of(option: click.Parameter, context: click.Context) -> str:
    """Return the variable that gives an option's default, such as TAPEHEAD_AUDIT_FAIL_ON for --fail-on of audit."""
    name = next((name for name in option.opts if name.startswith("--")), option.name or "")
    return f"{context.auto_envvar_prefix}_{name.removeprefix('--').replace('-', '_')}".upper()


def _listed(value: Any) -> Any:
    return (list(value) or None) if isinstance(value, tuple) else value
