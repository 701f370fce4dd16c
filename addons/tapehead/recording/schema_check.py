"""Warnings of recorded schemas that cannot be used."""

from collections.abc import Callable

from tapehead.protocol.exchange import Entry
from tapehead.protocol.schemas import schema_problem


class SchemaCheck:
    """A check that warns of recorded schemas that cannot be used, of each once a recording.

    Args:
        warn: called with one line.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._warned: set[tuple[str, str]] = set()

    def check(self, entry: Entry) -> None:
        """Warn of the schema in an exchange of the schema call, if there is one that cannot be used."""
        problem = schema_problem(entry.exchange)
        if problem and (entry.recording, problem) not in self._warned:
            self._warned.add((entry.recording, problem))
            self._warn(f"{entry.recording}:{entry.line}: {problem}")
