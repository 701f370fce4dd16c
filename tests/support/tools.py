"""Programs that some tests need."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapehead-tests"


def require(program: str) -> str:
    """The path of a program; where there is none, the test is skipped, in CI it fails."""
    if found := shutil.which(program):
        return found
    return missing(program)


def cached_tool(path: str) -> str:
    """The path of a file of a tool that tests alone need, by its path where .ci/run installs these; else as above."""
    return str(CACHE / path) if (CACHE / path).exists() else missing(str(CACHE / path))


def missing(program: str) -> NoReturn:
    """Skip the test, since it needs a program; in CI it fails."""
    why = f"there is no {program}; .ci/run installs it"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(why)
    pytest.skip(why)
