"""Contents of recordings that another machine has read."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from tapehead.protocol.clock_reading import ClockReading
from tapehead.protocol.exchange import Entry
from tapehead.recording.format_versions import BadLine
from tapehead.recording.paths import FoundInputs


class FetchedContents(Protocol):
    """Recordings whose contents come from elsewhere instead of from files of this machine."""

    def find_inputs(self, paths: Iterable[str | Path], warn: Callable[[str], None] | None) -> FoundInputs:
        """Return the recordings that paths stand for, as the function of that name does."""
        ...

    def items(self, path: Path) -> Iterator[Entry | BadLine]:
        """Yield the entries and the bad lines of a recording, in order; can be done more than once.

        Raises:
            RecordingError: it cannot be read.
        """
        ...

    def clocks(self, path: Path) -> Iterator[ClockReading]:
        """Yield the clocks in its lines."""
        ...
