"""The processor time of work, in the process of the tests.

For tests that compare the work at two sizes. Whatever a worker of pytest has kept from thousands of tests before is
searched by a full garbage collection, which takes a second and falls on anyone, so that it is no part of what is
measured; what else the machine does falls on one measurement of three at most.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES = 3


def least_processor_seconds(work: Callable[[], object]) -> float:
    """Return the least processor time of three runs of `work`, in seconds, without garbage collections."""
    gc.collect()
    gc.disable()
    try:
        return min(_seconds(work) for _ in range(TIMES))
    finally:
        gc.enable()


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
