"""Garbage collection while a command starts: imports make many objects and no garbage.

The search for unreachable cycles among them takes a twentieth of a start.
"""

import gc
from typing import Any

# The first search comes when there are so many objects; imports make a third of them.
MOST_OBJECTS = 250_000


def delay_collection() -> None:
    """Have the first search for unreachable cycles come late; the next ones come as usual."""
    usual = gc.get_threshold()

    def restore(_phase: str, _info: dict[str, Any]) -> None:
        gc.callbacks.remove(restore)
        gc.set_threshold(*usual)

    gc.callbacks.append(restore)
    gc.set_threshold(MOST_OBJECTS, *usual[1:])


def begin_collection() -> None:
    """Search for unreachable cycles as usual from now on, among objects that are new: what a server imported stays."""
    gc.freeze()
    gc.collect(0)  # which finds nothing to look at, and ends the delay
