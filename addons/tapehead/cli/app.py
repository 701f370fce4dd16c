"""The commands, and what is printed of their errors.

Exit codes: 0 fine; 1 a check failed; 2 the command could not do its work, with one line on stderr.
"""

import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

import click

from tapehead import __version__
from tapehead.cli.command import Command, CommandWithSettings
from tapehead.cli.messages import warn
from tapehead.cli.parameters import build_parameters, variable_of
from tapehead.errors import TapeheadError, thread_shortage
from tapehead.text import find_nearest

PROGRAM = "tapehead"
# The variable by which a shell asks for completions.
COMPLETION = "_TAPEHEAD_COMPLETE"

# The commands in the order of the help: their functions, in modules that are loaded when a command is called for.
COMMANDS = {
    "record": "record:record",
    "replay": "replay:replay",
    "serve": "serve:serve",
    "test": "test:player_test",
    "audit": "audit:audit",
    "diff": "diff:diff",
    "show": "show:show",
    "view": "view:view",
    "rules": "rules:rules",
    "summary": "summary:summary",
    "schema": "schema:schema",
    "import": "import_:import_",
    "export": "export:export",
    "demo": "demo:demo",
    "addon-path": "addon_path:addon_path",
}
# A variable of each command that takes options from the settings file, as an example.
_VARIABLES = {"record": "RECORD_TO", "replay": "REPLAY_ON_MISS", "serve": "SERVE_LISTEN"}
_DEFAULTS = (
    "Defaults of options come from variables such as TAPEHEAD_{variable} (several values separated by spaces), or else"
    " from [{command}] in tapehead.toml."
)


@cache
def load_command(name: str) -> Command:
    """Return a command, with its options."""
    module, _, attribute = COMMANDS[name].partition(":")
    function = getattr(import_module(f"tapehead.cli.{module}"), attribute)
    settings: dict[str, Any] = {"params": build_parameters(function), "help": function.__doc__}
    if name == "test":
        settings["context_settings"] = {"allow_interspersed_args": False}
    if name in _VARIABLES:
        epilog = _DEFAULTS.format(command=name, variable=_VARIABLES[name])
        return CommandWithSettings(name, callback=function, epilog=epilog, **settings)
    return Command(name, callback=function, **settings)


class Commands(click.Group):
    """All commands, each loaded when it is called for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return their names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command of that name; None if there is none.

        Raises:
            click.UsageError: there is none, and the name is no option.
        """
        if name in COMMANDS:
            return load_command(name)
        if context.resilient_parsing or name.startswith("-"):
            return None
        found = find_nearest(name, COMMANDS)
        raise click.UsageError(f"No such command {name!r}{f'; did you mean {found!r}?' if found else ''}", context)


def _show_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"tapehead {__version__}")
        context.exit()


VERSION = click.Option(
    ["--version"],
    is_flag=True,
    expose_value=False,
    callback=_show_version,
    is_eager=True,
    allow_from_autoenv=False,
    help="Print the version.",
)
app = Commands(
    PROGRAM,
    params=[VERSION],
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Record, replay and audit the tracking that media players send to Adobe's Media Collection API.",
    epilog="Variables give defaults for options: TAPEHEAD_AUDIT_FAIL_ON=warning for audit --fail-on.",
)


def run(argv: Sequence[str]) -> int:
    """Run the command that `argv` names and return its exit code."""
    try:
        if COMPLETION in os.environ:
            from click.shell_completion import shell_complete

            return shell_complete(app, {}, PROGRAM, COMPLETION, os.environ[COMPLETION])
        # Not `app.main`, which takes interrupts and broken pipes for errors of its own.
        with app.make_context(PROGRAM, list(argv), auto_envvar_prefix="TAPEHEAD") as context:
            app.invoke(context)
    except click.exceptions.Exit as wanted:
        return wanted.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of stdout has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (TapeheadError, OSError) as error:
        warn(_problem_of(error))
        return 2
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        _warn_of(error, argv)
        return 2
    except RuntimeError as error:
        if not (problem := thread_shortage(error)):
            raise
        warn(problem)
        return 2
    return 0


def _problem_of(error: TapeheadError | OSError) -> str:
    """Return what is wrong as a sentence; a stream that is full does not say its name."""
    from tapehead.files import FULL

    if isinstance(error, OSError) and error.errno in FULL and error.filename is None:
        return f"cannot write to stdout or a temporary file: {error.strerror}"
    return str(error)


def _warn_of(error: click.ClickException, argv: Sequence[str]) -> None:
    """Print one line about arguments that cannot be used."""
    message = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error, click.NoSuchOption):
        # Without dashes, which all options have in common.
        known = [name.lstrip("-") for name in error.possibilities or ()]
        found = find_nearest(error.option_name.lstrip("-"), known)
        message = f"there is no option '{error.option_name}'{f'; did you mean --{found}?' if found else ''}"
    if variable := variable_behind(error, argv):
        message = f"{variable}: {message}"
    path = getattr(getattr(error, "ctx", None), "command_path", None) or command_path(argv)
    warn(f"{message}{' See' if message.endswith('?') else '; see'} {path} --help")


def command_path(argv: Sequence[str]) -> str:
    """Return the words that call the command that arguments name."""
    name = next(iter(argv), "")
    return f"tapehead {name}" if name in COMMANDS else "tapehead"


def variable_behind(error: click.ClickException, argv: Sequence[str]) -> str | None:
    """Return the environment variable that an unusable value came from; None if it came from the command line."""
    parameter, context = getattr(error, "param", None), getattr(error, "ctx", None)
    if (
        not isinstance(parameter, click.Option)
        or context is None
        or any(word.partition("=")[0] in parameter.opts for word in argv)
    ):
        return None
    variable = variable_of(parameter, context)
    return variable if variable in os.environ else None
