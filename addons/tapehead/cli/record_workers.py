"""The command `record` in several processes: proxies in workers, and a parent that records what they see."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from tapehead.cli import library_warnings
from tapehead.cli.display import LINES, DisplaySettings, live_table
from tapehead.cli.messages import warn as warn_on_stderr
from tapehead.cli.messages import warning_in_background
from tapehead.cli.missing_calls import MissingCalls
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
from tapehead.cli.record_run import conclude, observing_addons, summary_so_far
from tapehead.cli.run_journal import JournalOptions, make_journal
from tapehead.cli.shipping_run import shipping
from tapehead.cli.terminal import Screen, UnmatchedRequests, announce
from tapehead.internal_errors import InternalErrors
from tapehead.live.live_page import link_lines, live_page
from tapehead.protocol.routes import Call, Route
from tapehead.proxy.addons import CallSelector, RecorderAddon
from tapehead.proxy.flow_keys import KeyPermission
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.master import run_proxy
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.recording.call_channel import BegunCall, CallSender
from tapehead.recording.calls_elsewhere import CallsElsewhere
from tapehead.recording.pipeline import OnStored


class ProxyCounts(msgspec.Struct, kw_only=True):
    """The counts of one process.

    Attributes:
        elsewhere: what came instead of calls, and the number of calls.
        unmatched: the number of requests to the endpoint that are no calls.
        lost: the number of calls that could not be handed to the recording process.
        internal_errors: failures of tapehead itself.
    """

    elsewhere: CallsElsewhere
    unmatched: int
    lost: int
    internal_errors: int


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

    Args and errors are those of `record_run.run_recorder`; `workers` is the number of proxies. The signals are held.
    """
    elsewhere, screen = CallsElsewhere(), Screen(with_keys=display.verbose)
    internal_errors = InternalErrors(journal.redact_keys)
    shown: list[OnStored] = [screen.show_exchange] if display.has_lines else []
    unmatched = UnmatchedRequests(None)
    missing = MissingCalls(proxy.modes, elsewhere)
    options = WorkerOptions(
        proxy=proxy,
        endpoints=tuple(endpoints),
        prefix=prefix,
        is_captured=True,
        is_recorded=True,
        is_followed=display.live is not None,
        is_quiet=display.quiet,
        redact_keys=journal.redact_keys,
        backlog=journal.backlog // workers,
    )
    with (
        shared_listeners(proxy, workers, warn) as listeners,
        shipping(journal.shipping, warn, screen) as shipped,
        live_table(display, "tapehead record", screen) as show_table,
        live_page(display.live, "record", internal_errors) as page,
        make_journal(journal, warn, internal_errors, shown, screen, display, has_calls=True) as kept,
    ):
        if page:
            page.serve(kept.journal, summarise=partial(summary_so_far, kept, journal, shipped))

        def on_ready(addresses: list[Address]) -> None:
            missing.locate(addresses)
            announce(screen.show, addresses, link_lines(page))
            if journal.store:
                screen.show(f"recording into {journal.store.out}")
            show_table(kept, addresses, link_lines(page)[:1])

        outcome = run_proxies(listeners, kept, screen, internal_errors, on_ready, warn, record_in_worker, options)
        for counts in outcome.results:
            elsewhere.add_all(counts.elsewhere)
            unmatched.count += counts.unmatched
            internal_errors.count += counts.internal_errors
            if kept.recorder:
                kept.recorder.writer.note_lost(counts.lost)
    if conclude(kept, journal, screen, unmatched, shipped, outcome.lost):
        return 1
    for line in missing.lines():
        warn(line)
    return int(not elsewhere.calls and (strict or elsewhere.has_any))


def record_in_worker(part: WorkerPart, options: WorkerOptions) -> ProxyCounts:
    """Pass calls on in a worker process, and hand them to its parent; return its counts."""
    open_closed_streams()
    with library_warnings.logging_to_stderr(), warning_in_background():
        return asyncio.run(_record(part, options))


async def _record(part: WorkerPart, options: WorkerOptions) -> ProxyCounts:
    elsewhere, hosts = CallsElsewhere(), Hosts(options.endpoints)
    internal_errors = InternalErrors(options.redact_keys)
    sender = await connect(part, options, warn_on_stderr)
    unmatched = UnmatchedRequests(None if options.is_quiet else sender.show)
    record = RecorderAddon(sender, internal_errors)
    record.source = source_of(part, "record")
    if options.is_followed:
        record.on_begin = partial(_begin_call, sender)
    select = CallSelector(hosts, options.prefix, unmatched.add, internal_errors=internal_errors)
    observing = observing_addons(options.proxy, hosts, elsewhere, sender.show, internal_errors)
    addons = [select, record, KeyPermission(internal_errors), *observing]
    await run_proxy(hosts.limit(options.proxy), addons, begin, record.drain, internal_errors, part.listeners)
    await sender.close()
    return ProxyCounts(
        elsewhere=elsewhere, unmatched=unmatched.count, lost=sender.lost, internal_errors=internal_errors.count
    )


def _begin_call(sender: CallSender, route: Route, number: int, key: str) -> None:
    """Say in a worker that a call is in flight; a browser's question whether it may call is none."""
    if route.call is not Call.PREFLIGHT:
        sender.begin(BegunCall(number, key, route.sid))
