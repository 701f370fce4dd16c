"""The file with the settings: finding it, reading it, and saying in one line what is wrong with it.

`tapehead.toml` has the settings at its top, `pyproject.toml` under `[tool.tapehead]`. The nearest file counts, from the
current folder upward, and `tapehead.toml` before `pyproject.toml`; a `pyproject.toml` without that table is passed by.
Schemas may stand in the file or in JSON files of their own, whose paths are relative to it.
"""

import codecs
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import orjson

from tapehead.audit.expectations import schemas_in
from tapehead.audit.settings import Settings, SettingsError, convert, read_settings
from tapehead.errors import UsageError
from tapehead.protocol.schemas import Schema

OWN_FILE = "tapehead.toml"
PROJECT_FILE = "pyproject.toml"
# A key of more parts than these, which the parser takes the square of the time and the memory for.
_DEEP_KEY = re.compile(rb"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){100}""")


class Config(NamedTuple):
    """Settings and where they came from.

    Attributes:
        settings: what is in force.
        source: the file that they were read from; None without one.
    """

    settings: Settings
    source: Path | None


def load_config(config: Path | None = None, expect: Iterable[str] = (), folder: Path | None = None) -> Config:
    """The settings in force.

    Args:
        config: the file with them; None to look for it.
        expect: JSON files with schemas, each as `FILE` or `EVENT_TYPE=FILE`; they win over those in the settings.
        folder: where to begin to look; None for the current one.

    Raises:
        UsageError: a file cannot be read, or says what means nothing.
    """
    found = (config, _read_named(config)) if config else find_config(folder)
    source, table = found or (None, {})
    settings = _read_table(table, source) if source else Settings()
    schemas = {event_type: schema for name in expect for event_type, schema in _read_argument(name).items()}
    return Config(msgspec.structs.replace(settings, expect={**settings.expect, **schemas}), source)


def find_config(folder: Path | None = None) -> tuple[Path, Mapping[str, Any]] | None:
    """The nearest file with settings from `folder` (None: the current one) upward, and its table; None if none has.

    Raises:
        UsageError: a file on the way cannot be read.
    """
    here = (folder or Path()).absolute()
    for path in (each / name for each in (here, *here.parents) for name in (OWN_FILE, PROJECT_FILE)):
        shown = path.relative_to(here) if folder is None and path.parent == here else path
        table = _own_table(_read_toml(shown), shown) if _is_there(path) else None
        if table is not None:
            return shown, table
    return None


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that is not ours to look into
        return False


def _read_named(path: Path) -> Mapping[str, Any]:
    table = _own_table(_read_toml(path), path)
    if table is None:
        raise UsageError(f"{path} has no [tool.tapehead], which is where a {PROJECT_FILE} has the settings")
    return table


def _own_table(document: Mapping[str, Any], path: Path) -> Mapping[str, Any] | None:
    """The settings in a TOML document; None if it is a project's and has none."""
    if "tool" not in document and path.name != PROJECT_FILE:
        return document
    tools = document.get("tool")
    table = tools.get("tapehead") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{path}: tool.tapehead: expected a table")
    return table


def _read_table(table: Mapping[str, Any], path: Path) -> Settings:
    try:
        return read_settings({**table, **_read_expect(table.get("expect"), path.parent)})
    except SettingsError as error:
        raise UsageError(f"{path}: {error}") from error


def _read_expect(expect: object, folder: Path) -> dict[str, object]:
    """The section `expect` with its files read; empty where `expect` names none."""
    if isinstance(expect, str):
        with _at("expect"):
            return {"expect": _schemas_of(folder / expect)}
    if not isinstance(expect, dict):
        return {}
    return {"expect": {name: _read_schema(value, folder, f"expect.{name}") for name, value in expect.items()}}


def _read_schema(value: object, folder: Path, place: str) -> object:
    """A schema, from its file if `value` names one."""
    if not isinstance(value, str):
        return value
    with _at(place):
        return convert(_read_json(folder / value), dict[str, Any], value)


def _read_argument(argument: str) -> Mapping[str, Schema]:
    """The schemas that `--expect` names, by event type."""
    event_type, equals, name = argument.partition("=")
    try:
        if equals and not Path(argument).exists():
            return read_settings({"expect": {event_type: _read_schema(name, Path(), event_type)}}).expect
        return read_settings({"expect": _schemas_of(Path(argument))}).expect
    except SettingsError as error:
        raise UsageError(f"--expect: {error}") from error


def _schemas_of(path: Path) -> dict[str, Schema]:
    document = _read_json(path)
    try:
        return schemas_in(document, path.name.partition(".")[0])
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from error


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Name the place in whatever is wrong there."""
    try:
        yield
    except SettingsError as error:
        raise SettingsError(f"{place}: {error}") from error


def _read_json(path: Path) -> object:
    try:
        return orjson.loads(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise SettingsError(f"{path} is no JSON: {error}") from error
    except OSError as error:
        raise SettingsError(_unreadable(path, error)) from error
    except ValueError as error:  # no path at all, such as one with a NUL
        raise SettingsError(f"{str(path)!r} is no path: {error}") from error


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
        if _DEEP_KEY.search(content):
            raise RecursionError
        return tomllib.loads(content.decode())
    except RecursionError as error:
        raise UsageError(f"{path} is no TOML that can be read: it nests too deep") from error
    except OSError as error:
        raise UsageError(_unreadable(path, error)) from error
    except ValueError as error:  # no TOML or no UTF-8, a number with thousands of digits, a path with a NUL
        raise UsageError(f"{path} is no TOML: {error}") from error


def _unreadable(path: Path, error: OSError) -> str:
    missing = isinstance(error, FileNotFoundError)
    return f"there is no file {path}" if missing else f"cannot read {path}: {error.strerror}"
