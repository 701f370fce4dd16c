"""Recording: our addons in a lean mitmproxy, a writer, a pseudonym key and a screen, put together."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tapehead.addon import Pick, Record
from tapehead.api import Call, find_route
from tapehead.checks import check_exchange
from tapehead.exchange import Exchange, Finding, Severity, encode
from tapehead.failures import Failures
from tapehead.files import COMPRESSED_SUFFIX, RecordingFile
from tapehead.flows import Seen, exchange_of
from tapehead.hosts import Hosts
from tapehead.keys import pseudonym_key
from tapehead.launch import LiveSettings, ProxySettings, StoreSettings
from tapehead.ledger import count_of
from tapehead.live import link_lines, live_page
from tapehead.problems import ProxyProblem
from tapehead.proxy import run_proxy
from tapehead.redact import Redactor
from tapehead.rolling import Rolling
from tapehead.schemas import Schemas
from tapehead.tape import served_schema
from tapehead.terminal import Screen, Strays, announce, lines_of
from tapehead.writer import Writer

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
        exchange: Exchange | None = None
        try:
            exchange = exchange_of(seen)
            exchange = msgspec.structs.replace(exchange, findings=self._check(exchange, seen))
            stored = self._redactor.redact(exchange) if self._redactor else exchange
            line = encode(stored)
        except Exception as error:  # noqa: BLE001 - a failure of ours costs this line, and no other
            self._note("storing a call", error, exchange)
            return None
        self._tell(stored, len(line))
        return line

    def _check(self, exchange: Exchange, seen: Seen) -> list[Finding]:
        """The findings; none where the checks themselves fail."""
        try:
            self._learn(exchange)
            request, response = exchange.request, exchange.response
            return check_exchange(exchange.call, request, response, exchange.error, seen.started * 1000, self._schemas)
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


class Recording:
    """A recording that is being made: what takes exchanges, and what stores them.

    Args:
        settings: where to, and how.
        complain: prints a line, in any thread.
        failures: what failed of tapehead's own.
        show: prints a line for each call; None to print nothing.
        width: at how many columns those are wrapped; None for not at all.

    Raises:
        RecordingProblem: it cannot be written.
    """

    def __init__(
        self,
        settings: StoreSettings,
        complain: Callable[[str], None],
        failures: Failures,
        show: Callable[[str], None] | None = None,
        width: int | None = None,
    ) -> None:
        out = settings.out
        redactor = None if settings.keep_ids else Redactor(pseudonym_key(out.parent), settings.redact_keys)
        file = RecordingFile(out, append=settings.append, overwrite=settings.overwrite)
        self.failures = failures
        self.taker = Taker(redactor, failures, show, width)
        self.writer = Writer(
            Rolling(file, settings.rotation, complain),
            self.taker.prepare,
            complain,
            sync=settings.sync,
            backlog=settings.backlog,
        )

    def close(self) -> None:
        """Store what waits; nothing comes any more."""
        self.writer.close()

    def discard(self) -> None:
        """Close it, and remove the file if there is nothing in it, since the run never began."""
        self.writer.rolling.discard_if_empty()
        self.writer.close()

    @property
    def is_whole(self) -> bool:
        """Whether all that was seen is in it, checked and confirmed."""
        return not (self.writer.lost or self.writer.unsure or self.failures.count)

    def summary(self) -> str:
        """What was recorded, in one line."""
        writer, taker = self.writer, self.taker
        found = ", ".join(count_of(count, severity) for severity, count in sorted(taker.findings.items()))
        took = f"{count_of(writer.written, 'exchange')} of {count_of(taker.begun, 'session')}"
        lost = f"; {count_of(writer.lost, 'exchange')} LOST" if writer.lost else ""
        unsure = f"; {count_of(writer.unsure, 'exchange')} not confirmed by the disk" if writer.unsure else ""
        return f"recorded {took} in {writer.rolling.path}: {found or 'no findings'}{lost}{unsure}{self.failures}"


def new_recording(directory: Path) -> Path:
    """The name of a new recording in `directory`: the UTC time."""
    return directory / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.jsonl"


def compressed(path: Path) -> Path:
    """The name of a recording if it is compressed."""
    return path if path.suffix == COMPRESSED_SUFFIX else path.with_name(path.name + COMPRESSED_SUFFIX)


class RecorderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to record, and where to.

    Attributes:
        proxy: how the proxy runs.
        endpoints: hosts that count as the endpoint besides the vendor's own.
        prefix: a path that stands before the endpoint's own at the upstream.
        store: the recording.
        quiet: whether nothing is printed for each call.
        live: the live page; None for none.
    """

    proxy: ProxySettings
    endpoints: tuple[str, ...] = ()
    prefix: str = ""
    store: StoreSettings
    quiet: bool = False
    live: LiveSettings | None = None


async def run_recorder(settings: RecorderSettings, complain: Callable[[str], None]) -> int:
    """Record until told to stop; the exit code.

    Args:
        settings: what and where to.
        complain: prints a line on stderr, in any thread.

    Raises:
        ProxyProblem: the proxy cannot start.
        RecordingProblem: the recording cannot be written.
    """
    screen, hosts, failures = Screen(), Hosts(settings.endpoints), Failures()
    with live_page(settings.live, failures) as page:
        show = None if settings.quiet else screen.show
        recording = Recording(settings.store, complain, failures, show, screen.width)
        recording.taker.live = page.show_stored if page else None
        strays = Strays(show)
        record = Record(recording.writer, failures)
        addons = [Pick(hosts, settings.prefix, strays.note, failures=failures), record]

        def ready(addresses: Sequence[tuple[str, int]], notes: Sequence[str]) -> None:
            announce(screen.show, addresses, [*notes, *link_lines(page)])
            screen.show(f"recording into {settings.store.out}")

        try:
            await run_proxy(hosts.limit(settings.proxy), addons, ready, record.drain)
        except ProxyProblem:
            recording.discard()
            raise
        recording.close()
    screen.show(recording.summary() + strays.summary("passed on"))
    screen.close()
    return 0 if recording.is_whole else 1
