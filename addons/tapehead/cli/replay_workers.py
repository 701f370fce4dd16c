"""The command `replay` in several processes: proxies in workers, each with the recordings, and one summary."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from tapehead.cli import library_warnings
from tapehead.cli.display import DisplaySettings, live_table, observers_of
from tapehead.cli.messages import warn as warn_on_stderr
from tapehead.cli.messages import warning_in_background
from tapehead.cli.missing_calls import MissingCalls
from tapehead.cli.offline_run import EngineRun, EngineSettings, RunCounts
from tapehead.cli.printer import open_closed_streams
from tapehead.cli.proxy_workers import (
    Address,
    WorkerOptions,
    WorkerPart,
    begin,
    connect,
    run_proxies,
    shared_listeners,
    source_of,
)
from tapehead.cli.replay_run import conclude, observing_addons
from tapehead.cli.run_journal import NO_JOURNAL, JournalOptions, audit_summary, open_journal, show_summary
from tapehead.cli.terminal import Screen, UnmatchedRequests, announce
from tapehead.network.offline_guard import OfflineGuard
from tapehead.proxy.addons import CallSelector, RecorderAddon
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.master import run_proxy
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.proxy.replay_addon import ReplayAddon


class ReplayedPart(msgspec.Struct, kw_only=True):
    """The part of a replay that one process answered.

    Attributes:
        counts: its counts.
        unmatched: the number of requests to the endpoint that are no calls.
        lost: the number of calls that could not be handed to the recording process.
    """

    counts: RunCounts
    unmatched: int
    lost: int


def replay_in_workers(
    workers: int,
    proxy: ProxySettings,
    engine: EngineSettings,
    display: DisplaySettings,
    warn: Callable[[str], None],
    *,
    endpoints: Sequence[str] = (),
    allow: Sequence[str] = (),
    journal: JournalOptions = NO_JOURNAL,
) -> int:
    """Answer players until SIGINT, SIGTERM or SIGHUP, print one summary, and return the exit code.

    Args and errors are those of `replay_run.run_replay`; `workers` is the number of proxies. The signals are held.
    """
    screen = Screen()
    run = EngineRun(engine, warn, screen.show, shows_progress=True)
    journal.check([*run.recordings, *filter(None, [engine.summary])])
    missing = MissingCalls(proxy.modes, run.elsewhere)
    options = WorkerOptions(
        proxy=proxy,
        endpoints=tuple(endpoints),
        prefix="",
        is_captured=journal.is_needed,
        is_recorded=journal.store is not None,
        is_quiet=display.quiet,
        redact_keys=engine.redact_keys,
        backlog=journal.backlog // workers,
    )
    same = engine.of_workers(run.recordings)
    counts, unmatched = run.counts(OfflineGuard()), 0
    with (
        shared_listeners(proxy, workers, warn) as listeners,
        live_table(display, "tapehead replay", screen) as show_table,
        open_journal(journal, warn, run.internal_errors, screen=screen, display=display) as kept,
    ):

        def on_ready(addresses: list[Address]) -> None:
            missing.locate(addresses)
            announce(screen.show, addresses)
            show_table(kept, addresses, [])

        replay = partial(replay_in_worker, options=options, engine=same, display=display, allow=tuple(allow))
        outcome = run_proxies(listeners, kept, screen, run.internal_errors, on_ready, warn, replay)
        for part in outcome.results:
            counts.add(part.counts)
            run.internal_errors.count += part.counts.internal_errors  # before metrics are exported for the last time
            unmatched += part.unmatched
            if kept and kept.recorder:
                kept.recorder.writer.note_lost(part.lost)
    counts.internal_errors = run.internal_errors.count
    result = run.result(counts, unmatched)
    has_failed, audit = show_summary(kept, screen.show, journal.fail_on), audit_summary(kept, journal.fail_on)
    return conclude(result, None, screen, engine.summary, audit, missing.lines(), warn) or int(has_failed)


def replay_in_worker(
    part: WorkerPart, options: WorkerOptions, engine: EngineSettings, display: DisplaySettings, allow: tuple[str, ...]
) -> ReplayedPart:
    """Answer players in a worker process, and hand their calls to its parent; return what was replayed."""
    open_closed_streams()
    with library_warnings.logging_to_stderr(), warning_in_background():
        return asyncio.run(_replay(part, options, engine, display, allow))


async def _replay(
    part: WorkerPart, options: WorkerOptions, engine: EngineSettings, display: DisplaySettings, allow: tuple[str, ...]
) -> ReplayedPart:
    screen, hosts = Screen(), Hosts(options.endpoints)
    run = EngineRun(engine, lambda _line: None)  # the parent has warned about the recordings already
    errors, observers = run.internal_errors, observers_of(display, screen, explain=engine.explain)
    unmatched = UnmatchedRequests(None if options.is_quiet else screen.show)
    sender = await connect(part, options, warn_on_stderr)
    guard = OfflineGuard(allow)
    recorders = [RecorderAddon(sender, errors)] if options.is_captured else []
    for record in recorders:
        record.source = source_of(part, "replay")
    replay = ReplayAddon(run.engine, hosts, allow, observers, None, unmatched.add, internal_errors=errors)
    select = CallSelector(hosts, options.prefix, stream=False, internal_errors=errors)
    addons = [select, replay, *observing_addons(run, hosts, sender.show, recorders, is_forwarding=False)]

    def on_ready(addresses: Sequence[Address], notes: Sequence[str]) -> None:
        guard.enable()
        begin(addresses, notes)

    await run_proxy(hosts.limit(options.proxy), addons, on_ready, replay.drain, errors, part.listeners)
    await sender.close()
    screen.close()
    return ReplayedPart(counts=run.counts(guard), unmatched=unmatched.count, lost=sender.lost)
