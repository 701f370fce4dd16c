"""The bodies of events as they were recorded, kept for the page that shows them, within limits."""

from collections.abc import Iterable

import msgspec

from tapehead.auditor.timeline import Timeline
from tapehead.protocol.exchange import Entry
from tapehead.protocol.routes import Call

MOST_CHARACTERS = 16_000
MOST_IN_ALL = 48_000_000

EVENT_CALLS = (Call.SESSION, Call.EVENT, Call.DOWNLOADED)


class BodyStore:
    """Bodies by recording and line.

    Args:
        limit: how many bytes are kept in all; bodies that come after that are left out.
    """

    def __init__(self, limit: int = MOST_IN_ALL) -> None:
        self._left = limit
        self._texts: dict[tuple[str, int], str] = {}

    def keep(self, recording: str, entry: Entry) -> None:
        """Keep the body of an exchange's request, if it carries events and there is room."""
        if self.take(entry):
            self._texts[recording, entry.line] = entry.exchange.request.content().decode("utf-8", "replace")

    def take(self, entry: Entry) -> bool:
        """Take the room for the body of an exchange's request; return False if it carries no events, or has no room."""
        if entry.exchange.call not in EVENT_CALLS:
            return False
        size = len(entry.exchange.request.content())
        if size > self._left:
            return False
        self._left -= size
        return True

    def of(self, timeline: Timeline) -> dict[str, str]:
        """Return the bodies of a timeline's events by their index, each cut to a length that a page can show."""
        arrays = {(event.recording, event.line) for event in timeline.events if event.in_array}
        elements = {place: split_array(self._texts.get(place, "")) for place in arrays}
        bodies = {}
        for event in timeline.events:
            place = event.recording, event.line
            parts = elements.get(place, []) if event.in_array else []
            text = bytes(parts[event.index]).decode() if event.index < len(parts) else self._texts.get(place)
            if text is not None:
                bodies[str(event.index)] = text
        return {index: truncate(text) for index, text in bodies.items()}

    def drop(self, places: Iterable[tuple[str, int]]) -> None:
        """Drop the bodies of some lines, which nobody asks for any more."""
        for place in places:
            self._texts.pop(place, None)


def split_array(text: str) -> list[msgspec.Raw]:
    """Return the elements of a JSON array, byte for byte; none if it is no array."""
    try:
        return msgspec.json.decode(text, type=list[msgspec.Raw])
    except msgspec.MsgspecError:
        return []


def truncate(text: str) -> str:
    """Cut a body to a length that a page can show, and say how much is left out."""
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}\n… and {len(text) - MOST_CHARACTERS:,} more characters"
