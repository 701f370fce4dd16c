"""Finding the settings file; it loads neither rules nor commands, so that commands without such a file start fast.

`tapehead.toml` has the settings at its top, `pyproject.toml` under `[tool.tapehead]`. The nearest file counts, from the
current folder upward, and `tapehead.toml` before `pyproject.toml`; a `pyproject.toml` without that table is passed by.
"""

import codecs
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapehead.errors import UsageError
from tapehead.files import read_regular

OWN_FILE = "tapehead.toml"
PROJECT_FILE = "pyproject.toml"
# The largest settings file, in bytes.
MOST_BYTES = 1_000_000
# A key of more parts than these, which the parser takes the square of the time and the memory for. It is searched where
# a key can begin, so that no byte is looked at for more than one of them.
_DEEP_KEY = re.compile(rb"""(?<![^\s\[{,])(?:(?:[\w-]++|"(?:[^"\\\n]++|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){32}""")


def find_table(config: Path | None, folder: Path | None = None) -> tuple[Path | None, Mapping[str, Any]]:
    """Return the settings file and its table; None and an empty one, if there is none."""
    if config is None:
        return find_config(folder) or (None, {})
    table = _own_table(_read_toml(config), config)
    if table is None:
        raise UsageError(f"'{config}' has no [tool.tapehead], which is where a {PROJECT_FILE} has the settings")
    return config, table


def find_config(folder: Path | None = None) -> tuple[Path, Mapping[str, Any]] | None:
    """Return the nearest settings file from `folder` (None: the current one) upward, and its table; None without one.

    Raises:
        UsageError: a file on the way cannot be read.
    """
    here = (folder or Path()).absolute()
    for path in (parent / name for parent in (here, *here.parents) for name in (OWN_FILE, PROJECT_FILE)):
        named = path.relative_to(here) if folder is None and path.parent == here else path
        try:
            exists = path.is_file()
        except OSError:  # in a folder that may not be read
            exists = False
        table = _own_table(_read_toml(named), named) if exists else None
        if table is not None:
            return named, table
    return None


def _own_table(document: Mapping[str, Any], path: Path) -> Mapping[str, Any] | None:
    """Return the settings in a TOML document; None if it is a pyproject.toml without any."""
    if "tool" not in document and path.name != PROJECT_FILE:
        return document
    tools = document.get("tool")
    table = tools.get("tapehead") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{path}: tool.tapehead: expected a table")
    return table


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        content = read_regular(path, MOST_BYTES).removeprefix(codecs.BOM_UTF8)
    except (OSError, ValueError) as error:
        raise UsageError(unreadable(path, error)) from error
    try:
        import tomllib  # which takes long to load, and most folders have no such file

        if _DEEP_KEY.search(content):
            raise RecursionError
        return tomllib.loads(content.decode())
    except RecursionError as error:
        raise UsageError(f"'{path}' is not TOML that can be read: it nests too deep") from error
    except ValueError as error:  # malformed, not UTF-8, a number with thousands of digits
        raise UsageError(f"'{path}' is not TOML: {error}") from error


def unreadable(path: Path, error: OSError | ValueError) -> str:
    """Return one sentence about a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return f"there is no file '{path}'"
    if isinstance(error, OSError):
        return f"cannot read '{path}': {error.strerror}"
    return f"{str(path)!r} is not a path: {error}"  # such as one with a NUL
