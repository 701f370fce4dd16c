"""Recording: our addons in a lean mitmproxy, a writer, a pseudonym key and a screen, put together."""

from collections.abc import Callable, Sequence

import msgspec

from tapehead.cli.terminal import Screen, UnmatchedRequests, announce
from tapehead.errors import StartupError
from tapehead.internal_errors import InternalErrors
from tapehead.live.page_lifetime import link_lines, live_page
from tapehead.live.page_settings import LiveSettings
from tapehead.proxy.addons import CallSelector, RecorderAddon
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.master import run_proxy
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.recording.pipeline import OnStored
from tapehead.recording.recorder import Recorder
from tapehead.recording.recorder_settings import StoreSettings


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


async def run_recorder(settings: RecorderSettings, warn: Callable[[str], None]) -> int:
    """Record until told to stop; the exit code.

    Args:
        settings: what and where to.
        warn: prints a line on stderr, in any thread.

    Raises:
        StartupError: the proxy cannot start.
        RecordingError: the recording cannot be written.
    """
    screen, hosts, failures = Screen(), Hosts(settings.endpoints), InternalErrors(settings.store.redact_keys)
    with live_page(settings.live, failures) as page:
        show = None if settings.quiet else screen.show
        subscribers: list[OnStored] = [page.show_stored] if page else []
        if not settings.quiet:
            subscribers.append(screen.show_exchange)
        recording = Recorder(settings.store, warn, failures, subscribers)
        unmatched = UnmatchedRequests(show)
        record = RecorderAddon(recording.writer, failures)
        addons = [CallSelector(hosts, settings.prefix, unmatched.note, failures=failures), record]

        def ready(addresses: Sequence[tuple[str, int]], notes: Sequence[str]) -> None:
            announce(screen.show, addresses, [*notes, *link_lines(page)])
            screen.show(f"recording into {settings.store.out}")

        try:
            await run_proxy(hosts.limit(settings.proxy), addons, ready, record.drain, failures)
        except StartupError:
            recording.discard()
            raise
        recording.close()
    screen.show(recording.summary() + unmatched.summary("passed on"))
    screen.close()
    return 0 if recording.is_whole else 1
