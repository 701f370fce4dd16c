"""Limits that the back end behind the endpoint sets on sessions.

Source: the reference's pages on timeouts, on sessions of more than 24 hours, and on player states.
"""

from typing import NamedTuple

IDLE_MINUTES = 10
STALLED_MINUTES = 30
SESSION_HOURS = 24
# The different player states of a session that are kept.
STATES = 10


class Timeouts(NamedTuple):
    """The time after which the back end closes a session.

    Attributes:
        idle_minutes: without an event.
        stalled_minutes: without movement of the playhead.
        session_hours: since its first event.
    """

    idle_minutes: float = IDLE_MINUTES
    stalled_minutes: float = STALLED_MINUTES
    session_hours: float = SESSION_HOURS


TIMEOUTS = Timeouts()
