"""The playhead and the ts in an event's body, apart from the rest, by which bodies are known again.

Most calls of a session have bodies that differ in these two alone: pings, and events without parameters.
"""

import re
from typing import NamedTuple

from tapehead.protocol.keys import PLAYER_TIME
from tapehead.protocol.messages import Request

# Numbers that JSON and Python read alike, with the spaces of common serialisers.
_PLAYHEAD, _TS = rb'"playhead": ?((?:0|[1-9]\d{0,14})(?:\.\d{1,20})?)', rb'"ts": ?([1-9]\d{0,14})'
_TIME = re.compile(rb'"%b": ?\{(?:%b, ?%b|%b, ?%b)\}' % (PLAYER_TIME.encode(), _PLAYHEAD, _TS, _TS, _PLAYHEAD))
_SPLIT = "split"


class SplitBody(NamedTuple):
    """A body without its playhead and ts, and these two.

    Attributes:
        rest: the bytes before and after the object that holds them.
        playhead: seconds.
        ts: milliseconds since 1970.
    """

    rest: tuple[bytes, bytes]
    playhead: float
    ts: int


def split_body(request: Request) -> SplitBody | None:
    """Return the parts of a request's body as `split_anew` does; a body is split once."""
    known = request.__dict__
    if _SPLIT not in known:
        known[_SPLIT] = split_anew(request)
    split: SplitBody | None = known[_SPLIT]
    return split


def split_anew(request: Request) -> SplitBody | None:
    """Return the parts of a request's body; None where they are written in another way.

    To keep them costs as much as to split a body, and memory: that pays where they are asked for again.
    """
    if request.text is not None or request.base64 is not None or not request.saved:
        return None
    parts = _TIME.split(bytes(request.body), 1)
    if len(parts) == 1:
        return None
    head, playhead, ts, late_ts, late_playhead, tail = parts
    shown = playhead or late_playhead
    return SplitBody((head, tail), float(shown) if b"." in shown else int(shown), int(ts or late_ts))
