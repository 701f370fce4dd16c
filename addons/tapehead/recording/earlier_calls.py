"""The latest calls of a recording that is added to: sessions that began in it may go on."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tapehead.auditor.recordings_audit import SILENT_MS
from tapehead.errors import RecordingError
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Entry
from tapehead.recording.reader import read_recording
from tapehead.recording.rotation import full_path, times_of_full

MOST_CALLS = 5_000


def earlier_calls(path: Path, lines: int, now: float) -> list[Entry]:
    """Return the latest calls of a recording, at most `MOST_CALLS`, in the order in which they were stored.

    Args:
        path: the recording; the files that it has filled are read, too.
        lines: the number of its lines that are read.
        now: the time, in seconds since 1970; calls that no session goes on from are left out.
    """
    since_ms = now * 1000 - SILENT_MS
    times = sorted(times_of_full(path))
    full = [full_path(path, time) for time in times if time >= datetime.fromtimestamp(since_ms / 1000, UTC)]
    found: deque[Entry] = deque()
    for file in (path, *reversed(full)):
        if len(found) >= MOST_CALLS:
            break
        latest = deque(_calls_since(file, lines if file == path else None, since_ms), MOST_CALLS - len(found))
        found.extendleft(reversed(latest))
    return list(found)


def _calls_since(path: Path, lines: int | None, since_ms: float) -> Iterator[Entry]:
    with suppress(RecordingError):  # said where it is audited
        for item in read_recording(path):
            if lines is not None and item.line > lines:
                return
            if isinstance(item, Entry) and (arrival_of(item.exchange) or 0.0) >= since_ms:
                yield item
