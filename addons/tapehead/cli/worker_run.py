"""Runs in several processes: what `record`, `replay` and `serve` share of them, in the parent and in a worker.

The workers answer or pass on, and nothing else. The parent records and audits their calls, which come over a channel,
so that there is one recording, one journal and one summary, and a session may come to several workers. Where nothing
reads the calls, counts alone come over it, once a second.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple

import msgspec

from tapehead.cli.collection import begin_collection
from tapehead.cli.display import DisplaySettings
from tapehead.cli.messages import warn as warn_on_stderr
from tapehead.cli.run_journal import JournalOptions
from tapehead.cli.run_outputs import AnyOutputs
from tapehead.cli.worker_counts import REPORT_SECONDS, CountCollector, CountReporter, WorkerCounts, WorkerReport
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.routes import Call, Route
from tapehead.recording.call_channel import BegunCall, CallSender
from tapehead.recording.call_receiver import CallReceiver
from tapehead.recording.capture import source_of_run
from tapehead.server.workers import run_workers
from tapehead.text import count_of

if TYPE_CHECKING:
    from tapehead.proxy.addons import RecorderAddon

Address = tuple[str, int]


class WorkerPart[L](NamedTuple):
    """The part of a run that a process gets.

    Attributes:
        number: the number of its worker, from 1 on.
        process: the number of the process within the run.
        listeners: where it listens.
        addresses: the addresses that all workers listen on.
        channel: its end of the channel to the parent.
    """

    number: int
    process: int
    listeners: L
    addresses: Sequence[Address]
    channel: socket.socket

    def source(self, tool: str) -> str:
        """Return the name of this process in a recording: its calls have numbers of their own."""
        return source_of_run(tool, self.addresses, time.time(), self.number)


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of what workers send to their parent.

    Attributes:
        is_captured: whether the parent takes the calls.
        is_recorded: whether it stores them, so that answers wait for it.
        is_followed: whether readers wait for the end of calls that are in flight.
        backlog: the number of bytes that may wait in a worker until the parent takes them.
    """

    is_captured: bool
    is_recorded: bool
    is_followed: bool
    backlog: int


def channel_settings(journal: JournalOptions, display: DisplaySettings, workers: int) -> ChannelSettings:
    """Return what some workers send to their parent, which has that journal."""
    return ChannelSettings(
        is_captured=journal.is_needed,
        is_recorded=journal.store is not None,
        is_followed=display.live is not None,
        backlog=journal.backlog // workers,
    )


class WorkerRun[L](msgspec.Struct, frozen=True, kw_only=True):
    """A run in several processes, in their parent.

    Attributes:
        listeners: where each of the workers listens.
        addresses: the addresses that all of them listen on.
        stop_listening: closes the parent's sockets, with which connections would wait.
        outputs: the outputs of the run.
        internal_errors: counts what fails, that of workers included.
        counts: adds up the counts of the workers.
        warn: prints a line on stderr.
    """

    listeners: Sequence[L]
    addresses: Sequence[Address]
    stop_listening: Callable[[], None]
    outputs: AnyOutputs
    internal_errors: InternalErrors
    counts: CountCollector
    warn: Callable[[str], None]

    def run[**P](
        self,
        target: Callable[Concatenate[WorkerPart[L], P], WorkerReport],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> "WorkersEnd":
        """Run workers until a signal, with their calls in the journal; return their counts.

        A worker that dies is followed by another one. It costs the calls that were in flight in it, which counts as an
        internal error.

        Args:
            target: runs in each process, and returns its last report.
            args: further arguments of it.
            kwargs: keyword arguments of it.

        Raises:
            StartupError: a worker cannot start.
        """
        kept, collector = self.outputs.kept, self.counts
        store = kept.store if kept else (lambda _call, _size: None)
        leave_out = kept.leave_out if kept else (lambda _sid, _calls: None)
        take: Callable[[Any], None] = collector.take
        with CallReceiver(store, self.outputs.screen.show, self.internal_errors, take, leave_out) as receiver:
            if kept:
                kept.journal.follow(receiver)

            @contextlib.contextmanager
            def prepare(number: int) -> Iterator[WorkerPart[L]]:
                with receiver.open() as channel:
                    process, listeners = collector.next_process(), self.listeners[number]
                    yield WorkerPart(number + 1, process, listeners, self.addresses, channel)

            def announce() -> None:
                self.outputs.announce(self.addresses)
                begin_collection()
                if kept:
                    kept.thread.load_soon()

            def stop() -> None:
                self.stop_listening()
                receiver.is_ending = True

            count = len(self.listeners)
            ended = run_workers(count, prepare, announce, stop, self.warn, target, *args, **kwargs)
        for report in ended.results:
            collector.take(report)
        counts = collector.total()
        if kept:
            kept.note_lost(counts.lost)
        if ended.lost:
            self.warn(_describe_deaths(ended.lost, is_captured=kept is not None))
            self.internal_errors.count += ended.lost
        return WorkersEnd(counts, ended.lost)


class WorkersEnd(NamedTuple):
    """The end of a run in several processes: the counts of all, and the number of processes that died."""

    counts: WorkerCounts
    dead: int


def _describe_deaths(count: int, *, is_captured: bool) -> str:
    missing = "other requests of their last second" if is_captured else "what they counted in their last second"
    if count == 1:
        missing = missing.replace("their", "its").replace("they", "it")
    return (
        f"{count_of(count, 'worker')} died: calls that were in flight there are missing, and {missing}, "
        f"which counts as {count_of(count, 'internal error')}"
    )


@contextlib.asynccontextmanager
async def connected(
    part: WorkerPart[Any], settings: ChannelSettings, reporter: CountReporter, internal_errors: InternalErrors
) -> AsyncIterator[CallSender]:
    """Yield the channel of a worker to its parent, over which counts go as well.

    The worker ends with its parent: nobody would record what it answers.
    """

    def make() -> CallSender:
        return CallSender(
            settings.backlog,
            warn_on_stderr,
            lambda: os._exit(1),
            # What was answered before a reader asks is there: in a recording, and for those of the page.
            waits=settings.is_recorded or settings.is_followed,
            is_recorded=settings.is_recorded,
            take_counts=reporter.report_call,
        )

    _, sender = await asyncio.get_running_loop().create_connection(make, sock=part.channel)
    reporting = asyncio.create_task(_report(sender, reporter, internal_errors))
    try:
        yield sender
    finally:
        reporting.cancel()
        await sender.close()


async def _report(sender: CallSender, reporter: CountReporter, internal_errors: InternalErrors) -> None:
    """Send counts that have changed, now and then; what fails costs that one report alone."""
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        try:
            if sender.has_room and (report := reporter.report_changes()):
                sender.send_counts(report)
        except Exception as error:  # noqa: BLE001
            internal_errors.record("reporting counts", error)


def follow_calls(record: "RecorderAddon", sender: CallSender, settings: ChannelSettings) -> None:
    """Have a worker's proxy say which calls are in flight, if readers wait for their end."""

    def begin(route: Route, number: int, key: str) -> None:
        if route.call is not Call.PREFLIGHT:  # a browser's question whether it may call is no call
            sender.begin(BegunCall(number, key, route.sid))

    if settings.is_followed:
        record.on_begin = begin
