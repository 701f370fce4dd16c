"""Programs that some tests need."""

import os
import shutil

import pytest


def require(program: str) -> str:
    """The path of a program; where there is none, the test is skipped, in CI it fails."""
    if found := shutil.which(program):
        return found
    why = f"there is no {program}; .ci/run installs it"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(why)
    pytest.skip(why)
