"""Schemas of an endpoint that `tapehead schema --from` stored beside recordings.

They are a recording of schema calls, in a file of a name of its own: in the folder of a recording, it says what the
endpoint accepts of all its events, whenever it was fetched.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from tapehead.errors import RecordingError
from tapehead.protocol.exchange import Entry
from tapehead.protocol.routes import Call
from tapehead.recording.format_versions import BadLine
from tapehead.recording.reader import read_recording

STORED_NAME = "schemas.jsonl"
# Of each event type there is one, of a megabyte at most, of which all are in memory; a recording of schema calls may
# have more.
MOST_STORED, MOST_BYTES = 1000, 50_000_000


def read_stored(path: Path) -> list[Entry]:
    """Return the exchanges of a file of stored schemas.

    Raises:
        RecordingError: it cannot be read, or has other calls than those of schemas.
    """
    return schemas_of(path, read_recording(path))


def schemas_of(path: Path, items: Iterable[Entry | BadLine]) -> list[Entry]:
    """Return the exchanges of a file of stored schemas that was read.

    Raises:
        RecordingError: it has other calls than those of schemas.
    """
    entries: list[Entry] = []
    size = 0
    for item in items:
        if not isinstance(item, Entry):
            continue
        if item.exchange.call is not Call.SCHEMA:
            raise RecordingError(f"'{path}' is a recording with other calls; name a file for schemas alone with --out")
        entries.append(item)
        size += len(item.exchange.response.content()) if item.exchange.response else 0
        if len(entries) > MOST_STORED or size > MOST_BYTES:
            limits = f"{MOST_STORED:,} schemas or {MOST_BYTES:,} bytes of them"
            raise RecordingError(f"'{path}' has more than {limits}; remove it, and fetch them again")
    return entries


def stored_schemas(recordings: Iterable[Path], warn: Callable[[str], None]) -> list[Entry]:
    """Return the schemas that are stored in the folders of some recordings; `warn` gets why a file is not used."""
    entries: list[Entry] = []
    for folder in dict.fromkeys(path.parent for path in recordings):
        path = folder / STORED_NAME
        if not path.is_file():
            continue
        try:
            entries += read_stored(path)
        except RecordingError as error:
            warn(f"stored schemas are not used: {error}")
    return entries
