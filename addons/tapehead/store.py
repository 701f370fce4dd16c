"""Recordings on disk: appending exchanges, reading them back, and the key of a directory's pseudonyms."""

import hashlib
import itertools
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

from tapehead.exchange import Exchange, encode
from tapehead.problems import RecordingProblem, UsageProblem
from tapehead.recording import BadLine, Entry, NewerFormatError, read_lines

# Lines of one file that are complained of one by one.
MOST_COMPLAINTS = 20
# Lines of a file that say whether it is a recording.
LINES_LOOKED_AT = 20


class RecordingWriter:
    """A recording open for appending, one write an exchange.

    Args:
        path: the file; its directory is made if need be, the file gets mode 0600.
        append: whether a recording that is there may be added to.
        overwrite: whether it may be replaced. With neither, the file must not be there, or be empty.

    Raises:
        RecordingProblem: it cannot be opened, or what is there is no recording.
    """

    def __init__(self, path: Path, *, append: bool = False, overwrite: bool = False) -> None:
        self.path = path
        try:
            _make_directory(path.parent)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._replaces = self._claim(append=append, overwrite=overwrite) and overwrite
            if not self._replaces:
                self._mend_torn_end()
        except IsADirectoryError as error:
            raise RecordingProblem(f"{path} is a directory; name a file in it") from error
        except OSError as error:
            raise RecordingProblem(f"cannot write {path}: {error.strerror}") from error

    def _claim(self, *, append: bool, overwrite: bool) -> bool:
        """Whether there is something, which is made sure to be a recording that may be added to or replaced."""
        if not os.fstat(self._file).st_size:
            return False
        try:
            if not (append or overwrite):
                raise RecordingProblem(f"{self.path} exists; say --append to add to it, --overwrite to replace it")
            check_recording(self.path)
        except RecordingProblem:
            os.close(self._file)
            raise
        return True

    def _mend_torn_end(self) -> None:
        """End a line that a crash cut short, so that the next exchange begins on a line of its own."""
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")

    def append(self, exchange: Exchange) -> None:
        """Add one exchange.

        Raises:
            OSError: the disk does not take it.
        """
        if self._replaces:  # only now, since until here the run may have failed
            os.ftruncate(self._file, 0)
            self._replaces = False
        line, size = encode(exchange), os.fstat(self._file).st_size
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError:
            # Half a line would swallow the next one.
            os.ftruncate(self._file, size)
            raise

    def discard_if_empty(self) -> None:
        """Remove the file again if there is nothing in it."""
        if not os.fstat(self._file).st_size:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; appending is over."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(error.errno, f"{path} is no directory") from error


class SafeWriter:
    """A writer whose failures stop no traffic: told once, counted, and given back to at the end.

    Args:
        writer: where exchanges go.
        complain: called with one line when the disk first refuses.
    """

    def __init__(self, writer: RecordingWriter, complain: Callable[[str], None]) -> None:
        self.writer = writer
        self.written = 0
        self.lost = 0
        self._complain = complain

    def append(self, exchange: Exchange) -> None:
        """Add an exchange, or count it as lost."""
        try:
            self.writer.append(exchange)
        except (OSError, ValueError) as error:
            if not self.lost:
                why = getattr(error, "strerror", None) or error
                self._complain(f"cannot write {self.writer.path}: {why}; the traffic goes on unrecorded")
            self.lost += 1
        else:
            self.written += 1


def read_recording(path: Path) -> Iterator[Entry | BadLine]:
    """The entries and the bad lines of the recording at `path`, in file order.

    Raises:
        RecordingProblem: there is no such file, it cannot be read, a later tapehead wrote it, or no line of it is an
            exchange.
    """
    exchanges = 0
    first_bad: BadLine | None = None
    for item in _read_file(path):
        exchanges += isinstance(item, Entry)
        if isinstance(item, BadLine):
            first_bad = first_bad or item
        yield item
    if not exchanges and first_bad:
        raise RecordingProblem(f"{path} is no recording: line {first_bad.line}: {first_bad.reason}")
    if not exchanges:
        raise RecordingProblem(f"{path} is empty: no exchange was recorded")


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Make sure that nothing is written over what is read.

    Raises:
        UsageProblem: an output is an input.
    """
    read = {path.resolve() for path in inputs}
    for path in outputs:
        if path.resolve() in read:
            raise UsageProblem(f"{path} is read, and would be written over; name another file")


def check_recording(path: Path) -> None:
    """Look into a file that is to be written to.

    Raises:
        RecordingProblem: it is no recording that this tapehead can add to.
    """
    looked_at = list(itertools.islice(_read_file(path), LINES_LOOKED_AT))
    if not any(isinstance(item, Entry) or item.torn for item in looked_at):
        raise RecordingProblem(f"{path} is no recording; name another file")


def read_entries(path: Path, complain: Callable[[str], None]) -> list[Entry]:
    """The entries of the recording at `path`; each line that is no exchange is complained of in one line.

    Raises:
        RecordingProblem: as `read_recording` does.
    """
    entries: list[Entry] = []
    bad: list[BadLine] = []
    for item in read_recording(path):
        if isinstance(item, Entry):
            entries.append(item)
        else:
            bad.append(item)
    for line in bad[:MOST_COMPLAINTS]:
        complain(f"{path}:{line.line}: skipped, {line.reason}")
    if len(bad) > MOST_COMPLAINTS:
        complain(f"{path}: skipped {len(bad) - MOST_COMPLAINTS} more lines that are no exchanges")
    return entries


def _read_file(path: Path) -> Iterator[Entry | BadLine]:
    try:
        with path.open("rb") as lines:
            yield from read_lines(lines)
    except NewerFormatError as error:
        raise RecordingProblem(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise RecordingProblem(f"there is no file {path}") from error
    except IsADirectoryError as error:
        raise RecordingProblem(f"{path} is a directory; name the files in it, such as {path}/*.jsonl") from error
    except OSError as error:
        raise RecordingProblem(f"cannot read {path}: {error.strerror}") from error


def state_directory() -> Path:
    """Where tapehead keeps what belongs to the user and not into recordings (XDG_STATE_HOME/tapehead)."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "tapehead"


def pseudonym_key(directory: Path) -> bytes:
    """The secret key of the pseudonyms in recordings in `directory`, made (mode 0600) when first asked for.

    Raises:
        RecordingProblem: it can neither be read nor made.
    """
    name = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:32]
    path = state_directory() / "keys" / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _make_key(path) or path.read_bytes()
    except OSError as error:
        message = f"cannot keep the pseudonyms' key in {path}: {error.strerror}; set XDG_STATE_HOME or say --keep-ids"
        raise RecordingProblem(message) from error


def _make_key(path: Path) -> bytes | None:
    """A new key at `path`; None if one is there. Written aside first, so that nobody reads half of it."""
    if path.exists():
        return None
    key, aside = secrets.token_bytes(32), path.with_suffix(f".{os.getpid()}")
    aside.touch(mode=0o600)
    aside.write_bytes(key)
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        return None
    finally:
        aside.unlink()
    return key
