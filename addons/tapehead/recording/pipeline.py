"""Makes lines of a recording: what was seen of a call, checked, with pseudonyms."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.exchange import Exchange, Finding, Severity, encode
from tapehead.protocol.routes import Call, find_route
from tapehead.protocol.schemas import Schemas, served_schema
from tapehead.recording.capture import CapturedCall, build_exchange
from tapehead.redaction.redactor import Redactor
from tapehead.rules.body import check_exchange
from tapehead.text import count_of

logger = logging.getLogger(__name__)

# Sessions that are remembered, so that none is counted twice; an endpoint forgets one after ten minutes.
MOST_SESSIONS = 10_000

# Called with an exchange as it is stored, and the size of its line in bytes.
OnStored = Callable[[Exchange, int], None]


class ExchangePipeline:
    """Makes a line of a recording of what was seen of a call: checked, with pseudonyms; and shows it.

    It works in the writer's thread. Whatever of it fails costs that part alone, and is told and counted; a line whose
    identifiers could not be replaced is not stored.

    Args:
        redactor: makes the pseudonyms; None to keep identifiers.
        failures: what failed of it.
        on_stored: subscribers, called in turn with each exchange as it is stored and the size of its line in bytes.

    Attributes:
        sessions: the ids of the last sessions that were seen.
        begun: how many sessions were seen.
        findings: how many there were.
    """

    def __init__(
        self,
        redactor: Redactor | None,
        failures: InternalErrors,
        on_stored: Sequence[OnStored] = (),
    ) -> None:
        self.sessions: OrderedDict[str, None] = OrderedDict()
        self.begun = 0
        self.findings: Counter[Severity] = Counter()
        self._schemas = Schemas()
        self._redactor = redactor
        self._failures = failures
        self._on_stored = on_stored

    def process_captured(self, seen: CapturedCall) -> bytes | None:
        """The line to be stored; None if there is none."""
        try:
            exchange = build_exchange(seen)
        except Exception as error:  # noqa: BLE001 - a failure of ours costs this line, and no other
            self._note("storing a call", error, None)
            return None
        return self.process(exchange, seen.started)

    def process(self, exchange: Exchange, arrived: float) -> bytes | None:
        """The line to be stored of an exchange that arrived so many seconds after 1970; None if there is none."""
        try:
            exchange = msgspec.structs.replace(exchange, findings=self._check(exchange, arrived))
            stored = self._redactor.redact(exchange) if self._redactor else exchange
            line = encode(stored)
        except Exception as error:  # noqa: BLE001 - a failure of ours costs this line, and no other
            self._note("storing a call", error, exchange)
            return None
        self._tell(stored, len(line))
        return line

    def _check(self, exchange: Exchange, arrived: float) -> list[Finding]:
        """The findings; none where the checks themselves fail."""
        try:
            self._learn(exchange)
            request, response = exchange.request, exchange.response
            return check_exchange(exchange.call, request, response, exchange.error, arrived * 1000, self._schemas)
        except Exception as error:  # noqa: BLE001 - stored unchecked is better than not stored
            self._note("checking a call", error, exchange)
            return []

    def _learn(self, exchange: Exchange) -> None:
        """Check what comes from now on by a schema that the endpoint itself serves."""
        if exchange.call is not Call.SCHEMA:
            return
        route, schema = find_route(exchange.request.path), served_schema(exchange)
        if route and route.event_type and schema is not None:
            try:
                self._schemas.learn(route.event_type, schema)
            except ValueError as error:
                logger.warning("a schema that the endpoint serves is not used: %s", error)

    def _tell(self, stored: Exchange, size: int) -> None:
        """Count an exchange, and tell the subscribers."""
        for subscriber in (self._count, *self._on_stored):
            try:
                subscriber(stored, size)
            except Exception as error:  # noqa: BLE001 - it is stored all the same
                self._note("showing a call", error, stored)

    def verdict(self) -> str:
        """How many findings there were of each severity, in words."""
        found = ", ".join(count_of(count, severity) for severity, count in sorted(self.findings.items()))
        return found or "no findings"

    def _count(self, stored: Exchange, _size: int) -> None:
        self.findings.update(finding.severity for finding in stored.findings)
        if stored.session is None:
            return
        self.begun += stored.session not in self.sessions
        self.sessions[stored.session] = None
        self.sessions.move_to_end(stored.session)
        if len(self.sessions) > MOST_SESSIONS:
            self.sessions.popitem(last=False)

    def _note(self, where: str, error: Exception, exchange: Exchange | None) -> None:
        request, response = (exchange.request, exchange.response) if exchange else (None, None)
        self._failures.record(where, error, lambda: (request, response))
