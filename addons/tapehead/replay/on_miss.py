"""The option `on_miss`; a module of its own, so that the command line starts fast."""

from enum import StrEnum


class OnMiss(StrEnum):
    """The answer to a call that is not in the recording."""

    SIMULATE = "simulate"
    ERROR = "error"
    FORWARD = "forward"
    # A recording that is missing or empty is made; one that is there is played, and a miss is an error.
    ONCE = "once"
