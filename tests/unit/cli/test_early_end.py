"""The end of a command that has not begun."""

import signal
import sys

import pytest

from support.processes import run_program
from tapehead.cli.missing_calls import MissingCalls
from tapehead.recording.calls_elsewhere import CallsElsewhere

# Interrupts the command while it loads.
INTERRUPT = """
import os, signal
from tapehead.cli import lean_imports
usual = signal.{usual}
signal.signal(signal.SIGINT, usual)
lean_imports.import_libraries_lazily = lambda: os.kill(os.getpid(), signal.SIGINT)
from tapehead.__main__ import main
main()
"""


@pytest.mark.parametrize(("usual", "code"), [("default_int_handler", -signal.SIGINT), ("SIG_IGN", 0)])
def test_ctrl_c_while_it_loads_ends_it_without_a_word_if_it_may(usual: str, code: int) -> None:
    done = run_program(sys.executable, "-c", INTERRUPT.format(usual=usual), "rules", cold=True)

    assert done.returncode == code
    assert done.stderr == ""


def test_a_command_that_never_listened_says_nothing_of_missing_calls() -> None:
    missing = MissingCalls(["regular"], CallsElsewhere())
    before = missing.lines()
    missing.locate([("127.0.0.1", 8080)])

    assert before == []
    assert "set the player's HTTP proxy to 127.0.0.1:8080" in missing.lines()[0]
