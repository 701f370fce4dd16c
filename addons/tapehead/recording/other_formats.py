"""The interface to files in other formats than that of recordings, which `interop` reads."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tapehead.errors import RecordingError
from tapehead.protocol.exchange import Entry


class OtherFormats(Protocol):
    """Reading of files in other formats.

    Attributes:
        names: what they are called in messages.
    """

    names: str

    @property
    def attached(self) -> Collection[Path]:
        """Files that are parts of those that were read."""
        ...

    def recognises(self, path: Path) -> bool:
        """Return whether a file is of such a format."""
        ...

    def advise(self, path: Path) -> str | None:
        """Return what to do with a file of a known format that cannot be read, one sentence; None for others."""
        ...

    def describe_traffic(self, path: Path) -> str | None:
        """Return, for saved traffic of a known format that cannot be read, that format and what to do instead."""
        ...

    def load(self, paths: Sequence[Path]) -> Mapping[Path, list[Entry] | RecordingError]:
        """Return the entries of files in order of time, or why there are none."""
        ...
