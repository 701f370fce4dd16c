"""Contents of recordings that another machine has read."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from tapehead.protocol.exchange import Entry
from tapehead.recording.clock_offsets import ClockComparison
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

    def compare_clocks(self, path: Path, comparison: ClockComparison) -> None:
        """Have a comparison take the clocks in the lines of a recording."""
        ...
