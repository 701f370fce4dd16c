"""Parquet files of tables, written a row group at a time. It needs the extra `parquet`."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import pyarrow.parquet as pq

from tapehead.errors import TapeheadError, UsageError
from tapehead.files import create_folder, open_private
from tapehead.reports.tables.arrow import arrow_schema, record_batch
from tapehead.reports.tables.rows import Row
from tapehead.reports.tables.schema import TABLES, Table

SUFFIX = ".parquet"
# Rows that wait in memory for their row group: of events, some 50 MB.
ROWS_IN_GROUP = 50_000


def table_paths(folder: Path) -> list[Path]:
    """Return the paths of the files of all tables in a folder."""
    return [folder / f"{table.name}{SUFFIX}" for table in TABLES]


class ParquetTables:
    """The files of all tables in a folder, which have their names once they are whole.

    Use it as a context manager: at its end the files take their names; after an error they are removed. They are
    private, as recordings are.

    Args:
        folder: the folder, which is created if only it is missing.
        overwrite: whether existing files are replaced.

    Attributes:
        counts: the number of rows of each table, by its name.

    Raises:
        UsageError: a file exists, or a directory has the name of one.
        TapeheadError: the files cannot be written, as on a full disk; so do `add` and the end.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        self.counts = dict.fromkeys((table.name for table in TABLES), 0)
        self._folder = folder
        self._overwrite = overwrite
        self._files: list[_TableFile] = []
        self._created: Path | None = None
        self._check_new()

    def _check_new(self) -> None:
        paths = table_paths(self._folder)
        # A file that replaces none fails after others have got their names.
        if folder := next((path for path in paths if path.is_dir() and not path.is_symlink()), None):
            raise UsageError(f"'{folder}' is a directory; remove it, or write the tables to another folder")
        existing = next(filter(os.path.lexists, paths), None)
        if existing and not self._overwrite:
            raise UsageError(f"'{existing}' exists; pass --overwrite to replace the tables in '{self._folder}'")

    def __enter__(self) -> Self:
        with self._writing():
            self._created = create_folder(self._folder)
            try:
                for table, path in zip(TABLES, table_paths(self._folder), strict=True):
                    self._files.append(_TableFile(table, path))
            except BaseException:
                self.discard()
                raise
        return self

    def add(self, rows: Mapping[str, Iterable[Row]]) -> None:
        """Add the rows of a session, by table, as `rows.rows_of` returns them."""
        with self._writing():
            for file in self._files:
                if more := rows.get(file.table.name):
                    self.counts[file.table.name] += file.add(more)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind:
            self.discard()
            return
        try:
            with self._writing():
                for file in self._files:
                    file.close()
            self._check_new()
            with self._writing():
                for file in self._files:
                    file.publish()
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove the files; none are written."""
        for file in self._files:
            file.discard()
        self._files.clear()
        if self._created:
            with contextlib.suppress(OSError):  # somebody else put something there
                self._created.rmdir()

    def remove_unfinished(self) -> None:
        """Remove the files that have no name yet, as before a signal ends the process, whatever it is writing."""
        for file in self._files:
            with contextlib.suppress(OSError):
                file.own_path.unlink()
        if self._created:
            with contextlib.suppress(OSError):
                self._created.rmdir()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TapeheadError(f"cannot write the tables to '{self._folder}': {error.strerror or error}") from error


class _TableFile:
    """The file of a table under a name of its own until it is whole.

    Attributes:
        table: the table.
        own_path: the path until then.
    """

    def __init__(self, table: Table, path: Path) -> None:
        self.table = table
        self._path = path
        self.own_path = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._rows: list[Row] = []
        self._file = cast("BinaryIO", open(self.own_path, "wb", opener=open_private))  # noqa: SIM115 - as long as rows come
        try:
            self._writer = pq.ParquetWriter(self._file, arrow_schema(table), compression="zstd")
        except OSError:
            self._remove()
            raise

    def add(self, rows: Iterable[Row]) -> int:
        """Add rows, and return their number."""
        before = len(self._rows)
        self._rows += rows
        added = len(self._rows) - before
        if len(self._rows) >= ROWS_IN_GROUP:
            self._write(self._rows)
            self._rows = []
        return added

    def _write(self, rows: Sequence[Row]) -> None:
        self._writer.write_batch(record_batch(self.table, rows))

    def close(self) -> None:
        """Write what waits, to the disk."""
        if self._rows:
            self._write(self._rows)
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def publish(self) -> None:
        """Give the file its name."""
        self.own_path.replace(self._path)

    def discard(self) -> None:
        """Remove the file, unless it has its name."""
        with contextlib.suppress(OSError):
            self._writer.close()
        self._remove()

    def _remove(self) -> None:
        for end in (self._file.close, self.own_path.unlink):
            with contextlib.suppress(OSError):
                end()
