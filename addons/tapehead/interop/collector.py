"""Collection calls out of files of any traffic, and counts of everything else in them."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from tapehead.protocol.exchange import Exchange, decode, encode
from tapehead.protocol.hosts import EndpointHosts
from tapehead.protocol.routes import Call, Route, allowed_method, find_call
from tapehead.recording.capture import CapturedCall, build_exchange
from tapehead.recording.reader import MOST_WARNINGS, PROGRESS_EVERY
from tapehead.text import escape_controls

# The year 10000, where dates end, and the longest that a call takes; in seconds.
_END = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_LONGEST = 7 * 86_400.0
_WITH_BODY = frozenset(call for call in Call if call is not Call.PREFLIGHT and allowed_method(call) == "POST")
# Hosts that are remembered, and that are named.
MOST_HOSTS = 100
MOST_NAMED = 5


class MalformedEntryError(ValueError):
    """An entry that cannot be understood; the message says why and quotes nothing of it."""


class CollectedCall(NamedTuple):
    """A collection call, and when it arrived, seconds since 1970."""

    arrived: float
    exchange: Exchange


class CallCollector:
    """Collects the collection calls of some files, and counts everything else.

    Args:
        endpoints: the hosts that count as the endpoint.
        warn: called with one line about each malformed entry, up to a bound for each file.
        on_progress: called with the number of files that are done, and of entries read so far.

    Attributes:
        calls: the collection calls, in the order in which they were read.
        others: the number of other requests.
        without_body: the number of calls whose body is missing.
        malformed: the number of entries that could not be understood.
        entries: the number of entries in all.
    """

    def __init__(
        self,
        endpoints: EndpointHosts,
        warn: Callable[[str], None],
        on_progress: Callable[[int, int], None] = lambda _done, _read: None,
    ) -> None:
        self.calls: list[CollectedCall] = []
        self.others = self.without_body = self.malformed = self.entries = 0
        self._endpoints = endpoints
        self._warn = warn
        self._on_progress = on_progress
        self._files = 0
        self._similar: Counter[str] = Counter()
        self._malformed_in_file = 0

    def count_entry(self) -> None:
        """Count an entry that is read."""
        self.entries += 1
        if self.entries % PROGRESS_EVERY == 0:
            self._on_progress(self._files, self.entries)

    def find_route(
        self, method: str, path: str, hosts: Sequence[str], port: int, *, counts: bool = False
    ) -> Route | None:
        """Return the collection call that a request is; None for another one, which is counted.

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
            host = hosts[0] if port in (80, 443) else f"{hosts[0]}:{port}"
            if host in self._similar or len(self._similar) < MOST_HOSTS:
                self._similar[host] += 1
        self.others += 1
        return None

    def count_other(self) -> None:
        """Count an entry that is no request to collect."""
        self.others += 1

    def add(self, call: CapturedCall) -> None:
        """Collect a call. An end before its beginning, or days after it, counts as none.

        Raises:
            MalformedEntryError: no line of a recording can be made of it.
        """
        if not 0 <= call.started < _END:
            raise MalformedEntryError("its time is not between 1970 and 9999")
        elapsed = call.ended - call.started
        try:
            exchange = build_exchange(call._replace(ended=call.started + (elapsed if 0 <= elapsed <= _LONGEST else 0)))
            decode(encode(exchange))
        except (ValueError, TypeError, AttributeError) as error:
            raise MalformedEntryError(f"not an exchange: {error}") from error
        self.calls.append(CollectedCall(call.started, exchange))

    def count_missing_body(self, call: CapturedCall) -> None:
        """Count a call without a body, unless it was sent without."""
        headers = call.request.headers
        sent_empty = any(name.lower() == b"content-length" and value.strip() == b"0" for name, value in headers)
        if call.route.call in _WITH_BODY and not call.request.body and not sent_empty:
            self.without_body += 1

    def skip_malformed(self, file: str, entry: str, reason: str) -> None:
        """Count an entry that cannot be understood, and warn of the first ones of a file."""
        self.malformed += 1
        self._malformed_in_file += 1
        if self._malformed_in_file <= MOST_WARNINGS:
            self._warn(f"{file}: skipped {entry}, which is malformed: {' '.join(escape_controls(reason).split())}")

    def finish_file(self, file: str) -> None:
        """Warn of the malformed entries of a file that were only counted."""
        if (more := self._malformed_in_file - MOST_WARNINGS) > 0:
            self._warn(f"{file}: skipped {more} more malformed entries")
        self._malformed_in_file = 0
        self._files += 1

    @property
    def similar_hosts(self) -> Sequence[str]:
        """Other hosts that got requests like calls, the most frequent first, each with the number of requests."""
        named = [f"{escape_controls(host)} ({count})" for host, count in self._similar.most_common(MOST_NAMED)]
        more = len(self._similar) - len(named)
        return [*named, f"{more} more"] if more else named
