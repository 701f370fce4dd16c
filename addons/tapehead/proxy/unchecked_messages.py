"""Messages of mitmproxy without its check of each field's type, which is meant for scripts.

mitmproxy checks the types of all fields of each request and response that it makes itself, unless Python runs with
`-O`: a tenth of the time of a call. In a lean proxy there are no scripts; our own answers have the right types.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mitmproxy import http


@contextmanager
def unchecked_messages() -> Iterator[None]:
    """Make mitmproxy's messages without checks."""
    checked = vars(http.MessageData).get("__post_init__")
    if checked is None:  # Python runs with -O
        yield
        return
    kind: Any = http.MessageData
    kind.__post_init__ = lambda _self: None
    try:
        yield
    finally:
        kind.__post_init__ = checked
