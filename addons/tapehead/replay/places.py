"""Places in recordings, as few bytes: a replay of a million exchanges may use each of them."""

from collections.abc import Iterable, Iterator


class Places:
    """A set of places, each the number of a recording and a line: one byte for each line up to the last."""

    def __init__(self) -> None:
        self._lines: dict[int, bytearray] = {}

    def add(self, file: int, line: int) -> None:
        """Add a place."""
        try:
            self._lines[file][line] = 1
        except (KeyError, IndexError):
            lines = self._lines.setdefault(file, bytearray())
            lines.extend(bytes(max(line + 1 - len(lines), len(lines) // 8)))
            lines[line] = 1

    def add_all(self, places: Iterable[tuple[int, int]]) -> None:
        """Add places."""
        for file, line in places:
            self.add(file, line)

    def copy(self) -> "Places":
        """Return the same places, which do not change with these."""
        copied = Places()
        copied._lines = {file: bytearray(lines) for file, lines in self._lines.items()}
        return copied

    def has(self, file: int, line: int) -> bool:
        """Return whether a place is in it."""
        lines = self._lines.get(file, b"")
        return line < len(lines) and bool(lines[line])

    def __eq__(self, other: object) -> bool:
        """Return whether another one has the same places."""
        return set(self) == set(other) if isinstance(other, Places) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the places, those of each recording in order."""
        for file, lines in self._lines.items():
            line = lines.find(1)
            while line >= 0:
                yield file, line
                line = lines.find(1, line + 1)


class FewPlaces(Places):
    """A set of places of which there are few."""

    def __init__(self) -> None:
        self._places: set[tuple[int, int]] = set()

    def add(self, file: int, line: int) -> None:
        """Add a place."""
        self._places.add((file, line))

    def has(self, file: int, line: int) -> bool:
        """Return whether a place is in it."""
        return (file, line) in self._places

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the places."""
        return iter(self._places)
