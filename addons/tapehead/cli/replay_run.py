"""Replaying through the proxy: an engine behind our addons in a lean mitmproxy, with nothing leaving the machine."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from tapehead.cli.offline_run import EngineRun, EngineSettings
from tapehead.cli.terminal import Screen, UnmatchedRequests, announce, observer
from tapehead.live.page_lifetime import link_lines, live_page
from tapehead.network.offline_guard import OfflineGuard
from tapehead.proxy.addons import CallSelector, RecorderAddon, ReplayAddon
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.master import run_proxy
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.recording.recorder import Recorder
from tapehead.recording.recorder_settings import StoreSettings
from tapehead.replay.on_miss import OnMiss

if TYPE_CHECKING:
    from tapehead.live.server import LiveServer

# Reverse mode wants a target; this name can never be one (RFC 6761), and nothing connects to it anyway.
OFFLINE_MODE = "reverse:http://collection.invalid"


class PlayerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to replay, and how.

    Attributes:
        proxy: how the proxy runs.
        engine: what answers.
        endpoints: hosts that count as the endpoint besides the vendor's own.
        allow: hosts whose requests may pass through to the network.
        prefix: a path that stands before the endpoint's own at the upstream that misses are forwarded to.
        store: where exchanges that were forwarded are recorded; None where nothing is forwarded.
    """

    proxy: ProxySettings
    engine: EngineSettings
    endpoints: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    prefix: str = ""
    store: StoreSettings | None = None


def play_recordings(settings: PlayerSettings, warn: Callable[[str], None]) -> int:
    """Answer players until told to stop; the exit code.

    Raises:
        Problem: a recording cannot be read or written, or the proxy cannot start.
    """
    run, screen = EngineRun(settings.engine, warn), Screen()
    guard = None if settings.engine.on_miss is OnMiss.FORWARD else OfflineGuard(settings.allow)
    unmatched = UnmatchedRequests(None if settings.engine.quiet else screen.show)
    with live_page(settings.engine.live, run.failures, settings.engine.redact_keys) as page:
        recording = Recorder(settings.store, warn, run.failures) if settings.store else None
        try:
            asyncio.run(_run(settings, run, screen, recording, guard, unmatched, page))
        finally:
            if recording:
                recording.close()
    if recording:
        screen.show(recording.summary())
    code = run.close(guard, screen.show, unmatched.count)
    screen.close()
    return code if recording is None or recording.is_whole else 1


async def _run(
    settings: PlayerSettings,
    run: EngineRun,
    screen: Screen,
    recording: Recorder | None,
    guard: OfflineGuard | None,
    unmatched: UnmatchedRequests,
    page: "LiveServer | None",
) -> None:
    engine, hosts, failures = settings.engine, Hosts(settings.endpoints), run.failures
    observe = None if engine.quiet else observer(screen, explain=engine.explain)
    if page:
        observe = page.watching(observe)
    record = RecorderAddon(recording.writer, failures, forwarded_only=True) if recording else None
    play = ReplayAddon(run.engine, hosts, settings.allow, observe, record, unmatched.note, failures=failures)
    addons = [
        CallSelector(hosts, settings.prefix, stream=False, failures=failures),
        play,
        *([record] if record else []),
    ]

    def ready(addresses: Sequence[tuple[str, int]], notes: Sequence[str]) -> None:
        if guard:
            guard.enable()
        announce(screen.show, addresses, [*notes, *link_lines(page)])

    await run_proxy(hosts.limit(settings.proxy), addons, ready, play.drain, failures)
