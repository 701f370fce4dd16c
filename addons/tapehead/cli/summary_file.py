"""The summary of a run as JSON, in a file."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from tapehead.errors import UsageError
from tapehead.files import create_folder, open_private
from tapehead.recording.paths import check_outputs


def check_summary_file(path: Path | None, others: Iterable[Path]) -> None:
    """Check before a run that its summary can be written, and that the file is none of the other files of the run.

    Raises:
        UsageError: it cannot be, or it is one of them.
    """
    if path is None:
        return
    check_outputs([path], others)
    try:
        create_folder(path.parent)
        open(path, "ab", opener=open_private).close()
    except OSError as error:
        raise _summary_error(path, error) from error


def write_summary_file(path: Path | None, summary: msgspec.Struct) -> None:
    """Write a summary; nothing without a path.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None:
        return
    try:
        with open(path, "wb", opener=open_private) as file:
            file.write(msgspec.json.format(msgspec.json.encode(summary, enc_hook=list)) + b"\n")
    except OSError as error:
        raise _summary_error(path, error) from error


def _summary_error(path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot write the summary to '{path}': {error.strerror}")
