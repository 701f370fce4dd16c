"""Recording: our addons in a lean mitmproxy, a tape, a pseudonym key and a screen, put together."""

import functools
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tapehead.addon import Hosts, Pick, Record
from tapehead.exchange import Exchange, Severity
from tapehead.launch import ProxySettings
from tapehead.ledger import count_of
from tapehead.problems import ProxyProblem
from tapehead.proxy import run_proxy
from tapehead.redact import Redactor
from tapehead.schemas import Schemas
from tapehead.store import RecordingWriter, Tape, pseudonym_key
from tapehead.terminal import Screen, announce, lines_of


class Taker:
    """Takes exchanges: with pseudonyms onto the tape, and onto the screen.

    Args:
        tape: where they go.
        redactor: makes the pseudonyms; None to keep identifiers.
        show: prints a line; None to print nothing.
    """

    def __init__(self, tape: Tape, redactor: Redactor | None, show: Callable[[str], None] | None) -> None:
        self.tape = tape
        self.sessions: set[str] = set()
        self.findings: Counter[Severity] = Counter()
        self._redactor = redactor
        self._show = show

    def take(self, exchange: Exchange) -> None:
        """Store an exchange, then show it."""
        stored = self._redactor.redact(exchange) if self._redactor else exchange
        self.tape.append(stored)
        if stored.session:
            self.sessions.add(stored.session)
        self.findings.update(finding.severity for finding in stored.findings)
        if self._show:
            for line in lines_of(stored):
                self._show(line)

    def summary(self) -> str:
        """What was recorded, in one line."""
        found = ", ".join(count_of(count, severity) for severity, count in sorted(self.findings.items()))
        lost = f"; {count_of(self.tape.lost, 'exchange')} LOST" if self.tape.lost else ""
        took = f"{count_of(self.tape.written, 'exchange')} of {count_of(len(self.sessions), 'session')}"
        return f"recorded {took} in {self.tape.writer.path}: {found or 'no findings'}{lost}"


def new_recording(directory: Path) -> Path:
    """The name of a new recording in `directory`: the UTC time."""
    return directory / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.jsonl"


class RecorderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to record, and where to.

    Attributes:
        proxy: how the proxy runs.
        endpoints: hosts that count as the endpoint besides the vendor's own.
        prefix: a path that stands before the endpoint's own at the upstream.
        out: the recording.
        append, overwrite: what to do with a recording that is there.
        keep_ids: whether identifiers are stored as they are.
        quiet: whether nothing is printed for each call.
    """

    proxy: ProxySettings
    endpoints: tuple[str, ...] = ()
    prefix: str = ""
    out: Path
    append: bool = False
    overwrite: bool = False
    keep_ids: bool = False
    quiet: bool = False


async def run_recorder(settings: RecorderSettings, complain: Callable[[str], None]) -> int:
    """Record until told to stop; the exit code.

    Args:
        settings: what and where to.
        complain: prints a line on stderr.

    Raises:
        ProxyProblem: the proxy cannot start.
        RecordingProblem: the recording cannot be written.
    """
    redactor = None if settings.keep_ids else Redactor(pseudonym_key(settings.out.parent))
    if settings.overwrite:
        settings.out.unlink(missing_ok=True)
    screen = Screen()
    with RecordingWriter(settings.out, append=settings.append) as writer:
        taker = Taker(Tape(writer, complain), redactor, None if settings.quiet else screen.show)
        record = Record(Schemas(), taker.take)
        hosts = Hosts(settings.endpoints)
        addons = [Pick(hosts, settings.prefix), record]
        try:
            await run_proxy(hosts.limit(settings.proxy), addons, functools.partial(announce, screen.show), record.drain)
        except ProxyProblem:
            writer.discard_if_empty()
            raise
    screen.show(taker.summary())
    screen.close()
    return 1 if taker.tape.lost else 0
