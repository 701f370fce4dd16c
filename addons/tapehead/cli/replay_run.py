"""The command `replay`: an engine behind the addons of a lean mitmproxy, with nothing leaving the machine."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tapehead.cli.collection import begin_collection
from tapehead.cli.display import DisplaySettings, observers_of
from tapehead.cli.engine_outputs import engine_outputs
from tapehead.cli.missing_calls import MissingCalls
from tapehead.cli.offline_run import EngineRun, EngineSettings, conclude
from tapehead.cli.option_parsing import MissHandling
from tapehead.cli.run_journal import NO_JOURNAL, JournalOptions
from tapehead.cli.terminal import Screen, UnmatchedRequests
from tapehead.internal_errors import InternalErrors
from tapehead.network.offline_guard import OfflineGuard
from tapehead.proxy.addons import CallSelector, RecorderAddon
from tapehead.proxy.called_host import LocationCheck
from tapehead.proxy.elsewhere_addon import ElsewhereAddon
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.master import run_proxy
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.proxy.replay_addon import ReplayAddon
from tapehead.proxy.untrusted_certificate import CertificateCheck
from tapehead.recording.capture import source_of_run
from tapehead.recording.recorder import Recorder
from tapehead.recording.recorder_settings import StoreSettings
from tapehead.replay.on_miss import OnMiss

if TYPE_CHECKING:
    from tapehead.journal.journal_run import JournalRun


def run_replay(
    proxy: ProxySettings,
    engine: EngineSettings,
    display: DisplaySettings,
    warn: Callable[[str], None],
    *,
    endpoints: Sequence[str] = (),
    allow: Sequence[str] = (),
    misses: MissHandling,
    journal: JournalOptions = NO_JOURNAL,
) -> int:
    """Answer players until SIGINT or SIGTERM, print the summary, and return the exit code.

    Args:
        proxy: the proxy's settings.
        engine: the engine's settings.
        display: how answers are shown.
        warn: prints a line on stderr, in any thread.
        endpoints: hosts that count as the endpoint besides the vendor's own.
        allow: hosts whose requests may pass through to the network.
        misses: where misses are forwarded to, and recorded.
        journal: the journal of all calls.

    Raises:
        TapeheadError: a recording cannot be read or written, or the proxy cannot start.
    """
    screen, hosts, out, target = Screen(), Hosts(endpoints), misses.out, misses.target
    run = EngineRun(engine, warn, screen.show, added=out if engine.recordings else None, shows_progress=True)
    journal.check([*run.recordings, *filter(None, [engine.summary])])
    guard = run.guard = None if engine.on_miss is OnMiss.FORWARD else OfflineGuard(allow)
    unmatched = UnmatchedRequests(None if display.quiet else screen.show)
    missing = MissingCalls(proxy.modes, run.elsewhere)
    errors, observers = run.internal_errors, observers_of(display, screen, explain=engine.explain)
    with engine_outputs("replay", run, journal, display, screen, warn, unmatched=unmatched) as outputs:
        kept = outputs.kept
        recorder = open_recorder(out, engine, run, screen, warn) if out else None
        record = RecorderAddon(recorder.writer, errors, forwarded_only=True) if recorder else None
        recorders = recorders_of(record, kept, errors, recorder)
        replay = ReplayAddon(run.engine, hosts, allow, observers, record, unmatched.add, internal_errors=errors)
        select = CallSelector(hosts, target.prefix if target else "", stream=False, internal_errors=errors)

        def on_ready(addresses: Sequence[tuple[str, int]], notes: Sequence[str]) -> None:
            missing.start(addresses, screen.show)
            begin(recorders, addresses, kept)
            if guard:
                guard.enable()
            outputs.announce(addresses, notes)

        addons = [select, replay, *observing_addons(run, hosts, screen.show, recorders, is_forwarding=bool(record))]
        with contextlib.closing(recorder) if recorder else contextlib.nullcontext():
            asyncio.run(run_proxy(hosts.limit(proxy), addons, on_ready, replay.drain, errors))
    fail_on, other = journal.fail_on, unmatched.count
    counts = run.counts(guard)
    return conclude(run, counts, kept, screen, fail_on, warn, missing.lines, unmatched=other, recorder=recorder)


def observing_addons(
    run: EngineRun,
    hosts: Hosts,
    show: Callable[[str], None],
    recorders: Sequence[RecorderAddon],
    *,
    is_forwarding: bool,
) -> list[object]:
    """Return the addons that tell why calls do not come, those that record, and what checks forwarded answers."""
    errors = run.internal_errors
    check = CertificateCheck(run.elsewhere, show, errors)
    located = [LocationCheck(hosts, show, errors)] if is_forwarding else []
    return [ElsewhereAddon(run.elsewhere, hosts, errors), check, *recorders, *located]


def recorders_of(
    forwarded: RecorderAddon | None, kept: "JournalRun | None", errors: InternalErrors, recorder: Recorder | None
) -> list[RecorderAddon]:
    """Return the addons that record: that of forwarded calls, whose recorder is given, and that of the journal."""
    if kept and recorder:
        kept.journal.writer = recorder.writer
    everything = RecorderAddon(kept, errors) if kept else None
    if kept and everything:
        kept.journal.follow(everything)
    return [each for each in (forwarded, everything) if each]


def begin(recorders: Sequence[RecorderAddon], addresses: Sequence[tuple[str, int]], kept: "JournalRun | None") -> None:
    """Name this run in what is recorded of it, and begin with what waited for its start."""
    for each in recorders:
        each.source = source_of_run("replay", addresses, time.time())
    begin_collection()
    if kept:
        kept.thread.load_soon()


def open_recorder(
    out: Path, engine: EngineSettings, run: EngineRun, screen: Screen, warn: Callable[[str], None]
) -> Recorder:
    """Return the recorder of the calls that a run forwards, and plays later if it has `forwarded`."""
    if not engine.recordings:
        screen.show(f"no recording yet: every call is forwarded, and recorded in {out}")
    store = StoreSettings(out=out, append=True, keep_ids=engine.keep_ids, redact_keys=engine.redact_keys)
    recorder = Recorder(store, warn, run.internal_errors, [run.forwarded.add] if run.forwarded else [])
    if run.forwarded:
        run.forwarded.lines_before = recorder.lines_before
    return recorder
