"""A command of tapehead as the endpoint of another process, with which it ends.

Its arguments, such as `["serve", "--quiet"]`, are a line of JSON on its standard input. It ends as after SIGTERM once
that is closed, also when the other process was killed.
"""

import json
import os
import signal
import sys
import threading

from tapehead.cli.app import run
from tapehead.cli.child_endpoint import URL_VARIABLE
from tapehead.cli.command import CommandWithSettings
from tapehead.cli.missing_calls import MissingCalls

# How the endpoint behaves, which the settings file may say; the other options belong to runs of its own.
BEHAVIOUR = frozenset(
    {"allow", "endpoint", "fault", "latency", "over_limit", "redact_key", "second_end", "strict_schema", "time_scale"}
)


def main() -> None:
    """Run the command that the first line of the standard input has."""
    words: list[str] = json.loads(sys.stdin.readline() or "[]")
    if not words:  # the other process was killed
        return
    # Its address is another one in each run.
    MissingCalls.setting = f"have the player under test call the URL in {URL_VARIABLE}"
    CommandWithSettings.parameters_of_files = BEHAVIOUR
    threading.Thread(target=_stop_at_end, args=(sys.stdin.fileno(),), daemon=True).start()
    sys.exit(run(words))


def _stop_at_end(stdin: int) -> None:
    while os.read(stdin, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
