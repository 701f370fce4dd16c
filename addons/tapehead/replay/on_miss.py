"""The option `on_miss`; a module of its own, so that the command line starts fast."""

from enum import StrEnum


class OnMiss(StrEnum):
    """The answer to a call that is not in the recording."""

    SIMULATE = "simulate"
    ERROR = "error"
    FORWARD = "forward"
