"""Recording: our addons in a lean mitmproxy, a writer, a pseudonym key and a screen, put together."""

from collections.abc import Callable, Sequence

import msgspec

from tapehead.addon import Pick, Record
from tapehead.failures import Failures
from tapehead.files import RecordingFile
from tapehead.hosts import Hosts
from tapehead.keys import pseudonym_key
from tapehead.launch import LiveSettings, ProxySettings, StoreSettings
from tapehead.ledger import count_of
from tapehead.live import link_lines, live_page
from tapehead.problems import ProxyProblem
from tapehead.proxy import run_proxy
from tapehead.redact import Redactor
from tapehead.rolling import Rolling
from tapehead.taker import Taker
from tapehead.terminal import Screen, Strays, announce
from tapehead.writer import Writer


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
        took = f"{count_of(writer.written, 'exchange')} of {count_of(taker.begun, 'session')}"
        lost = f"; {count_of(writer.lost, 'exchange')} LOST" if writer.lost else ""
        unsure = f"; {count_of(writer.unsure, 'exchange')} not confirmed by the disk" if writer.unsure else ""
        return f"recorded {took} in {writer.rolling.path}: {taker.verdict()}{lost}{unsure}{self.failures}"


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
    screen, hosts, failures = Screen(), Hosts(settings.endpoints), Failures(settings.store.redact_keys)
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
            await run_proxy(hosts.limit(settings.proxy), addons, ready, record.drain, failures)
        except ProxyProblem:
            recording.discard()
            raise
        recording.close()
    screen.show(recording.summary() + strays.summary("passed on"))
    screen.close()
    return 0 if recording.is_whole else 1
