"""What is done before a signal ends a command's process."""

import subprocess
import sys

from support.processes import TIMEOUT_SECONDS


def test_an_action_that_fails_neither_keeps_the_others_nor_the_process() -> None:
    code = """
import os, signal
from tapehead.ending_signals import call_at_signals

def fail():
    raise OSError("this folder cannot be removed")

call_at_signals(fail)
call_at_signals(lambda: print("done", flush=True))
os.kill(os.getpid(), signal.SIGTERM)
print("goes on")
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (-15, "done\n", "")
