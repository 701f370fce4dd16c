"""Makes lines of a recording: what was seen of a call, checked, with pseudonyms."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable

import msgspec

from tapehead.api import Call, find_route
from tapehead.checks import check_exchange
from tapehead.exchange import Exchange, Finding, Severity, encode
from tapehead.failures import Failures
from tapehead.ledger import count_of
from tapehead.redact import Redactor
from tapehead.schemas import Schemas
from tapehead.seen import Seen, exchange_of
from tapehead.tape import served_schema
from tapehead.terminal import lines_of

logger = logging.getLogger(__name__)

# Sessions that are remembered, so that none is counted twice; an endpoint forgets one after ten minutes.
MOST_SESSIONS = 10_000


class Taker:
    """Makes a line of a recording of what was seen of a call: checked, with pseudonyms; and shows it.

    It works in the writer's thread. Whatever of it fails costs that part alone, and is told and counted; a line whose
    identifiers could not be replaced is not stored.

    Args:
        redactor: makes the pseudonyms; None to keep identifiers.
        failures: what failed of it.
        show: prints a line; None to print nothing.
        width: at how many columns lines are wrapped; None for not at all.

    Attributes:
        sessions: the ids of the last sessions that were seen.
        begun: how many sessions were seen.
        findings: how many there were.
        live: called with each exchange as it is stored, and the size of its line; None for nobody.
    """

    def __init__(
        self,
        redactor: Redactor | None,
        failures: Failures,
        show: Callable[[str], None] | None = None,
        width: int | None = None,
    ) -> None:
        self.sessions: OrderedDict[str, None] = OrderedDict()
        self.begun = 0
        self.findings: Counter[Severity] = Counter()
        self.live: Callable[[Exchange, int], None] | None = None
        self._schemas = Schemas()
        self._redactor = redactor
        self._failures = failures
        self._show = show
        self._width = width

    def prepare(self, seen: Seen) -> bytes | None:
        """The line to be stored; None if there is none."""
        try:
            exchange = exchange_of(seen)
        except Exception as error:  # noqa: BLE001 - a failure of ours costs this line, and no other
            self._note("storing a call", error, None)
            return None
        return self.take(exchange, seen.started)

    def take(self, exchange: Exchange, arrived: float) -> bytes | None:
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
        """Count an exchange, and show it."""
        try:
            self._count(stored)
            if self.live:
                self.live(stored, size)
            if self._show:
                for line in lines_of(stored, self._width):
                    self._show(line)
        except Exception as error:  # noqa: BLE001 - it is stored all the same
            self._note("showing a call", error, stored)

    def verdict(self) -> str:
        """How many findings there were of each severity, in words."""
        found = ", ".join(count_of(count, severity) for severity, count in sorted(self.findings.items()))
        return found or "no findings"

    def _count(self, stored: Exchange) -> None:
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
        self._failures.note(where, error, lambda: (request, response))
