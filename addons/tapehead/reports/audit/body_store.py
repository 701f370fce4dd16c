"""The bodies of events as they were recorded, kept for the page that shows them, within bounds."""

from collections.abc import Mapping

import msgspec

from tapehead.protocol.exchange import Entry
from tapehead.protocol.routes import Call
from tapehead.reports.timeline import Timeline, TimelineEvent

MOST_CHARACTERS = 16_000
MOST_IN_ALL = 48_000_000

_CALLS = (Call.SESSION, Call.EVENT, Call.DOWNLOADED)


class BodyStore:
    """Bodies by recording and line; those that come after the bound are left out."""

    def __init__(self, bound: int = MOST_IN_ALL) -> None:
        self._left = bound
        self._texts: dict[tuple[str, int], str] = {}

    def keep(self, recording: str, entry: Entry) -> None:
        """Keep the body of an exchange's request, if it carries events and there is room."""
        if entry.exchange.call not in _CALLS:
            return
        content = entry.exchange.request.content()
        if len(content) <= self._left:
            self._left -= len(content)
            self._texts[recording, entry.line] = content.decode("utf-8", "replace")

    def of(self, picture: Timeline) -> dict[str, str]:
        """The bodies of a picture's events by their index, each cut to a length that a page can show."""
        arrays = {(mark.recording, mark.line) for mark in picture.marks if mark.in_array}
        elements = {place: _elements(self._texts.get(place, "")) for place in arrays}
        found = ((str(mark.index), self._find(mark, elements)) for mark in picture.marks)
        return {index: _cut(text) for index, text in found if text is not None}

    def _find(self, mark: TimelineEvent, elements: Mapping[tuple[str, int], list[msgspec.Raw]]) -> str | None:
        place = mark.recording, mark.line
        parts = elements.get(place, []) if mark.in_array else []
        return bytes(parts[mark.index]).decode() if mark.index < len(parts) else self._texts.get(place)


def _elements(text: str) -> list[msgspec.Raw]:
    """The elements of a JSON array, byte for byte; none if it is no array."""
    try:
        return msgspec.json.decode(text, type=list[msgspec.Raw])
    except msgspec.MsgspecError:
        return []


def _cut(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}\n… and {len(text) - MOST_CHARACTERS:,} more characters"
