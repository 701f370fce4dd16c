"""A command of tapehead as the endpoint of another process, with which it ends: `python -m ... serve --quiet`.

It ends as after SIGTERM once its standard input is closed, also when the other process was killed.
"""

import os
import signal
import sys
import threading

from tapehead.cli.app import run
from tapehead.cli.child_endpoint import URL_VARIABLE
from tapehead.cli.missing_calls import MissingCalls


def main() -> None:
    """Run the command that the arguments name."""
    # Its address is another one in each run.
    MissingCalls.setting = f"have the player under test call the URL in {URL_VARIABLE}"
    threading.Thread(target=_stop_at_end, args=(sys.stdin.fileno(),), daemon=True).start()
    sys.exit(run(sys.argv[1:]))


def _stop_at_end(stdin: int) -> None:
    while os.read(stdin, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
