"""The forms of a report, and where each of them goes."""

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

# Stands for stdout where a file is named.
STDOUT = "-"


class Format(StrEnum):
    """The forms of a report."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    HTML = "html"


class FailOn(StrEnum):
    """The mildest finding that makes the command exit with 1."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"


class Target(NamedTuple):
    """A form of the report and the file it goes to; None for stdout."""

    form: Format
    output: Path | None
