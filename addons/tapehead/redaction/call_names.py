"""Names of calls for lines on the terminal, without what may identify a person."""

import re
from functools import lru_cache

from tapehead.protocol.events import event_of, read_event
from tapehead.protocol.messages import Request
from tapehead.protocol.routes import Call
from tapehead.text import escape_controls

# The longest event type whose name in lines is kept.
MOST_KNOWN = 40
# Characters that a name of the API hardly has, and an identifier may.
_TELLING = re.compile(r"[\d@\s%]|.{41}")


def named_event(call: str, request: Request, *, discreet: bool = False) -> tuple[str, float | None]:
    """Return a request's event type, or the call in brackets, and its playhead in seconds, if any.

    With `discreet`, a type that may identify a person is left out.
    """
    event = event_of(request) if call in (Call.SESSION, Call.EVENT) else read_event(None)
    event_type = event.type_name
    named = _known_name if len(event_type) <= MOST_KNOWN else _name_of
    return named(call, event_type, discreet), None if event.playhead is None else float(event.playhead)


def _name_of(call: str, event_type: str, discreet: bool) -> str:
    hidden = discreet and _TELLING.search(event_type)
    return escape_controls(f"({call})" if hidden or not event_type else event_type)


_known_name = lru_cache(500)(_name_of)


_VERSION = re.compile(r"v\d{1,2}")


def discreet_path(path: str) -> str:
    """Return the path of another request, without the parts that may identify a person."""
    steps = re.split("[?;#]", path, maxsplit=1)[0].split("/")
    return "/".join("..." if _TELLING.search(step) and not _VERSION.fullmatch(step) else step for step in steps)
