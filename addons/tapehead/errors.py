"""Errors that end a command.

TapeheadError
    UsageError        the arguments
    RecordingError    a recording
    StartupError      the proxy or the server

Each message is one sentence: what, where, what to do. Commands print it and exit with 2.
"""

import errno


class TapeheadError(Exception):
    """An error that ends a command."""


class UsageError(TapeheadError):
    """Arguments that cannot be used."""


class RecordingError(TapeheadError):
    """A recording that cannot be read or written."""


class StartupError(TapeheadError):
    """A proxy or a server that cannot start."""

    @classmethod
    def of_listening(cls, host: str, port: int, error: Exception, option: str | None = "--listen") -> "StartupError":
        """Return the error of a listener on `host:port`, which `option` named; None for no option."""
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            remedy = f"pass {option} with another port" if option else "choose another port"
            return cls(f"{host}:{port} is in use; {remedy}, or 0 for any free one")
        return cls(f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}")


def thread_shortage(error: RuntimeError) -> str | None:
    """Return what to do where the system lets no other thread start; None for any other error."""
    if str(error) != "can't start new thread":
        return None
    return "the system does not let another thread start; raise the limit of processes, as with ulimit -u"
