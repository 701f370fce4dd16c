"""Details of sessions that pages show besides the report, within limits for all sessions."""

from typing import TYPE_CHECKING, Any

from tapehead.auditor.results import SessionResult
from tapehead.protocol.exchange import Entry
from tapehead.reports.audit.body_store import BodyStore

if TYPE_CHECKING:
    from tapehead.auditor.timeline import Timeline

# Events that the pages' timelines show in all; sessions without findings may take half of them.
MOST_EVENTS_DRAWN = 250_000


class PageDetails:
    """The timelines and bodies of sessions, as far as there is room for them."""

    def __init__(self) -> None:
        self._bodies = BodyStore()
        self._events_left = MOST_EVENTS_DRAWN

    def keep_body(self, entry: Entry) -> None:
        """Keep the body of an exchange, if there is room; for all exchanges in the order in which they are read."""
        self._bodies.keep(entry.recording, entry)

    def detail_of(self, result: SessionResult) -> tuple[Any, ...]:
        """Return a `Detail` of a session as plain objects, and drop its bodies."""
        from tapehead.reports.audit.html_report import detail_of

        timeline = self._draw(result)
        detail = tuple(detail_of(timeline, self._bodies.of(timeline) if timeline else {}))
        self._bodies.drop((step.event.recording, step.event.line) for step in result.steps)
        return detail

    def _draw(self, result: SessionResult) -> "Timeline | None":
        reserve = 0 if result.findings else MOST_EVENTS_DRAWN // 2
        if result.events > self._events_left - reserve:
            return None
        from tapehead.auditor.timeline import timeline_of

        self._events_left -= result.events
        return timeline_of(result)
