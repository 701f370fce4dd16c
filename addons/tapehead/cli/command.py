"""The commands' common behaviour: help with words for values, and defaults for options from the settings file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import click

from tapehead.cli.messages import warn
from tapehead.cli.option_conflicts import settle_options
from tapehead.cli.option_types import AUDIT_SETTINGS
from tapehead.errors import UsageError

# Where a command's context keeps the path of the settings file.
SOURCE = "tapehead.settings-file"
# The words for values that are paths, or end in one.
PATHS = ("FILE", "FOLDER", "RECORDING", "BASE", "NEW")


class Command(click.Command):
    """A command whose help lists its arguments, too, named as RECORDING... or [RULE].

    It takes no empty path, which would be the current folder: that is what an unset variable of the shell gives.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        parameter: Any
        for parameter in self.params:
            if str(parameter.metavar).rpartition("]")[2] in PATHS:
                refuse_empty(parameter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, and check which options go together."""
        rest = super().parse_args(ctx, args)
        settle_options(ctx)
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the command's name in its usage."""
        return [
            "[OPTIONS]",
            *(usage_of(parameter) for parameter in self.params if parameter.param_type_name == "argument"),
        ]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and the options, without their variables: the epilog has the rule for all."""
        arguments: list[tuple[str, str]] = []
        options: list[tuple[str, str]] = []
        parameter: Any
        for parameter in self.get_params(ctx):
            parameter.show_envvar = False
            if parameter.param_type_name == "argument":
                arguments.append((usage_of(parameter), parameter.description))
            elif record := parameter.get_help_record(ctx):
                options.append(record)
        for title, rows in (("Arguments", arguments), ("Options", options)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class CommandWithSettings(Command):
    """A command whose options take defaults from its section of the settings file.

    Attributes:
        parameters_of_files: the parameters that take them; None for all.
    """

    parameters_of_files: ClassVar[frozenset[str] | None] = None

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        config: Any = next(parameter for parameter in self.params if parameter.name == "config")
        config.callback = load_defaults

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; print the options that the settings file decided: they may say where traffic goes."""
        rest = super().parse_args(ctx, args)
        if ctx.default_map:
            from tapehead.cli.option_defaults import describe_options

            decided = {
                name: value
                for name, value in ctx.default_map.items()
                if getattr(ctx.get_parameter_source(name), "name", "") == "DEFAULT_MAP"
            }
            if decided:
                warn(f"using options from '{ctx.meta[SOURCE]}': {describe_options(ctx.info_name, decided)}")
        return rest


def load_defaults(context: Any, _parameter: object, config: Path | None) -> Path | None:
    """Take defaults for a command's options from the settings file."""
    from tapehead.cli.config_search import find_table

    context.meta[AUDIT_SETTINGS] = partial(load_audit_settings, config)
    if find_table(config)[0] is None:
        return config
    from tapehead.cli.config_file import load_options

    context.meta[SOURCE], options = load_options(context.info_name, config)
    taken = CommandWithSettings.parameters_of_files
    context.default_map = {name: value for name, value in options.items() if taken is None or name in taken}
    return config


def load_audit_settings(config: Path | None) -> Callable[[], Any]:
    """Check the settings of the audit, and return what returns them; without a settings file there is nothing to check.

    Raises:
        UsageError: the file cannot be read or has an error in it.
    """
    from tapehead.cli.config_search import find_table
    from tapehead.cli.run_journal import default_settings

    if find_table(config)[0] is None:
        return default_settings
    from tapehead.cli.config_file import load_config

    settings = load_config(config).settings
    return lambda: settings


def refuse_empty(parameter: Any) -> None:
    """Have a parameter refuse an empty path."""
    process = parameter.process_value

    def process_path(context: Any, value: Any) -> Any:
        if "" in (value if isinstance(value, list | tuple) else [value]):
            name = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
            raise UsageError(f"{name} is empty; expected a path (is a variable of the shell not set?)")
        return process(context, value)

    parameter.process_value = process_path


def usage_of(argument: Any) -> str:
    """Return how the usage names an argument: in brackets if it is optional, with dots if it takes several values."""
    name = argument.metavar or argument.name.upper()
    name = name if argument.required else f"[{name}]"
    return name if argument.nargs == 1 else f"{name}..."
