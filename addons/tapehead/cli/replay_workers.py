"""The command `replay` in several processes: proxies in workers, each with the recordings, and one summary."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from tapehead.cli import library_warnings
from tapehead.cli.display import DisplaySettings, observers_of
from tapehead.cli.engine_outputs import engine_outputs
from tapehead.cli.messages import warn as warn_on_stderr
from tapehead.cli.messages import warning_in_background
from tapehead.cli.missing_calls import MissingCalls
from tapehead.cli.offline_run import EngineRun, EngineSettings, conclude
from tapehead.cli.printer import open_closed_streams
from tapehead.cli.proxy_workers import ProxyOptions, ProxyPart, begin, proxy_run, shared_listeners
from tapehead.cli.replay_run import observing_addons
from tapehead.cli.run_journal import NO_JOURNAL, JournalOptions
from tapehead.cli.terminal import Screen, UnmatchedRequests
from tapehead.cli.worker_counts import CountCollector, WorkerReport
from tapehead.cli.worker_run import channel_settings, connected, follow_calls
from tapehead.network.offline_guard import OfflineGuard
from tapehead.proxy.addons import CallSelector, RecorderAddon
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.master import run_proxy
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.proxy.replay_addon import ReplayAddon


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

    Args and errors are those of `replay_run.run_replay`; `workers` is the number of proxies.
    """
    screen = Screen()
    run = EngineRun(engine, warn, screen.show, shows_progress=True)
    journal.check([*run.recordings, *filter(None, [engine.summary])])
    missing, errors = MissingCalls(proxy.modes, run.elsewhere), run.internal_errors
    options = ProxyOptions(
        proxy=proxy,
        channel=channel_settings(journal, display, workers),
        endpoints=tuple(endpoints),
        prefix="",
        is_quiet=display.quiet,
        redact_keys=engine.redact_keys,
    )
    with (
        shared_listeners(proxy, workers, warn) as listeners,
        engine_outputs("replay", run, journal, display, screen, warn, has_workers=True) as outputs,
    ):
        run.workers, run.guard = CountCollector(errors, run.totals), OfflineGuard()
        workers_run = proxy_run(listeners, outputs, errors, run.workers, warn)
        missing.locate(workers_run.addresses)
        replay = partial(
            replay_in_worker,
            options=options,
            engine=run.settings_of_workers(),
            display=display,
            allow=tuple(allow),
        )
        ended, _ = workers_run.run(replay)
    counts = run.counts(run.guard)
    counts.add(ended)
    run.elsewhere.add_all(ended.elsewhere)
    kept, fail_on = outputs.kept, journal.fail_on
    return conclude(run, counts, kept, screen, fail_on, warn, missing.lines, unmatched=ended.unmatched)


def replay_in_worker(
    part: ProxyPart, options: ProxyOptions, engine: EngineSettings, display: DisplaySettings, allow: tuple[str, ...]
) -> WorkerReport:
    """Answer players in a worker process, and hand their calls to its parent; return its last report."""
    open_closed_streams()
    with library_warnings.logging_to_stderr(), warning_in_background():
        return asyncio.run(_replay(part, options, engine, display, allow))


async def _replay(
    part: ProxyPart, options: ProxyOptions, engine: EngineSettings, display: DisplaySettings, allow: tuple[str, ...]
) -> WorkerReport:
    screen, hosts, guard = Screen(), Hosts(options.endpoints), OfflineGuard(allow)
    run = EngineRun(engine, lambda _line: None)  # the parent has warned about the recordings already
    run.warn_of_changes(warn_on_stderr)
    errors, observers = run.internal_errors, observers_of(display, screen, explain=engine.explain)
    reporter = run.reporter(part.process, guard, lambda: {"unmatched": unmatched.count, "lost": sender.lost})

    def on_ready(addresses: object, notes: object) -> None:
        guard.enable()
        begin(addresses, notes)

    async with connected(part, options.channel, reporter, errors) as sender:
        unmatched = UnmatchedRequests(None if options.is_quiet else sender.show)
        recorders = [RecorderAddon(sender, errors)] if options.channel.is_captured else []
        for record in recorders:
            record.source = part.source("replay")
            follow_calls(record, sender, options.channel)
        replay = ReplayAddon(run.engine, hosts, allow, observers, None, unmatched.add, internal_errors=errors)
        select = CallSelector(hosts, options.prefix, stream=False, internal_errors=errors)
        addons = [select, replay, *observing_addons(run, hosts, sender.show, recorders, is_forwarding=False)]
        await run_proxy(hosts.limit(options.proxy), addons, on_ready, replay.drain, errors, part.listeners)
    screen.close()
    return reporter.report_all()
