"""The receipt of an offline run: what was attempted to reach the network, which is refused and has to be nothing.

It listens to the interpreter's own audit events, below every library in use, so that whoever tries is counted.
"""

import sys
from collections.abc import Iterable

_WATCHED = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
# What of an attempt is examples for the summary.
MOST_EXAMPLES = 20


class OfflineGuard:
    """Counts and refuses connections and look-ups, from `enable` on.

    Args:
        allow: hosts that may be reached, each with or without a port.

    Attributes:
        attempts: how many were refused.
        examples: the first of them, in words.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self.attempts = 0
        self.examples: list[str] = []
        # What is looked up is the name alone.
        self._allow = frozenset(part.lower() for name in allow for part in (name, name.rpartition(":")[0]) if part)
        self._enabled = False

    def enable(self) -> None:
        """Refuse from now on; what listens is not disturbed."""
        if not self._enabled:
            self._enabled = True
            sys.addaudithook(self._watch)

    def summary_line(self) -> str:
        """The receipt in words."""
        said = f"offline: {self.attempts} connections and look-ups attempted"
        return f"{said}: {', '.join(self.examples)}" if self.examples else said

    def _watch(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in _WATCHED:
            return
        connects = event == "socket.connect"
        target = arguments[1] if connects else arguments[0]
        host = target[0] if isinstance(target, tuple) and target else target
        named = host.lower() if isinstance(host, str) else host
        # An address is all that a connection shows of a host that is allowed by name: its look-up was judged.
        if named in self._allow or (connects and (self._allow or not isinstance(target, tuple))):
            return
        self.attempts += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(f"{event.partition('.')[2]} {host}")
        raise PermissionError(f"tapehead replays offline and does not reach for {host}")
