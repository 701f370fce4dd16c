"""The command `record`: the recorder's addons in a lean mitmproxy, a recording, and the screen."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Self

import msgspec

from tapehead.cli.collection import begin_collection
from tapehead.cli.display import LINES, DisplaySettings
from tapehead.cli.missing_calls import MissingCalls
from tapehead.cli.run_journal import (
    AuditSummary,
    JournalOptions,
    audit_so_far,
    audit_summary,
    make_journal,
    show_summary,
)
from tapehead.cli.run_outputs import RunOutputs, run_outputs
from tapehead.cli.shipping_run import ShippingRun, ShippingSummary, shipping
from tapehead.cli.summary_file import write_summary_file
from tapehead.cli.terminal import Screen, UnmatchedRequests
from tapehead.counts import Count
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal_run import JournalRun
from tapehead.proxy.addons import CallSelector, RecorderAddon
from tapehead.proxy.called_host import LocationCheck
from tapehead.proxy.elsewhere_addon import ElsewhereAddon
from tapehead.proxy.flow_keys import KeyPermission
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.master import run_proxy
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.proxy.untrusted_certificate import CertificateCheck
from tapehead.recording.calls_elsewhere import CallsElsewhere
from tapehead.recording.capture import source_of_run
from tapehead.recording.pipeline import OnStored
from tapehead.recording.recorder import Recorder


class RecordSummary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The summary as JSON.

    Attributes:
        recording: the recording.
        exchanges: the number of exchanges in it that came in this run.
        lost: the number of exchanges that could not be stored.
        is_whole: whether all of them are there, as far as is known.
        audit: the verdict of the audit; None without one.
        ship: the files that were shipped, and those that were not; left out without `--ship`.
        dead_workers: the number of worker processes that died; left out without workers.
    """

    recording: str
    exchanges: Count
    lost: Count
    is_whole: bool
    audit: AuditSummary | None
    ship: ShippingSummary | None = None
    dead_workers: Count | None = None

    @classmethod
    def of(
        cls,
        out: str,
        recorder: Recorder,
        audit: AuditSummary | None,
        ship: ShippingSummary | None = None,
        dead_workers: int | None = None,
    ) -> Self:
        """Return the summary of a recorder at its end."""
        return cls(
            recording=out,
            exchanges=recorder.writer.written,
            lost=recorder.writer.lost,
            is_whole=recorder.is_whole,
            audit=audit,
            ship=ship,
            dead_workers=dead_workers,
        )


async def run_recorder(
    proxy: ProxySettings,
    journal: JournalOptions,
    warn: Callable[[str], None],
    *,
    endpoints: Sequence[str] = (),
    prefix: str = "",
    strict: bool = False,
    display: DisplaySettings = LINES,
) -> int:
    """Record until SIGINT or SIGTERM, print the summary, and return the exit code.

    Args:
        proxy: the proxy's settings.
        journal: the recording, and the journal beside it.
        warn: prints a line on stderr, in any thread.
        endpoints: hosts that count as the endpoint besides the vendor's own.
        prefix: a path before the endpoint's own at the upstream.
        strict: whether a run without a call has failed, even if nothing else came either.
        display: how calls are shown.

    Raises:
        StartupError: the proxy cannot start.
        UsageError: the settings of the audit have an error.
        RecordingError: the recording cannot be written.
    """
    elsewhere, screen, hosts = CallsElsewhere(), Screen(with_keys=display.verbose), Hosts(endpoints)
    internal_errors = InternalErrors(journal.redact_keys)
    unmatched, missing = UnmatchedRequests(None if display.quiet else screen.show), MissingCalls(proxy.modes, elsewhere)
    with (
        shipping(journal.shipping, warn, screen) as shipped,
        recording_outputs(display, screen, internal_errors, journal, warn, shipped) as outputs,
    ):
        kept = outputs.kept
        record = RecorderAddon(kept, internal_errors)
        kept.journal.follow(record)
        select = CallSelector(hosts, prefix, unmatched.add, internal_errors=internal_errors)

        def on_ready(addresses: Sequence[tuple[str, int]], notes: Sequence[str]) -> None:
            missing.start(addresses, screen.show)
            record.source = source_of_run("record", addresses, time.time())
            outputs.announce(addresses, notes)
            begin_collection()
            kept.thread.load_soon()

        observing = observing_addons(proxy, hosts, elsewhere, screen.show, internal_errors)
        addons = [select, record, KeyPermission(internal_errors), *observing]
        await run_proxy(hosts.limit(proxy), addons, on_ready, record.drain, internal_errors)
    return conclude(kept, journal, screen, unmatched, missing, warn, shipped, strict=strict)


def recording_outputs(
    display: DisplaySettings,
    screen: Screen,
    internal_errors: InternalErrors,
    journal: JournalOptions,
    warn: Callable[[str], None],
    shipped: ShippingRun | None,
) -> AbstractContextManager[RunOutputs[JournalRun]]:
    """Return the outputs of a recorder, as `run_outputs`, with lines about its calls."""
    shown: list[OnStored] = [screen.show_exchange] if display.has_lines else []
    make = partial(make_journal, journal, warn, internal_errors, shown, screen, display, has_calls=True)
    recording = journal.store.out if journal.store else None
    summarise = partial(summary_so_far, journal, shipped)
    return run_outputs("record", display, screen, internal_errors, make, summarise=summarise, recording=recording)


def conclude(
    kept: JournalRun,
    journal: JournalOptions,
    screen: Screen,
    unmatched: UnmatchedRequests,
    missing: MissingCalls,
    warn: Callable[[str], None],
    shipped: ShippingRun | None = None,
    dead_workers: int | None = None,
    *,
    strict: bool,
) -> int:
    """Show what was recorded and found, write it as JSON if that has a path, and return the exit code."""
    has_failed = show_summary(kept, screen.show, journal.fail_on, unmatched.summary("passed on"))
    ship = shipped.summary() if shipped else None
    if ship:
        screen.show(ship.line())
    screen.close()
    if kept.recorder and journal.store:
        audit = audit_summary(kept, journal.fail_on)
        summary = RecordSummary.of(str(journal.store.out), kept.recorder, audit, ship, dead_workers)
        write_summary_file(journal.summary, summary)
    if has_failed or dead_workers:
        return 1  # calls that were lost have their own warning
    for line in missing.lines():
        warn(line)
    elsewhere = missing.elsewhere
    return int(not elsewhere.calls and (strict or elsewhere.has_any))


def summary_so_far(journal: JournalOptions, shipped: ShippingRun | None, kept: JournalRun) -> RecordSummary:
    """Return the summary of a run up to now, in any thread; worker processes that died are known at the end alone."""
    assert kept.recorder is not None and journal.store is not None  # noqa: S101, PT018 - this command records
    audit = audit_so_far(kept, journal.fail_on)
    summary = RecordSummary.of(str(journal.store.out), kept.recorder, audit, shipped.summary() if shipped else None)
    # Calls that wait for the disk are not lost.
    return msgspec.structs.replace(
        summary, lost=kept.recorder.writer.lost_so_far, is_whole=kept.recorder.is_whole_so_far
    )


def observing_addons(
    proxy: ProxySettings,
    hosts: Hosts,
    elsewhere: CallsElsewhere,
    show: Callable[[str], None],
    internal_errors: InternalErrors,
) -> Iterator[object]:
    """Yield the addons that tell why calls do not come."""
    yield LocationCheck(hosts, show, internal_errors)
    yield CertificateCheck(elsewhere, show, internal_errors, has_page=not proxy.is_reverse())
    yield ElsewhereAddon(elsewhere, hosts, internal_errors)
