"""Places in recordings, as few bytes: a replay of a million exchanges may use each of them."""

from collections.abc import Iterable, Iterator

# The bits of a line's number within its page.
_PAGE_BITS = 12
_LAST_BYTE = (1 << _PAGE_BITS - 3) - 1


class Places:
    """A set of places, each the number of a recording and a line: one bit for each line, in pages of those near it."""

    def __init__(self) -> None:
        self._pages: dict[int, dict[int, bytearray]] = {}

    def add(self, file: int, line: int) -> None:
        """Add a place."""
        try:
            page = self._pages[file][line >> _PAGE_BITS]
        except KeyError:
            page = self._pages.setdefault(file, {})[line >> _PAGE_BITS] = bytearray(1 << _PAGE_BITS - 3)
        page[(line >> 3) & _LAST_BYTE] |= 1 << (line & 7)

    def add_all(self, places: Iterable[tuple[int, int]]) -> None:
        """Add places."""
        for file, line in places:
            self.add(file, line)

    def copy(self) -> "Places":
        """Return the same places, which do not change with these."""
        copied = Places()
        copied._pages = {
            file: {number: bytearray(page) for number, page in pages.items()} for file, pages in self._pages.items()
        }
        return copied

    def has(self, file: int, line: int) -> bool:
        """Return whether a place is in it."""
        page = self._pages.get(file, {}).get(line >> _PAGE_BITS)
        return page is not None and bool(page[(line >> 3) & _LAST_BYTE] & 1 << (line & 7))

    def __eq__(self, other: object) -> bool:
        """Return whether another one has the same places."""
        return set(self) == set(other) if isinstance(other, Places) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the places, those of each recording in order."""
        for file, pages in self._pages.items():
            for number, page in sorted(pages.items()):
                first = number << _PAGE_BITS
                for at, bits in enumerate(page):
                    if bits:
                        yield from ((file, first + at * 8 + bit) for bit in range(8) if bits >> bit & 1)


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

    def copy(self) -> "FewPlaces":
        """Return the same places, which do not change with these."""
        copied = FewPlaces()
        copied._places |= self._places
        return copied

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the places."""
        return iter(self._places)
