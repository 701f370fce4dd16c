"""The formats of an audit report, and the severity from which it fails."""

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

# Means stdout where a file is expected.
STDOUT = "-"


class Format(StrEnum):
    """The formats of a report."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    HTML = "html"
    CSV = "csv"
    CSV_FINDINGS = "csv-findings"


class Order(StrEnum):
    """The order of sessions in a report."""

    WORST = "worst"
    TIME = "time"


class FailOn(StrEnum):
    """The least severe finding that makes the command exit with 1."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"


class Target(NamedTuple):
    """A format of the report and the file it goes to; None for stdout."""

    form: Format
    output: Path | None
