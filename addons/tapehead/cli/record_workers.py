"""The command `record` in several processes: proxies in workers, and a parent that records what they see."""

import asyncio
from collections.abc import Callable, Sequence

from tapehead.cli import library_warnings
from tapehead.cli.display import LINES, DisplaySettings
from tapehead.cli.messages import warning_in_background
from tapehead.cli.missing_calls import MissingCalls
from tapehead.cli.printer import open_closed_streams
from tapehead.cli.proxy_workers import ProxyOptions, ProxyPart, begin, proxy_run, shared_listeners
from tapehead.cli.record_run import conclude, observing_addons, recording_outputs
from tapehead.cli.run_journal import JournalOptions
from tapehead.cli.shipping_run import shipping
from tapehead.cli.terminal import Screen, UnmatchedRequests
from tapehead.cli.worker_counts import CountCollector, CountReporter, WorkerCounts, WorkerReport
from tapehead.cli.worker_run import channel_settings, connected, follow_calls
from tapehead.internal_errors import InternalErrors
from tapehead.proxy.addons import CallSelector, RecorderAddon
from tapehead.proxy.flow_keys import KeyPermission
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.master import run_proxy
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.recording.calls_elsewhere import CallsElsewhere


def record_in_workers(
    workers: int,
    proxy: ProxySettings,
    journal: JournalOptions,
    warn: Callable[[str], None],
    *,
    endpoints: Sequence[str] = (),
    prefix: str = "",
    strict: bool = False,
    display: DisplaySettings = LINES,
) -> int:
    """Record until SIGINT, SIGTERM or SIGHUP, print one summary, and return the exit code.

    Args and errors are those of `record_run.run_recorder`; `workers` is the number of proxies.
    """
    elsewhere, screen = CallsElsewhere(), Screen(with_keys=display.verbose)
    internal_errors, unmatched = InternalErrors(journal.redact_keys), UnmatchedRequests(None)
    missing = MissingCalls(proxy.modes, elsewhere)
    options = ProxyOptions(
        proxy=proxy,
        channel=channel_settings(journal, display, workers),
        endpoints=tuple(endpoints),
        prefix=prefix,
        is_quiet=display.quiet,
        redact_keys=journal.redact_keys,
    )
    with (
        shared_listeners(proxy, workers, warn) as listeners,
        shipping(journal.shipping, warn, screen) as shipped,
        recording_outputs(display, screen, internal_errors, journal, warn, shipped) as outputs,
    ):
        run = proxy_run(listeners, outputs, internal_errors, CountCollector(internal_errors), warn)
        missing.locate(run.addresses)
        counts, dead = run.run(record_in_worker, options)
        elsewhere.add_all(counts.elsewhere)
        unmatched.count += counts.unmatched
    return conclude(outputs.kept, journal, screen, unmatched, missing, warn, shipped, dead, strict=strict)


def record_in_worker(part: ProxyPart, options: ProxyOptions) -> WorkerReport:
    """Pass calls on in a worker process, and hand them to its parent; return its last report."""
    open_closed_streams()
    with library_warnings.logging_to_stderr(), warning_in_background():
        return asyncio.run(_record(part, options))


async def _record(part: ProxyPart, options: ProxyOptions) -> WorkerReport:
    elsewhere, hosts = CallsElsewhere(), Hosts(options.endpoints)
    internal_errors = InternalErrors(options.redact_keys)

    def count() -> WorkerCounts:
        return WorkerCounts(
            elsewhere=elsewhere,
            unmatched=unmatched.count,
            lost=sender.lost,
            internal_errors=internal_errors.count,
        )

    reporter = CountReporter(part.process, count)
    async with connected(part, options.channel, reporter, internal_errors) as sender:
        unmatched = UnmatchedRequests(None if options.is_quiet else sender.show)
        record = RecorderAddon(sender, internal_errors)
        record.source = part.source("record")
        follow_calls(record, sender, options.channel)
        select = CallSelector(hosts, options.prefix, unmatched.add, internal_errors=internal_errors)
        observing = observing_addons(options.proxy, hosts, elsewhere, sender.show, internal_errors)
        addons = [select, record, KeyPermission(internal_errors), *observing]
        await run_proxy(hosts.limit(options.proxy), addons, begin, record.drain, internal_errors, part.listeners)
    return reporter.report_all()
