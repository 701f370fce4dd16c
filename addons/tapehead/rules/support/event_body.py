"""A parsed event body on its way through the checks of one exchange."""

from typing import Any, NamedTuple

from tapehead.protocol.parameters import PARAMETERS
from tapehead.text import shorten

# The keys whose values identify a person; findings do not quote them.
PERSON_KEYS = {row.key for row in PARAMETERS if row.person}


class EventBody(NamedTuple):
    """A parsed body.

    Attributes:
        event: the parsed object.
        event_type: its eventType, if that is a documented one.
        prefix: the beginning of every path: empty, or `[3].` in a downloaded array.
        arrived_ms: when it came, milliseconds since 1970.
        live: whether it was sent as it happened, and not after the fact.
    """

    event: dict[str, Any]
    event_type: str | None
    prefix: str
    arrived_ms: float
    live: bool

    @property
    def name(self) -> str:
        """The event's name in messages."""
        return self.event_type or "event"

    def section(self, key: str) -> dict[str, Any]:
        """Return the object `key` of the body; empty if it is missing or no object."""
        part = self.event.get(key)
        return part if isinstance(part, dict) else {}

    def join(self, path: tuple[str | int, ...]) -> str:
        """Return a path in the body, written with dots."""
        return self.prefix + ".".join(shorten(str(part)) for part in path)
