"""The limit of this process's open files: raised at start, and the number of players that fit in it."""

import contextlib
import errno
import sys
from collections.abc import Callable

# Enough for 32,000 players, and few enough to be set everywhere; macOS takes fewer.
WANTED = (65_536, 10_240)
# Files besides connections: the recording, standard streams, the event loop, libraries that are loaded late.
OWN_FILES = 50
# A limit for fewer players is worth a warning at the start.
FEW_PLAYERS = 1_000
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def raise_limit() -> int | None:
    """Raise the limit of open files as far as this process may; return it, or None where there is none."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_endless = hard == resource.RLIM_INFINITY
    for wanted in WANTED:
        limit = wanted if is_endless else min(wanted, hard)
        if soft == resource.RLIM_INFINITY or limit <= soft:
            break
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            return limit
    return None if soft == resource.RLIM_INFINITY else soft


def connections_that_fit() -> int | None:
    """Return the number of connections that fit into the limit of open files, or None where there is none."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else max(0, limit - OWN_FILES)


def room_for_players(connections: int, warn: Callable[[str], None]) -> str:
    """Raise the limit of open files; return a text that says how many players fit, which is a warning if they are few.

    Args:
        connections: the number of connections that each player takes.
        warn: called with one line.
    """
    limit = raise_limit()
    if limit is None:
        return "there is no limit of open files"
    players = max(0, limit - OWN_FILES) // connections
    text = f"the limit of {limit} open files leaves room for about {players} players at a time; raise it with ulimit -n"
    if players < FEW_PLAYERS:
        warn(text)
    return text


def is_shortage(error: BaseException | None) -> bool:
    """Return whether the system has no file descriptor left, or no memory for one."""
    return isinstance(error, OSError) and error.errno in _SHORTAGES
