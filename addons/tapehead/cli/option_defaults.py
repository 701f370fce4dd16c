"""The sections of tapehead.toml, and their JSON Schema.

The sections of an audit come from `auditor.settings`; `[record]`, `[replay]` and `[serve]` have a key for each option
of their command, except for `NOT_IN_FILES`. A settings file may come with a repository of another author, and it counts
for everyone who works in that folder. So it may set where traffic goes, which the commands then print, but it can
neither open a proxy, lower the protection of data, run code, nor write outside its folder.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import orjson
from msgspec import Meta

from tapehead.auditor.settings import SettingsError, audit_fields, convert, section
from tapehead.cli.parameters import UNBOUNDED, Option, declared_parameters
from tapehead.cli.record import record
from tapehead.cli.replay import replay
from tapehead.cli.serve import serve
from tapehead.remote.urls import is_url, without_secrets

COMMANDS: Mapping[str, Callable[..., None]] = {"record": record, "replay": replay, "serve": serve}
# Options that a settings file must not set, and why.
NOT_IN_FILES = {
    "allow-client": "decides who may connect",
    "config": "names the settings file",
    "insecure": "turns certificate checks off",
    "live-origin": "decides whose pages may read calls",
    "keep-ids": "stores identifiers in the clear",
    "otlp": "decides where metrics are sent",
    "open": "opens the proxy to anybody",
    "overwrite": "replaces files",
    "proxyauth": "decides who may connect",
    "set": "can make mitmproxy run code",
    "ship": "decides where recordings are sent",
    "ship-delete": "removes files",
    "token": "decides who may read calls",
    "upstream-proxy": "may hold a login",
}
SCHEMA_ASSET = "cli/assets/settings.schema.json"


class FileOption(NamedTuple):
    """An option of a command, as a settings file may set it.

    Attributes:
        key: its name without dashes in front.
        parameter: the name of the command's parameter.
        kind: the type of its value.
        help: its help text.
        is_path: whether its value is the path of a file.
        refusal: why a file must not set it; None if it may.
    """

    key: str
    parameter: str
    kind: Any
    help: str
    is_path: bool
    refusal: str | None


def options_of(command: str) -> Iterator[FileOption]:
    """Yield the options of a command."""
    for parameter, kind, _, declaration in declared_parameters(COMMANDS[command]):
        if not isinstance(declaration, Option):
            continue
        key = next(name for name in declaration.names if name.startswith("--")).removeprefix("--")
        taken = str if kind is Path else kind
        if declaration.within != UNBOUNDED:
            taken = Annotated[taken, Meta(ge=declaration.within[0], le=declaration.within[1])]
        yield FileOption(key, parameter, taken, declaration.settings["help"], kind is Path, NOT_IN_FILES.get(key))


def settings_tree() -> Any:
    """Return the struct of a whole settings file, which refuses unknown keys and values of a wrong type."""
    sections = [
        (
            command,
            section(
                command.capitalize(),
                ((option.key, option.kind, option.help) for option in options_of(command) if not option.refusal),
            ),
            f"Options of tapehead {command}.",
        )
        for command in COMMANDS
    ]
    return section("Settings", [*audit_fields(), *sections])


def check_table(table: Mapping[str, Any]) -> None:
    """Check a settings file as a whole.

    Raises:
        SettingsError: it has an unknown key, a value of a wrong type, or an option that must not be set in a file.
    """
    for command in COMMANDS:
        options = table.get(command)
        for option in options_of(command) if isinstance(options, dict) else ():
            if option.refusal and option.key in table[command]:
                variable = f"TAPEHEAD_{command}_{option.key}".replace("-", "_").upper()
                where = f"{command}.{option.key} must not be set in a file, since it {option.refusal}"
                raise SettingsError(f"{where}; pass --{option.key} or set {variable}")
    convert(table, settings_tree())


def resolve_options(command: str, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a command's options by parameter, with paths below the `folder` of the settings file.

    Raises:
        SettingsError: a path leads out of that folder, or is a URL.
    """
    values: dict[str, Any] = {}
    for option in options_of(command):
        if option.key not in options:
            continue
        value = options[option.key]
        if option.is_path:
            if is_url(value):
                raise SettingsError(f"{command}.{option.key}: '{without_secrets(value)}' is a URL; expected a path")
            path = folder / value
            try:
                inside = path.resolve().is_relative_to(folder.resolve())
            except (OSError, ValueError):  # a loop of links, a NUL
                inside = False
            if not inside:
                raise SettingsError(
                    f"{command}.{option.key}: '{value}' is not below the folder of this file; pass --{option.key}"
                )
            value = str(path)
        values[option.parameter] = value
    return values


def describe_options(command: str, options: Mapping[str, Any]) -> str:
    """Return a command's options as they would be written on the command line."""
    words: list[str] = []
    for option in options_of(command):
        value = options.get(option.parameter)
        if value is True:
            words.append(f"--{option.key}")
        elif value is not None and value is not False:
            words += [f"--{option.key} {item}" for item in (value if isinstance(value, list) else [value])]
    return " ".join(words)


def build_schema() -> bytes:
    """Return the JSON Schema (2020-12) of tapehead.toml; the package ships it as `SCHEMA_ASSET`."""
    schema = msgspec.json.schema(settings_tree())
    for definition in schema["$defs"].values():
        definition.pop("required", None)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tapehead.toml",
        "description": "Settings of tapehead; in pyproject.toml they stand under [tool.tapehead].",
        **schema,
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
