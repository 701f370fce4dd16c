"""Collection calls out of files of any traffic, and counts of everything else in them."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import NamedTuple, cast

import msgspec

from tapehead.errors import RecordingError
from tapehead.interop.missing_locations import join_sessions
from tapehead.protocol.exchange import Entry, Exchange, decode, encode
from tapehead.protocol.hosts import EndpointHosts
from tapehead.protocol.routes import Call, Route, allowed_method, find_call
from tapehead.recording.calls_elsewhere import CallsElsewhere
from tapehead.recording.capture import CapturedCall, RawRequest, build_exchange
from tapehead.recording.duplicates import DuplicateFilter
from tapehead.recording.reader import MOST_WARNINGS, PROGRESS_EVERY
from tapehead.text import count_of, escape_controls

# The year 10000, where dates end, and the longest that a call takes; in seconds.
_END = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_LONGEST = 7 * 86_400.0
# The most that the calls of all files may take, in bytes as lines: a small file may name one large body many times.
MOST_BYTES = 512 * 1024 * 1024
_WITH_BODY = frozenset(call for call in Call if call is not Call.PREFLIGHT and allowed_method(call) == "POST")


class MalformedEntryError(ValueError):
    """An entry that cannot be understood; the message says why and quotes nothing of it."""


class CollectedCall(NamedTuple):
    """A collection call.

    Attributes:
        arrived: when it arrived, seconds since 1970.
        exchange: the call with its response.
        file: the name of the file that it is in.
        number: the number of its entry in that file, counted from 1.
    """

    arrived: float
    exchange: Exchange
    file: str
    number: int


class CallCollector:
    """The collection calls of some files, and counts of everything else.

    Args:
        endpoints: the hosts that count as the endpoint.
        warn: called with one line about each malformed entry, up to a bound for each file.
        on_progress: called with the number of files that are done, and of entries read so far.

    Attributes:
        calls: the collection calls, in the order in which they were read.
        elsewhere: the tracking calls among the other requests, in files with calls.
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
        self.elsewhere = CallsElsewhere()
        self.others = self.without_body = self.malformed = self.entries = 0
        self._endpoints = endpoints
        self._warn = warn
        self._on_progress = on_progress
        self._file = self._source = self._file_source = ""
        self._names: Counter[str] = Counter()
        self._files = self._number = self._calls_before = self._malformed_in_file = 0
        self._bytes = self._bytes_before = 0
        self._elsewhere_in_file = CallsElsewhere()

    def count_entry(self) -> None:
        """Count an entry that is read."""
        self.entries += 1
        self._number += 1
        if self.entries % PROGRESS_EVERY == 0:
            self._on_progress(self._files, self.entries)

    def find_route(
        self, method: str, target: str, hosts: Sequence[str], port: int, *, counts: bool = False
    ) -> Route | None:
        """Return the collection call that a request is; None for another one, which is counted.

        Args:
            method: the request's.
            target: the request's path, with its query if there is one.
            hosts: the names that its host goes by.
            port: the host's port.
            counts: whether it went to the endpoint, whatever the host's name is.
        """
        route, is_endpoint = find_call(method, target), counts or any(self._endpoints.has(host, port) for host in hosts)
        if route and is_endpoint:
            return route
        self._elsewhere_in_file.add(method, target, hosts[0], port, is_endpoint=is_endpoint)
        self.others += 1
        return None

    def count_other(self) -> None:
        """Count an entry that is no request to collect."""
        self.others += 1

    def start_file(self, name: str) -> None:
        """Begin with the entries of a file."""
        self._file, self._number, base = name, 0, PurePath(name).name
        # Files of one name, as browsers name them after the page, have numbers of their own.
        self._names[base] += 1
        self._source = f"{base} ({self._names[base]})" if self._names[base] > 1 else base
        self._file_source = self._source
        self._calls_before, self._malformed_in_file = len(self.calls), 0
        self._bytes_before = self._bytes
        self._elsewhere_in_file = CallsElsewhere()

    def start_member(self, member: str) -> None:
        """Go on with the entries of a file within the file."""
        self._source = f"{self._file_source}/{member}"

    def drop_file(self) -> None:
        """Leave out the calls of the file, which turned out to be unreadable."""
        del self.calls[self._calls_before :]
        self._bytes = self._bytes_before

    def add(self, call: CapturedCall) -> None:
        """Collect the call of the latest entry.

        An end before the call's beginning, or days after it, counts as none; a body that is missing although none was
        sent counts as saved.

        Raises:
            MalformedEntryError: no line of a recording can be made of it.
            RecordingError: the calls take too much memory.
        """
        if not 0 <= call.started < _END:
            raise MalformedEntryError("its time is not between 1970 and 9999")
        elapsed = call.ended - call.started
        raw = cast(RawRequest, call.request)  # importers unpack nothing
        sent_empty = any(name.lower() == b"content-length" and value.strip() == b"0" for name, value in raw.headers)
        is_saved = raw.saved or sent_empty or call.route.call not in _WITH_BODY
        try:
            exchange = build_exchange(
                call._replace(
                    ended=call.started + (elapsed if 0 <= elapsed <= _LONGEST else 0),
                    request=raw._replace(saved=is_saved),
                    source=self._source,
                )
            )
            line = encode(exchange)
            decode(line)
        except (ValueError, TypeError, AttributeError) as error:
            raise MalformedEntryError(f"not an exchange: {error}") from error
        self._bytes += len(line)
        if self._bytes > MOST_BYTES:
            problem = f"the calls up to entry {self._number} of '{self._file}' have more than {MOST_BYTES:,} bytes"
            raise RecordingError(f"{problem}; read fewer files at once, or save less traffic")
        self.without_body += not is_saved
        self.calls.append(CollectedCall(call.started, exchange, self._file, self._number))

    def skip_malformed(self, file: str, entry: str, reason: str) -> None:
        """Count an entry that cannot be understood, and warn of the first ones of a file."""
        self.malformed += 1
        self._malformed_in_file += 1
        if self._malformed_in_file <= MOST_WARNINGS:
            self._warn(f"{file}: skipped {entry}, which is malformed: {' '.join(escape_controls(reason).split())}")

    def finish_file(self) -> None:
        """Warn of the malformed entries of the file that were only counted.

        Raises:
            RecordingError: there is no call in it.
        """
        if (more := self._malformed_in_file - MOST_WARNINGS) > 0:
            self._warn(f"{self._file}: skipped {more} more malformed entries")
        self._files += 1
        if len(self.calls) == self._calls_before:
            raise RecordingError(self._explain_emptiness())
        self.elsewhere.add_all(self._elsewhere_in_file)

    def _explain_emptiness(self) -> str:
        where = f"among {count_of(self._number, 'request')} in '{self._file}'"
        if similar := self._elsewhere_in_file.similar_hosts():
            return f"no call to the endpoint {where}, but similar ones to {similar}"
        if lines := [*self._elsewhere_in_file.near_lines(), *self._elsewhere_in_file.other_protocol_lines()]:
            return f"no Media Collection call {where}; {lines[0]}"
        malformed = f", {self._malformed_in_file} of them malformed" if self._malformed_in_file else ""
        return f"no Media Collection call {where}{malformed}; save the traffic while the player plays"

    def finish(self) -> list[CollectedCall]:
        """Return the calls in the order of their arrival, which is counted by file, and warn of what is missing.

        Calls that several files have come once. Session starts without a Location are joined with the calls of their
        sessions.
        """
        counts: dict[str, int] = {}
        calls: list[CollectedCall] = []
        duplicates = DuplicateFilter()
        for call in sorted(self.calls, key=lambda call: call.arrived):
            if duplicates.is_duplicate(Entry(call.number, call.exchange, call.file)):
                continue
            order = counts[call.file] = counts.get(call.file, -1) + 1
            calls.append(call._replace(exchange=msgspec.structs.replace(call.exchange, order=order)))
        exchanges, lines = join_sessions([call.exchange for call in calls])
        if duplicates.count:
            lines.append(duplicates.summary())
        if self.without_body:
            bodies = count_of(self.without_body, "body", "bodies")
            lines.append(f"the exporter did not save {bodies}; those calls are read without; record with tapehead")
        for line in (*lines, *self.elsewhere.lines_on_more()):
            self._warn(line)
        return [call._replace(exchange=exchange) for call, exchange in zip(calls, exchanges, strict=True)]
