"""Bodies of events that differ from an earlier one in playhead and ts alone, and so have the same findings.

Most calls of a session have such bodies: pings, and events without parameters. A body is known once it was checked in
full, by the documented schemas.
"""

from collections.abc import Callable
from typing import NamedTuple

from tapehead.protocol.body_time import SplitBody, split_body
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Finding
from tapehead.protocol.keys import PLAYER_TIME
from tapehead.protocol.messages import Request
from tapehead.rules.values import CLOCK_SKEW, SKEW_MS, TIMESTAMP_UNIT

# Bodies that are known, and the bytes of the longest.
MOST_KNOWN = 2000
MOST_BYTES = 2000

_ABOUT_TIME = (CLOCK_SKEW.id, TIMESTAMP_UNIT.id)

# What decides, besides playhead and ts: the declared type, and the body before and after the two.
_Key = tuple[str | None, tuple[bytes, bytes]]


class KnownBody(NamedTuple):
    """A body: its event, whose delivery is not that of this body, and the findings in the request."""

    event: Event
    findings: tuple[Finding, ...]


class TimedBody(NamedTuple):
    """A body that is known, with its own playhead and ts."""

    known: KnownBody
    playhead: float
    ts: int


class KnownBodies:
    """The bodies of event calls that were checked, of each only one.

    Args:
        split: splits a body: `split_anew` where nothing else asks for the parts.
    """

    def __init__(self, split: Callable[[Request], SplitBody | None] = split_body) -> None:
        self._split = split
        self._known: dict[_Key, KnownBody] = {}

    def find(self, request: Request, arrived_ms: float) -> TimedBody | None:
        """Return the body that is known for a request that came at `arrived_ms`, milliseconds since 1970, if any.

        None where the body's time has a finding, or may have one.
        """
        if (split := self._split(request)) is None or abs(split.ts - arrived_ms) > SKEW_MS:
            return None
        known = self._known.get((request.header("Content-Type"), split.rest))
        return known and TimedBody(known, split.playhead, split.ts)

    def learn(self, request: Request, event: Event, findings: tuple[Finding, ...]) -> None:
        """Take the event in a request, and all findings in it."""
        if any(finding.rule in _ABOUT_TIME for finding in findings):
            return
        body = bytes(request.body)
        # Elsewhere, a second playerTime may count instead; in an escape it would be hidden.
        if len(body) > MOST_BYTES or b"\\" in body or body.count(PLAYER_TIME.encode()) != 1:
            return
        split = self._split(request)
        parsed = request.json()
        if split is None or not isinstance(parsed, dict) or PLAYER_TIME not in parsed:
            return
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[request.header("Content-Type"), split.rest] = KnownBody(event, findings)
