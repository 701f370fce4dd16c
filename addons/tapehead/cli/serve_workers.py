"""The command `serve` in several processes: servers in workers, each with the recordings, and one summary."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import msgspec

from tapehead.answers import Arrival
from tapehead.cli import library_warnings
from tapehead.cli.collection import begin_collection
from tapehead.cli.display import DisplaySettings, observers_of
from tapehead.cli.messages import warn as warn_on_stderr
from tapehead.cli.messages import warning_in_background
from tapehead.cli.offline_run import EngineRun, EngineSettings, RunCounts
from tapehead.cli.printer import open_closed_streams
from tapehead.cli.run_journal import JournalOptions
from tapehead.cli.run_outputs import AnyOutputs
from tapehead.cli.terminal import Screen
from tapehead.cli.worker_counts import CountCollector, WorkerReport
from tapehead.cli.worker_run import ChannelSettings, WorkerPart, WorkerRun, channel_settings, connected
from tapehead.journal.call_capture import AnsweredCall, CallCapture
from tapehead.network.access_policy import ClientFilter, Network
from tapehead.network.offline_guard import OfflineGuard
from tapehead.recording.call_channel import BegunCall, CallSender
from tapehead.server.listening import close_all
from tapehead.server.uvicorn_server import Server
from tapehead.server.workers import once, release_signals

Part = WorkerPart[list[socket.socket]]


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the processes.

    Attributes:
        engine: the engine's settings.
        display: how answers are shown.
        client_filter: says whose connections are accepted.
        channel: what they send to their parent.
    """

    engine: EngineSettings
    display: DisplaySettings
    client_filter: ClientFilter
    channel: ChannelSettings


def answer_in_workers(
    run: EngineRun,
    sockets: Sequence[socket.socket],
    outputs: AnyOutputs,
    clients: Sequence[Network],
    warn: Callable[[str], None],
    display: DisplaySettings,
    journal: JournalOptions,
) -> RunCounts:
    """Answer in a process for each socket until SIGINT, SIGTERM or SIGHUP, and return the counts of all.

    Args:
        run: the run, whose engine answers nothing here.
        sockets: sockets of one address.
        outputs: the outputs of the run.
        clients: the networks from which players may connect; none for all.
        warn: prints a line on stderr.
        display: how answers are shown.
        journal: the journal of the calls.

    Raises:
        StartupError: a worker cannot start.
    """
    run.workers, run.guard = CountCollector(run.internal_errors, run.totals), OfflineGuard()
    options = ServerOptions(
        engine=run.settings_of_workers(),
        display=display,
        client_filter=ClientFilter(clients, once(warn)),
        channel=channel_settings(journal, display, len(sockets)),
    )
    workers_run = WorkerRun(
        listeners=[[each, *(other for other in sockets if other is not each)] for each in sockets],
        addresses=[sockets[0].getsockname()[:2]],
        stop_listening=partial(close_all, sockets),
        outputs=outputs,
        internal_errors=run.internal_errors,
        counts=run.workers,
        warn=warn,
    )
    ended, _ = workers_run.run(answer_in_worker, options)
    counts = run.counts(run.guard)
    counts.add(ended)
    return counts


def answer_in_worker(part: Part, options: ServerOptions) -> WorkerReport:
    """Answer on the first of some sockets in a worker process, and return its last report."""
    open_closed_streams()
    screen = Screen()
    with library_warnings.logging_to_stderr(), warning_in_background():
        report = _answer(part, options, screen)
    screen.close()
    return report


def _answer(part: Part, options: ServerOptions, screen: Screen) -> WorkerReport:
    # The parent has warned about the recordings already. They may be at a URL, so that the guard comes after them.
    run, guard = EngineRun(options.engine, lambda _line: None), OfflineGuard()
    run.warn_of_changes(warn_on_stderr)
    guard.enable()
    client_filter, channel = options.client_filter, options.channel
    sender: CallSender

    def take(call: AnsweredCall) -> Awaitable[None] | None:
        reporter.handed_over = call.route if call.answer else None
        try:
            return sender.store(call.captured(), call.size)
        finally:
            reporter.handed_over = None

    def begin(arrival: Arrival, key: str, sid: str | None) -> None:
        sender.begin(BegunCall(arrival.number, key, sid))

    capture = None
    if channel.is_captured:
        capture = CallCapture(take, None if channel.is_recorded else lambda sid: sender.leaves_out(sid))
        capture.source = part.source("serve")
        if channel.is_followed:
            capture.on_hold = begin
    reporter = run.reporter(
        part.process, guard, lambda: {"refused_clients": client_filter.refused, "lost": sender.lost}
    )

    @asynccontextmanager
    async def connect() -> AsyncIterator[None]:
        nonlocal sender
        async with connected(part, channel, reporter, run.internal_errors) as sender:
            yield

    def on_ready() -> None:
        begin_collection()
        release_signals()

    server = Server(
        run.engine,
        listening=part.listeners[0],
        others=part.listeners[1:],
        client_filter=client_filter,
        observers=[run.elsewhere.observe, *observers_of(options.display, screen, explain=options.engine.explain)],
        capture=capture,
        internal_errors=run.internal_errors,
    )
    server.run(on_ready, connect())
    return reporter.report_all()
