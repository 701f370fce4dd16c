"""The calls of a recording by session, on disk until they are shown."""

import pickle
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tapehead.auditor.results import SessionResult
from tapehead.files import TemporaryRows
from tapehead.protocol.exchange import Entry
from tapehead.reports.show.recorded_calls import Place, ShownCall, calls_by_session


class StoredCalls(Mapping[str | None, list[ShownCall]]):
    """The calls of each session, read and joined with the audit's results when they are asked for.

    Sessions stand in the order of their first calls; those of no session are under None.

    Args:
        on_error: called with the reason, once, if a temporary file cannot be written.
    """

    def __init__(self, on_error: Callable[[OSError], None]) -> None:
        self._entries, self._results = TemporaryRows(on_error), TemporaryRows(on_error)
        # By session: the numbers of its entries, and those of its results.
        self._entry_numbers: dict[str | None, array[int]] = {}
        self._result_numbers: dict[str | None, array[int]] = {}
        # The numbers of results without a session, which may be about any call.
        self._loose: dict[Place, int] = {}

    def keep(self, entries: Iterable[Entry], sid: str | None = None) -> Iterator[Entry]:
        """Yield the entries, having kept those of the sessions whose ids begin with `sid`; `-` for those of none."""
        for entry in entries:
            session = entry.exchange.session
            if sid is None or (session or "-").startswith(sid):
                self._entry_numbers.setdefault(session, array("L")).append(len(self._entries))
                self._entries.append(pickle.dumps(entry))
            yield entry

    def add(self, result: SessionResult) -> None:
        """Take the result of a session, if it may be about calls that are kept."""
        if result.id is not None and result.id not in self._entry_numbers:
            return
        number = len(self._results)
        self._results.append(pickle.dumps(result))
        self._result_numbers.setdefault(result.id, array("L")).append(number)
        if result.id is None:
            self._loose |= {(finding.recording, finding.line): number for finding in result.findings}

    def __getitem__(self, session: str | None) -> list[ShownCall]:
        entries: list[Entry] = [_load(self._entries[number]) for number in self._entry_numbers[session]]
        numbers = set(self._result_numbers.get(session, ()))
        numbers |= {self._loose[place] for each in entries if (place := (each.recording, each.line)) in self._loose}
        return calls_by_session(entries, (_load(self._results[number]) for number in sorted(numbers)))[session]

    def __iter__(self) -> Iterator[str | None]:
        return iter(self._entry_numbers)

    def __len__(self) -> int:
        return len(self._entry_numbers)


def _load(row: bytes) -> Any:
    return pickle.loads(row)  # noqa: S301 - what this process has written, in a file without name
