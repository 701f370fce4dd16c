"""The commands, and what is printed of their errors.

Exit codes: 0 fine; 1 a check failed; 2 the command could not do its work, with one line on stderr.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from tapehead import __version__
from tapehead.cli.addon_path import addon_path
from tapehead.cli.audit import audit
from tapehead.cli.command import Command, CommandWithSettings
from tapehead.cli.demo import demo
from tapehead.cli.diff import diff
from tapehead.cli.import_ import import_
from tapehead.cli.messages import warn
from tapehead.cli.record import record
from tapehead.cli.replay import replay
from tapehead.cli.rules import rules
from tapehead.cli.schema import schema
from tapehead.cli.serve import serve
from tapehead.cli.show import show
from tapehead.cli.test import player_test
from tapehead.cli.view import view
from tapehead.errors import TapeheadError
from tapehead.text import find_nearest

# What Python says where the limit of threads and processes is reached.
_NO_THREAD = "can't start new thread"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_DEFAULTS = (
    "Defaults of options come from variables such as TAPEHEAD_{variable} (several values separated by spaces), or else"
    " from [{command}] in tapehead.toml."
)
app.command(cls=CommandWithSettings, epilog=_DEFAULTS.format(command="record", variable="RECORD_TO"))(record)
app.command(cls=CommandWithSettings, epilog=_DEFAULTS.format(command="replay", variable="REPLAY_ON_MISS"))(replay)
app.command(cls=CommandWithSettings, epilog=_DEFAULTS.format(command="serve", variable="SERVE_LISTEN"))(serve)
app.command("test", cls=Command, context_settings={"allow_interspersed_args": False})(player_test)
for _command in (audit, diff, show, view, rules, schema, import_, demo, addon_path):
    app.command(_command.__name__.rstrip("_").replace("_", "-"), cls=Command)(_command)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"tapehead {__version__}")
        raise typer.Exit


@app.callback(epilog="Variables give defaults for options: TAPEHEAD_AUDIT_FAIL_ON=warning for audit --fail-on.")
def tapehead(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, allow_from_autoenv=False, help="Print the version."
        ),
    ] = False,
) -> None:
    """Record, replay and audit the tracking that media players send to Adobe's Media Collection API."""


def run(argv: Sequence[str]) -> int:
    """Run the command that `argv` names and return its exit code."""
    try:
        code = get_command(app).main(
            list(argv), prog_name="tapehead", auto_envvar_prefix="TAPEHEAD", standalone_mode=False
        )
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of stdout has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (TapeheadError, OSError) as error:
        warn(str(error))
        return 2
    except Exception as error:
        # Typer bundles click, or depends on it, by its version: their errors are known by what they can do.
        format_message = getattr(error, "format_message", None)
        if str(error) == _NO_THREAD:
            warn("the system does not let another thread start; raise the limit of processes, as with ulimit -u")
            return 2
        if format_message is None:
            raise
        message = str(format_message())
        if isinstance(possibilities := getattr(error, "possibilities", None), Sequence) and hasattr(
            error, "option_name"
        ):
            # Without dashes, which all options have in common.
            found = find_nearest(error.option_name.lstrip("-"), [name.lstrip("-") for name in possibilities])
            message = f"there is no option '{error.option_name}'{f'; did you mean --{found}?' if found else ''}"
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(message)
        else:
            path = getattr(getattr(error, "ctx", None), "command_path", None) or command_path(argv)
            message = " ".join(message.split()).rstrip(".")
            message = message.replace("Value error, ", "").replace(". Did you", "; did you")
            if variable := variable_behind(error, argv):
                message = f"{variable}: {message}"
            warn(f"{message}{' See' if message.endswith('?') else '; see'} {path} --help")
        return 2
    return code if isinstance(code, int) else 0


def command_path(argv: Sequence[str]) -> str:
    """Return the words that call the command that arguments name."""
    name = next(iter(argv), "")
    return f"tapehead {name}" if name in getattr(get_command(app), "commands", ()) else "tapehead"


def variable_behind(error: Exception, argv: Sequence[str]) -> str | None:
    """Return the environment variable that an unusable value came from; None if it came from the command line."""
    parameter, context = getattr(error, "param", None), getattr(error, "ctx", None)
    if parameter is None or context is None or any(word.partition("=")[0] in parameter.opts for word in argv):
        return None
    variable = f"{context.auto_envvar_prefix}_{parameter.name}".upper()
    return variable if variable in os.environ else None
