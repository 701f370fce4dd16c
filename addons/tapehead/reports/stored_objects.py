"""Objects of a report on disk, so that memory does not grow with recordings."""

import marshal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, overload

from tapehead.files import TemporaryRows


class Encoding(Protocol):
    """An encoding of objects as bytes, such as the modules marshal and pickle."""

    def dumps(self, item: Any, /) -> bytes:
        """Return an object as bytes."""

    def loads(self, content: bytes, /) -> Any:
        """Return a copy of the object."""


class StoredObjects(Sequence[Any]):
    """Objects in temporary rows, in an order that can be changed; each is another copy whenever it is read.

    Args:
        on_error: called with the reason, once, if the temporary file cannot be written.
        encoding: marshal for plain objects, which come back as they are, also infinite numbers and large integers;
            pickle for others.

    Attributes:
        order: the numbers of the objects, as they were added, in their order now; empty while that is the same.
    """

    def __init__(self, on_error: Callable[[OSError], None], encoding: Encoding = marshal) -> None:
        self._rows = TemporaryRows(on_error)
        self._encoding = encoding
        self.order: Sequence[int] = ()

    def append(self, item: Any) -> None:
        """Add an object."""
        self._rows.append(self._encoding.dumps(item))

    def arrange(self, order: Sequence[int]) -> None:
        """Put the objects in an order, each by its number as it was added."""
        self.order = order

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        number = range(len(self))[place]
        return self.read(self.order[number] if self.order else number)

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    def read(self, number: int) -> Any:
        """Return the object that was added as the one of this number."""
        return self._encoding.loads(self._rows[number])  # what this process has written, in a file without name
