"""The baseline's file: read before an audit, or written after it."""

from collections import Counter
from pathlib import Path

from tapehead.cli.messages import warn
from tapehead.errors import UsageError
from tapehead.files import read_regular
from tapehead.reports.audit.baseline import KnownFinding, count_known, mark_new, parse_baseline, render_baseline
from tapehead.reports.audit.json_report import Report
from tapehead.reports.report_output import write_report

# The largest baseline, in bytes: some hundred thousand findings.
MOST_BYTES = 100_000_000


class BaselineFile:
    """The file of --baseline.

    Args:
        path: the file; None for no baseline.
        write: whether the findings of the report become the baseline.

    Raises:
        UsageError: there is no such file, it cannot be used, or another file would be overwritten.
    """

    def __init__(self, path: Path | None, *, write: bool) -> None:
        self._path = path
        self._known = None
        if path and write:
            check_replaceable(path)
        elif path:
            self._known = read_baseline(path)

    def apply(self, report: Report, *, is_complete: bool) -> None:
        """Mark the findings of a report as new or known, having written the baseline first if that was asked for.

        A report that is not complete, since a recording could not be read, becomes no baseline.
        """
        known = self._known
        if self._path and known is None:
            known = count_known(report)
            if is_complete:
                write_report(render_baseline(known), self._path)
            else:
                warn(f"did not write '{self._path}': not all recordings could be read")
        if known is not None:
            mark_new(report, known)


def check_replaceable(path: Path) -> None:
    """Check that writing a baseline overwrites nothing but a baseline or an empty file.

    Raises:
        UsageError: it would.
    """
    try:
        content = read_regular(path, MOST_BYTES)
        if content.strip():
            parse_baseline(content)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"cannot write the baseline '{path}': {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"'{path}' is not a baseline and would be overwritten; name another file") from error


def read_baseline(path: Path) -> Counter[KnownFinding]:
    """Read a baseline.

    Raises:
        UsageError: there is none, or it cannot be used.
    """
    try:
        return parse_baseline(read_regular(path, MOST_BYTES))
    except FileNotFoundError as error:
        raise UsageError(f"there is no baseline '{path}'; --write-baseline writes it") from error
    except OSError as error:
        raise UsageError(f"cannot read the baseline '{path}': {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"cannot use the baseline '{path}': {error}") from error
