"""The command line's entry: runs a command, and says in one line what keeps it from its work."""

import os
import sys

from tapehead import __version__

# As `typing` has it, which takes long to load.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType


def print_exception(kind: type[BaseException], error: BaseException | None, trace: "TracebackType | None") -> None:
    """Print an exception that nobody caught on stderr: it may quote what a stranger sent."""
    import traceback

    from tapehead.text import escape_controls

    lines = "".join(traceback.format_exception(kind, error, trace)).split("\n")
    print("\n".join(map(escape_controls, lines)), file=sys.stderr, end="")


def end(_number: int, _frame: "FrameType | None") -> None:
    """End the command as SIGTERM does."""
    import signal

    os.kill(os.getpid(), signal.SIGTERM)


def print_version() -> bool:
    """Print the version before anything else is loaded; return whether stdout took it."""
    if sys.stdout is None:
        return False
    try:
        print(f"tapehead {__version__}", flush=True)
    except OSError:
        return False
    return True


def main() -> None:
    """Run the command that the arguments name, and exit by its code."""
    if sys.argv[1:] == ["--version"] and print_version():
        return
    import signal
    import threading

    # While it loads, Ctrl-C ends it as other programs: by the signal, and without a word.
    is_interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tapehead.cli.collection import delay_collection

    delay_collection()
    from tapehead.cli.lean_imports import import_libraries_lazily

    import_libraries_lazily()
    from tapehead.cli.app import run
    from tapehead.cli.printer import open_closed_streams

    open_closed_streams()
    sys.excepthook = print_exception
    threading.excepthook = lambda thrown: print_exception(thrown.exc_type, thrown.exc_value, thrown.exc_traceback)
    # A window that is closed ends a command in order, unless it is to outlive the window, as by nohup.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, end)
    if is_interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
