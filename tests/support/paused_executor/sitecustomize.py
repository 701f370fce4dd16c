"""Pauses the first evaluation of an executor, for tests that kill it meanwhile.

Python imports this module where its folder is in PYTHONPATH. It does nothing unless there is a file `pause` in the
folder that TAPEHEAD_TEST_PAUSE names; the executor that pauses leaves its process id in `paused` there.
"""

import os
import time
from pathlib import Path

folder = Path(os.environ.get("TAPEHEAD_TEST_PAUSE", "/nonexistent"))

if (folder / "pause").exists():
    from tapehead.spark import evaluation

    evaluate = evaluation.evaluate_parts

    def evaluate_paused(*arguments):  # type: ignore[no-untyped-def]
        """Wait to be killed, if no other process does."""
        try:
            file = os.open(folder / "starting", os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return evaluate(*arguments)
        os.close(file)
        (folder / "written").write_text(str(os.getpid()))
        (folder / "written").rename(folder / "paused")
        while True:
            time.sleep(1)

    evaluation.evaluate_parts = evaluate_paused
