"""Pipeline from captured calls to recording lines: build the exchange, check, redact, encode, notify subscribers."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Exchange, Finding, Severity, encode, is_taken
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schemas, served_schema
from tapehead.recording.capture import CapturedCall, build_exchange
from tapehead.recording.writer import LARGE_BYTES, Prepared
from tapehead.redaction.redactor import Redactor
from tapehead.rules.exchange_checks import check_exchange
from tapehead.rules.known_bodies import KnownBodies
from tapehead.text import count_of

logger = logging.getLogger(__name__)

# Sessions that are remembered so that none is counted twice; an endpoint forgets one after ten minutes.
MOST_SESSIONS = 10_000
# The event of a known body, of which the findings alone are asked for here.
_NOT_READ = Event()
# Endpoints, each with each key of a test, whose schemas are kept.
MOST_ENDPOINTS = 1_000

# Called with an exchange as it is stored, and its line.
OnStored = Callable[[Exchange, bytes], None]


def words_of(findings: Counter[Severity]) -> str:
    """Return the number of findings of each severity, in words."""
    found = ((severity, findings[severity]) for severity in Severity)
    return ", ".join(count_of(count, severity) for severity, count in found if count) or "no findings"


class ExchangePipeline:
    """A pipeline from captured calls to recording lines: checked, redacted, encoded.

    It runs in the writer's thread, and in another one for large bodies. A failure of any part costs that part alone and
    is reported; a line whose identifiers could not be replaced is not stored.

    Args:
        redactor: makes the pseudonyms; None to keep identifiers.
        internal_errors: records internal errors.
        on_stored: subscribers, called in turn with each exchange as it is stored and its line.

    Attributes:
        sessions: the ids of the latest sessions.
        session_count: the number of sessions.
        findings: the number of findings by severity.
    """

    def __init__(
        self, redactor: Redactor | None, internal_errors: InternalErrors, on_stored: Sequence[OnStored] = ()
    ) -> None:
        self.sessions: OrderedDict[str, None] = OrderedDict()
        self.session_count = 0
        self.findings: Counter[Severity] = Counter()
        self._built_in = Schemas()
        self._bodies = KnownBodies()
        # Those that endpoints served, by endpoint and key.
        self._schemas: OrderedDict[str, Schemas] = OrderedDict()
        self._redactor = redactor
        self._internal_errors = internal_errors
        self._subscribers = (self._count, *on_stored)
        # The calls of sessions that are processed in the other thread.
        self._elsewhere: Counter[str] = Counter()

    def process_captured(self, call: CapturedCall) -> Prepared:
        """Return the line to be stored, or None if there is none.

        A large body takes long, and others need not wait for that: the work is for another thread, and so is that for
        the session's next calls, which have to know what identifies a person in it.
        """
        try:
            exchange = build_exchange(call)
        except Exception as error:  # noqa: BLE001 - an internal error costs this line, and no other
            self._record_failure("storing a call", error, None)
            return None
        if call.size < LARGE_BYTES and exchange.session not in self._elsewhere:
            return self.process(exchange, call.started)
        if exchange.session:
            self._elsewhere[exchange.session] += 1
        return partial(self._process_elsewhere, exchange, call.started)

    def _process_elsewhere(self, exchange: Exchange, arrived: float) -> Callable[[], bytes | None]:
        encoded = self._encode(exchange, arrived)

        def finish() -> bytes | None:
            if exchange.session:
                self._elsewhere[exchange.session] -= 1
                self._elsewhere += Counter()  # which leaves out those without any
            return self._publish(*encoded) if encoded else None

        return finish

    def process(self, exchange: Exchange, arrived: float) -> bytes | None:
        """Return the line to be stored of an exchange that arrived at that time (seconds since 1970), or None."""
        encoded = self._encode(exchange, arrived)
        return self._publish(*encoded) if encoded else None

    def _encode(self, exchange: Exchange, arrived: float) -> tuple[Exchange, bytes] | None:
        findings = self._check(exchange, arrived)
        if findings or exchange.findings:
            exchange = msgspec.structs.replace(exchange, findings=findings)
        try:
            stored = self._redactor.redact(exchange) if self._redactor else exchange
            return stored, encode(stored)
        except Exception as error:  # noqa: BLE001 - an internal error costs this line, and no other
            self._record_failure("storing a call", error, exchange)
            return None

    def _publish(self, stored: Exchange, line: bytes) -> bytes:
        for subscriber in self._subscribers:
            try:
                subscriber(stored, line)
            except Exception as error:  # noqa: BLE001 - it is stored all the same
                self._record_failure("showing a call", error, stored)
        return line

    def _check(self, exchange: Exchange, arrived: float) -> list[Finding]:
        """Return the findings, none if the checks fail. A schema is used from now on for its endpoint and key."""
        try:
            if exchange.call is Call.SCHEMA:
                self._learn(exchange)
            request, arrived_ms = exchange.request, arrived * 1000
            schemas = self._schemas and (
                self._schemas.get(exchange.keyed_endpoint) or self._schemas.get(exchange.endpoint)
            )
            # Only the documented schemas are known not to look at playhead and ts.
            may_be_known = is_taken(exchange) and not schemas
            if may_be_known and (timed := self._bodies.find(request, arrived_ms)):
                return list(timed.known.findings)
            findings = check_exchange(
                exchange.call,
                request,
                exchange.response,
                exchange.error,
                arrived_ms,
                schemas or self._built_in,
                closed_by=exchange.closed_by,
            )
            if may_be_known:
                self._bodies.learn(request, _NOT_READ, tuple(findings))
            return findings
        except Exception as error:  # noqa: BLE001 - stored unchecked is better than not stored
            self._record_failure("checking a call", error, exchange)
            return []

    def _learn(self, exchange: Exchange) -> None:
        try:
            served = served_schema(exchange)
            if served is None:
                return
            schemas = self._schemas.get(exchange.keyed_endpoint) or Schemas()
            schemas.learn(*served)
        except ValueError as error:
            logger.warning("a schema from the endpoint is not used: %s", error)
            return
        self._schemas[exchange.keyed_endpoint] = schemas
        self._schemas.move_to_end(exchange.keyed_endpoint)
        if len(self._schemas) > MOST_ENDPOINTS:
            self._schemas.popitem(last=False)

    def exchanges_summary(self, count: int) -> str:
        """Return the number of exchanges that were stored, and of their sessions, in words."""
        exchanges = count_of(count, "exchange")
        return (
            f"{exchanges} of {count_of(self.session_count, 'session')}"
            if self.session_count
            else f"{exchanges} without a session"
        )

    def findings_summary(self) -> str:
        """Return the number of findings of each severity, in words."""
        return words_of(self.findings)

    def _count(self, stored: Exchange, _line: bytes) -> None:
        self.findings.update(finding.severity for finding in stored.findings)
        if stored.session is None:
            return
        self.session_count += stored.session not in self.sessions
        self.sessions[stored.session] = None
        self.sessions.move_to_end(stored.session)
        if len(self.sessions) > MOST_SESSIONS:
            self.sessions.popitem(last=False)

    def _record_failure(self, where: str, error: Exception, exchange: Exchange | None) -> None:
        request, response = (exchange.request, exchange.response) if exchange else (None, None)
        self._internal_errors.record(where, error, lambda: (request, response))
