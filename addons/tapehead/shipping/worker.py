"""The process that ships finished files: `python -m tapehead.shipping.worker`, started by a recorder.

It reads its setup from standard input, and writes a line of JSON to standard output with each new status. It ends once
standard input does, also when the recorder was killed. It has no part in the signals of a terminal or a service: the
recorder says when it is time.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from tapehead.errors import TapeheadError
from tapehead.remote.stores import open_store, quiet_libraries
from tapehead.remote.urls import parse_url
from tapehead.shipping.finished_files import FinishedFiles
from tapehead.shipping.shipper import Shipper
from tapehead.shipping.shipping_messages import END, ShippingSetup, ShippingStatus
from tapehead.shipping.uploader import Uploader

# Uploads leave the processor to the recorder.
NICENESS = 10


def main() -> None:
    """Ship until the recorder says that it ends, or does."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print would be a status
    quiet_libraries()
    setup = msgspec.json.decode(sys.stdin.buffer.readline(), type=ShippingSetup)
    ending = threading.Event()
    threading.Thread(target=_follow, args=(ending,), daemon=True).start()

    def tell(status: ShippingStatus) -> None:
        output.write(msgspec.json.encode(status) + b"\n")

    code = 0
    try:
        ship(setup, tell, ending)
    except TapeheadError as error:
        tell(ShippingStatus(is_checked=True, problem=str(error), is_refused=True))
        code = 2
    except Exception as error:  # noqa: BLE001 - the recorder tells it, and starts another process
        tell(ShippingStatus(error=f"{type(error).__name__}: {error}"))
        code = 1
    # Threads of libraries may still wait for the store.
    os._exit(code)


def ship(setup: ShippingSetup, tell: Callable[[ShippingStatus], None], ending: threading.Event) -> None:
    """Ship the files of a recording until `ending` is set and nothing waits.

    Raises:
        UsageError: the URL is wrong, or a library is missing.
    """
    folder = parse_url(setup.url, "ship to")
    # What follows makes its own attempts: a second one of the library could store a file twice.
    store = open_store(folder, attempts=1, read_seconds=setup.times.answer)
    tell(ShippingStatus())
    finished = FinishedFiles(Path(setup.out), str(folder), delete=setup.delete)
    shipper = Shipper(Uploader(store, folder, delete=setup.delete), finished, tell, setup.times)
    shipper.check()
    shipper.run(ending)


def _follow(ending: threading.Event) -> None:
    for line in sys.stdin.buffer:
        if line == END:
            ending.set()
    os._exit(0)


if __name__ == "__main__":
    main()
