"""The choice whether an output gets colours: by its kind, and by the variables that terminals' programs agree on."""

import os
from collections.abc import Mapping
from typing import TextIO

# Values of variables on colours that say no, as in Node's programs; https://force-color.org takes any for yes.
_NO = ("0", "false")


def in_colour(stream: TextIO, variables: Mapping[str, str] | None = None) -> bool:
    """Return whether what is printed on a stream has colours and weights.

    NO_COLOR comes first (https://no-color.org), then FORCE_COLOR or CLICOLOR_FORCE; else terminals have them, but for
    those that are TERM=dumb, and unless FORCE_COLOR or CLICOLOR says no (https://bixense.com/clicolors). An empty
    variable counts as one that is not set.

    Args:
        stream: where it is printed.
        variables: the environment; None for that of the process.
    """
    known = os.environ if variables is None else variables
    if known.get("NO_COLOR"):
        return False
    if any(known.get(name) and known[name] not in _NO for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if any(known.get(name) in _NO for name in ("FORCE_COLOR", "CLICOLOR")):
        return False
    return stream.isatty() and known.get("TERM") != "dumb"


def plain_environment() -> dict[str, str]:
    """Return the environment of a process whose output is read, and has no colours therefore."""
    return {**os.environ, "NO_COLOR": "1"}
