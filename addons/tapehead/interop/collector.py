"""Picks the collection calls out of files of any traffic, and keeps count of what is left out."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from tapehead.protocol.exchange import Exchange, decode, encode
from tapehead.protocol.hosts import EndpointHosts
from tapehead.protocol.routes import Call, Route, allowed_method, find_call
from tapehead.recording.capture import CapturedCall, build_exchange
from tapehead.recording.reader import MOST_COMPLAINTS
from tapehead.text import escape_controls

# The year 10000, where dates end, and the longest that a call takes; in seconds.
_END = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_LONGEST = 7 * 86_400.0
# Hosts that are remembered and named.
MOST_HOSTS = 100
MOST_NAMED = 5
_SHOWN_EVERY = 500


class MalformedEntryError(ValueError):
    """Something that cannot be understood; the message says why, in words that quote nobody."""


class CollectedCall(NamedTuple):
    """A call that was picked out, and when it arrived, seconds since 1970."""

    arrived: float
    exchange: Exchange


class CallCollector:
    """Takes collection calls and counts everything else.

    Args:
        endpoints: the hosts that count.
        warn: takes a line about something that is wrong.

    Attributes:
        show: takes how many requests were looked at, once in a while.
        taken: the calls, in the order in which they came.
        others: how many other requests there were.
        bodiless: how many calls came without the body that they were sent with.
        damaged: how many entries could not be understood.
        looked_at: how many entries there were in all.
    """

    def __init__(self, endpoints: EndpointHosts, warn: Callable[[str], None]) -> None:
        self.show: Callable[[int], object] = lambda _read: None
        self.taken: list[CollectedCall] = []
        self.others = self.bodiless = self.damaged = self.looked_at = 0
        self._endpoints = endpoints
        self._warn = warn
        self._alike: Counter[str] = Counter()
        self._told = self._untold = 0

    def look(self) -> None:
        """Count an entry that is looked at."""
        self.looked_at += 1
        if self.looked_at % _SHOWN_EVERY == 0:
            self.show(self.looked_at)

    def pick(self, method: str, path: str, hosts: Sequence[str], port: int, *, counts: bool = False) -> Route | None:
        """The collection call that a request is; None for another one, which is counted.

        Args:
            method: the request's.
            path: the request's; a query is allowed.
            hosts: the names that its host goes by.
            port: the host's port.
            counts: whether it went to the endpoint, whatever the host's name is.
        """
        route = find_call(method, path)
        if route and (counts or any(self._endpoints.has(host, port) for host in hosts)):
            return route
        if route:
            self._remember(hosts[0] if port in (80, 443) else f"{hosts[0]}:{port}")
        self.leave_out()
        return None

    def leave_out(self) -> None:
        """Count something that is no collection call."""
        self.others += 1

    def _remember(self, host: str) -> None:
        """Remember a host that was called as the endpoint is."""
        if host in self._alike or len(self._alike) < MOST_HOSTS:
            self._alike[host] += 1

    def take(self, seen: CapturedCall) -> None:
        """Take a call.

        Raises:
            DamageError: no line of a recording can be made of it.
        """
        timed = _timed(seen)
        try:
            exchange = build_exchange(timed)
            decode(encode(exchange))
        except (ValueError, TypeError, AttributeError) as error:
            raise MalformedEntryError(f"no exchange can be made of it ({error})") from error
        self.taken.append(CollectedCall(seen.started, exchange))

    def miss_body(self, seen: CapturedCall) -> None:
        """Count a call that has no body, if it was sent with one."""
        if seen.route.call in _WITH_BODY and not seen.request.body and not _is_bodiless(seen):
            self.bodiless += 1

    def damage(self, file: str, place: str, reason: str) -> None:
        """Count an entry that cannot be understood, and tell of it if there are not too many."""
        self.damaged += 1
        if self._told < MOST_COMPLAINTS:
            self._told += 1
            self._warn(f"{file}: {place} is damaged, and left out: {' '.join(escape_controls(reason).split())}")
        else:
            self._untold += 1

    def finish(self, file: str) -> None:
        """Tell of the damaged entries of a file that were not told of."""
        if self._untold:
            self._warn(f"{file}: left out {self._untold} more entries that are damaged")
        self._told = self._untold = 0

    @property
    def alike(self) -> Sequence[str]:
        """The hosts that do not count and were called as the endpoint is, the most frequent first, with how often."""
        named = [f"{escape_controls(host)} ({count})" for host, count in self._alike.most_common(MOST_NAMED)]
        more = len(self._alike) - len(named)
        return [*named, f"{more} more"] if more else named


_WITH_BODY = frozenset(call for call in Call if call is not Call.PREFLIGHT and allowed_method(call) == "POST")


def _timed(seen: CapturedCall) -> CapturedCall:
    """What was seen, with an end that is not before its beginning nor days later.

    Raises:
        DamageError: its beginning is no time.
    """
    if not 0 <= seen.started < _END:
        raise MalformedEntryError("its time is none between 1970 and 9999")
    took = seen.ended - seen.started
    return seen._replace(ended=seen.started + (took if 0 <= took <= _LONGEST else 0))


def _is_bodiless(seen: CapturedCall) -> bool:
    """Whether a request says itself that it has no body."""
    return any(name.lower() == b"content-length" and value.strip() == b"0" for name, value in seen.request.headers)
