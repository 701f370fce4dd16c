"""Filters of the HTTP API whose values only a run can tell: sessions by the beginning of their ids, types of events."""

from tapehead.journal.journal import Journal
from tapehead.journal.row_filter import RowFilter
from tapehead.live.api_model import BAD_REQUEST, NOT_FOUND, ApiError
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.routes import Call
from tapehead.text import nearest, shorten_value

# What the terminal shows of a session id.
LEAST_PREFIX = 8
_DOCUMENTED = (*EVENT_TYPES, *(f"({call})" for call in Call))


def session_id(journal: Journal, text: str) -> str:
    """Return the id of the session that a text names: all of it, or the beginning.

    Raises:
        ApiError: no session in the journal has such an id, or several have.
    """
    if journal.session(text):
        return text
    known = {row.session for row in journal.sessions() if row.session}
    found = [sid for sid in known if sid.startswith(text)] if len(text) >= LEAST_PREFIX else []
    if len(found) == 1:
        return found[0]
    if not found and journal.calls(RowFilter(session=text, limit=1)):
        return text
    several = f"{len(found)} sessions begin with '{shorten_value(text)}'; name more of the id"
    raise ApiError(NOT_FOUND, several if found else f"no session '{shorten_value(text)}' is in the journal")


def check_type(journal: Journal, event_type: str) -> None:
    """Check that calls may have a type: a documented one, or one that came.

    Raises:
        ApiError: it is neither.
    """
    if event_type in _DOCUMENTED or journal.calls(RowFilter(type=event_type, limit=1)):
        return
    named = shorten_value(event_type)
    raise ApiError(
        BAD_REQUEST,
        f"invalid type '{named}'{nearest(event_type, _DOCUMENTED)}; it is not documented, and no such call came",
    )
