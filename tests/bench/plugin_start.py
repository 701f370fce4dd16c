"""Cost of the pytest plugin: of its import where no test uses it, and of the time until its endpoint is ready.

Each is told in times of `import pytest`, in processes that take turns, so that a busy machine slows both.

cd tests && python -m bench.plugin_start
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

# Prints the processor time of statements, which other processes on the machine hardly change.
_TIMED = "import time\nbegan = time.process_time()\n{}\nprint(time.process_time() - began)"
_BASE = "import pytest"
_UNUSED = "import tapehead.pytest_plugin.plugin"
_READY = "from tapehead.pytest_plugin.endpoint import SharedEndpoint\nendpoint = SharedEndpoint()"


class Measured(NamedTuple):
    """Milliseconds of processor time as medians: of pytest's import, the plugin's, and until the endpoint is ready."""

    base: float
    unused: float
    ready: float

    @property
    def unused_ratio(self) -> float:
        """The import of the plugin, in times of pytest's."""
        return self.unused / self.base

    @property
    def ready_ratio(self) -> float:
        """The time until the endpoint is ready, in times of pytest's import."""
        return self.ready / self.base


def main(argv: Sequence[str] | None = None) -> Measured:
    """Measure, and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15, help="processes for each number")
    runs = parser.parse_args(argv).runs
    times: list[list[float]] = [[], [], []]
    with tempfile.TemporaryDirectory() as compiled:
        milliseconds(compiled, _READY, _BASE, _UNUSED)
        for _ in range(runs):
            times[0].append(milliseconds(compiled, _BASE))
            times[1].append(milliseconds(compiled, _UNUSED, _BASE))
            times[2].append(milliseconds(compiled, _READY, _BASE, _UNUSED))
    measured = Measured(*map(statistics.median, times))
    print(f"import pytest           {measured.base:6.1f} ms")
    print(f"the plugin, unused      {measured.unused:6.1f} ms, {measured.unused_ratio:.3f} times that")
    print(f"until it can be called  {measured.ready:6.1f} ms, {measured.ready_ratio:.2f} times that")
    return measured


def milliseconds(compiled: str, timed: str, *before: str) -> float:
    """Return how long statements take in a new process, after others; `compiled` is the folder of the byte code."""
    script = "\n".join([*before, _TIMED.format(timed)])
    # As users have it: modules are compiled once.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = compiled
    command = [sys.executable, "-c", script]
    return 1000 * float(subprocess.check_output(command, env=environment, text=True))


if __name__ == "__main__":
    main()
