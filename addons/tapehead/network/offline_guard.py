"""A guard that keeps a run offline: connections and look-ups are refused and counted.

It hooks the interpreter's own audit events, below every library in use, so that no attempt goes uncounted.
"""

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

_WATCHED = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
# The threads that may reach the network, by their identifiers.
_EXEMPT: set[int] = set()
# Attempts that the summary names.
MOST_EXAMPLES = 20


class OfflineAttempts(msgspec.Struct):
    """Connections and look-ups that were refused.

    Attributes:
        count: how many.
        examples: the first of them, as call and host.
    """

    count: int = 0
    examples: list[str] = msgspec.field(default_factory=list)

    def add(self, other: "OfflineAttempts") -> None:
        """Add the attempts of another process."""
        self.count += other.count
        self.examples = [*self.examples, *other.examples][:MOST_EXAMPLES]

    def summary_line(self) -> str:
        """Return the line about them for the summary."""
        line = f"offline: {self.count} connections and look-ups attempted"
        return f"{line}: {', '.join(self.examples)}" if self.examples else line


class OfflineGuard:
    """A guard that refuses and counts connections and look-ups, from `enable` on.

    Args:
        allow: hosts that may be reached, or `*.` and a domain for all below it; each with or without a port.

    Attributes:
        attempts: the refused attempts.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self.attempts = OfflineAttempts()
        # A look-up has the name alone.
        self._allow = frozenset(part.lower() for name in allow for part in (name, name.rpartition(":")[0]) if part)
        self._domains = tuple(part.removeprefix("*") for part in self._allow if part.startswith("*."))
        self._is_enabled = False

    def enable(self) -> None:
        """Refuse from now on; listening sockets are not affected."""
        if not self._is_enabled:
            self._is_enabled = True
            sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in _WATCHED or threading.get_ident() in _EXEMPT:
            return
        connects = event == "socket.connect"
        target = arguments[1] if connects else arguments[0]
        host = target[0] if isinstance(target, tuple) and target else target
        named = host.lower() if isinstance(host, str) else ""
        # A connection to a host that is allowed by name shows its address alone: the look-up was checked.
        is_allowed = named in self._allow or named.endswith(self._domains)
        if is_allowed or (connects and (self._allow or not isinstance(target, tuple))):
            return
        self.attempts.count += 1
        if len(self.attempts.examples) < MOST_EXAMPLES:
            self.attempts.examples.append(f"{event.partition('.')[2]} {host}")
        raise PermissionError(f"tapehead replays offline and does not connect to {host}")


@contextmanager
def exempt_thread() -> Iterator[None]:
    """Let this thread reach the network inside the block, to do what the user has asked for by an option."""
    _EXEMPT.add(threading.get_ident())
    try:
        yield
    finally:
        _EXEMPT.discard(threading.get_ident())
