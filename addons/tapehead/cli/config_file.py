"""Reading the settings file, with one line for each error in it.

Schemas may stand in the file or in JSON files of their own, whose paths are relative to it.
"""

import codecs
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import orjson

from tapehead.auditor.expectations import schemas_in
from tapehead.auditor.settings import AuditSettings, SettingsError, convert, read_settings
from tapehead.cli.config_search import find_table, unreadable
from tapehead.files import read_regular
from tapehead.protocol.schemas import Schema

# The largest file of schemas, in bytes: more than those of all event types take.
MOST_OF_SCHEMAS = 10_000_000


class Config(NamedTuple):
    """Audit settings and the file that they were read from; None without one."""

    settings: AuditSettings
    source: Path | None


def load_config(config: Path | None = None, expect: Iterable[str] = (), folder: Path | None = None) -> Config:
    """Return the settings of an audit.

    Args:
        config: the settings file; None to look for it.
        expect: JSON files with schemas, each as `FILE` or `EVENT_TYPE=FILE`; they win over those in the settings.
        folder: where to begin to look; None for the current one.

    Raises:
        UsageError: a file cannot be read or has an error in it.
    """
    source, table = find_table(config, folder)
    settings = AuditSettings()
    if source:
        # With all commands that take options from the file.
        from tapehead.cli.option_defaults import COMMANDS, check_table

        with _at(source):
            check_table(table)
            sections = {key: table[key] for key in table if key not in COMMANDS}
            settings = read_settings(sections | _read_expect(table.get("expect"), source.parent))
    schemas = {event_type: schema for name in expect for event_type, schema in _read_argument(name).items()}
    return Config(msgspec.structs.replace(settings, expect={**settings.expect, **schemas}), source)


def load_options(command: str, config: Path | None = None) -> tuple[Path | None, dict[str, Any]]:
    """Return the settings file and the options that it gives for a command, by parameter.

    Raises:
        UsageError: the file cannot be read or has an error in it, or sets an option that it must not.
    """
    source, table = find_table(config)
    if source is None:
        return None, {}
    from tapehead.cli.option_defaults import check_table, resolve_options

    with _at(source):
        check_table(table)
        return source, resolve_options(command, table.get(command, {}), source.parent)


def _read_expect(expect: object, folder: Path) -> dict[str, object]:
    """Return the section `expect` with its files read; nothing, if there is no such section."""
    if isinstance(expect, str):
        with _at("expect"):
            return {"expect": _read_schemas(folder / expect)}
    if not isinstance(expect, dict):
        return {}
    return {"expect": {name: _read_schema(value, folder, f"expect.{name}") for name, value in expect.items()}}


def _read_schema(value: object, folder: Path, place: str) -> object:
    """Return a schema, from its file if `value` names one."""
    if not isinstance(value, str):
        return value
    with _at(place):
        return convert(_read_json(folder / value), dict[str, Any], value)


def _read_argument(argument: str) -> Mapping[str, Schema]:
    """Return the schemas that `--expect` names, by event type."""
    event_type, equals, name = argument.partition("=")
    with _at("--expect"):
        if equals and not Path(argument).exists():
            return read_settings({"expect": {event_type: _read_schema(name, Path(), event_type)}}).expect
        return read_settings({"expect": _read_schemas(Path(argument))}).expect


def _read_schemas(path: Path) -> dict[str, Schema]:
    document = _read_json(path)
    try:
        return schemas_in(document, path.name.partition(".")[0])
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from error


@contextmanager
def _at(place: object) -> Iterator[None]:
    """Name the place in errors of what stands there."""
    try:
        yield
    except SettingsError as error:
        raise SettingsError(f"{place}: {error}") from error


def _read_json(path: Path) -> object:
    try:
        return orjson.loads(read_regular(path, MOST_OF_SCHEMAS).removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise SettingsError(f"'{path}' is not JSON: {error}") from error
    except (OSError, ValueError) as error:
        raise SettingsError(unreadable(path, error)) from error
