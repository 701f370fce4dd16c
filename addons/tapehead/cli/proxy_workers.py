"""Proxies in several processes on one port: what `record` and `replay` share of them, in the parent and in a worker.

The workers are proxies and nothing else. The parent records and audits their calls, which come over a channel, so that
there is one recording, one journal and one summary, and a session may come to several workers.
"""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Concatenate, NamedTuple

import msgspec

from tapehead.cli.collection import begin_collection
from tapehead.cli.terminal import Screen
from tapehead.internal_errors import InternalErrors
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.proxy.shared_listeners import SharedListener, listen_for_workers, listener_warnings, make_authority
from tapehead.recording.call_channel import CallReceiver, CallSender
from tapehead.recording.capture import source_of_run
from tapehead.server.listening import close_all
from tapehead.server.workers import WorkerResults, release_signals, run_workers
from tapehead.text import count_of

if TYPE_CHECKING:
    from tapehead.journal.journal_run import JournalRun

Address = tuple[str, int]


class WorkerPart(NamedTuple):
    """The part of a run that a process gets.

    Attributes:
        number: the number of its worker, from 1 on.
        listeners: where it listens.
        channel: its end of the channel to the parent.
    """

    number: int
    listeners: Sequence[SharedListener]
    channel: socket.socket

    @property
    def addresses(self) -> list[Address]:
        """The addresses that all workers listen on."""
        return addresses_of(self.listeners)


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the processes.

    Attributes:
        proxy: the proxy's settings.
        endpoints: hosts that count as the endpoint besides the vendor's own.
        prefix: a path before the endpoint's own at the upstream.
        is_captured: whether the parent takes the calls.
        is_recorded: whether it stores them, so that answers wait for it.
        is_followed: whether readers wait for the end of calls that are in flight.
        is_quiet: whether nothing is printed about requests that are no calls.
        redact_keys: keys with identifying values, besides the built-in ones.
        backlog: the number of bytes that may wait in a worker until the parent takes them.
    """

    proxy: ProxySettings
    endpoints: tuple[str, ...]
    prefix: str
    is_captured: bool
    is_recorded: bool
    is_followed: bool = False
    is_quiet: bool
    redact_keys: tuple[str, ...]
    backlog: int


def addresses_of(listeners: Sequence[SharedListener]) -> list[Address]:
    """Return the addresses of listeners."""
    return [each.getsockname()[:2] for listener in listeners for each in listener.own]


@contextlib.contextmanager
def shared_listeners(
    proxy: ProxySettings, workers: int, warn: Callable[[str], None]
) -> Iterator[list[list[SharedListener]]]:
    """Yield the listeners of each worker, and warn of what they expose.

    Raises:
        StartupError: a mode is wrong, an address is in use, or it would be an open proxy.
        UsageError: a mode has no TCP port.
    """
    with listen_for_workers(proxy, workers) as listeners:
        for line in listener_warnings(proxy):
            warn(line)
        make_authority(proxy)
        yield listeners


def run_proxies[**P, T](
    listeners: Sequence[Sequence[SharedListener]],
    kept: "JournalRun | None",
    screen: Screen,
    internal_errors: InternalErrors,
    on_ready: Callable[[list[Address]], None],
    warn: Callable[[str], None],
    target: Callable[Concatenate[WorkerPart, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> WorkerResults[T]:
    """Run proxies until a signal, with their calls in the journal; return what `target` returned in each.

    A worker that dies is followed by another one. It costs the calls that were in flight in it, which counts as an
    internal error.

    Args:
        listeners: those of each worker.
        kept: the journal; None where nothing reads the calls.
        screen: where lines are shown.
        internal_errors: counts what fails.
        on_ready: called with the addresses once all workers are ready.
        warn: prints a line on stderr.
        target: runs in each worker.
        args: further arguments of it.
        kwargs: keyword arguments of it.

    Raises:
        StartupError: a worker cannot start.
    """
    with CallReceiver(kept.store if kept else (lambda _call, _size: None), screen.show, internal_errors) as receiver:
        if kept:
            kept.journal.follow(receiver)

        @contextlib.contextmanager
        def prepare(number: int) -> Iterator[WorkerPart]:
            with receiver.open() as channel:
                yield WorkerPart(number + 1, listeners[number], channel)

        def announce() -> None:
            on_ready(addresses_of(listeners[0]))
            begin_collection()
            if kept:
                kept.thread.load_soon()

        def stop_listening() -> None:
            for each in listeners:
                for listener in each:
                    close_all(listener.own)

        make: Callable[[int], AbstractContextManager[WorkerPart]] = prepare
        outcome = run_workers(len(listeners), make, announce, stop_listening, warn, target, *args, **kwargs)
    if outcome.lost:
        warn(
            f"{count_of(outcome.lost, 'worker')} died: calls that were in flight there, and their part of the counts, "
            f"are missing, which counts as {count_of(outcome.lost, 'internal error')}"
        )
        internal_errors.count += outcome.lost
    return outcome


async def connect(part: WorkerPart, options: WorkerOptions, warn: Callable[[str], None]) -> CallSender:
    """Return the channel of a worker to its parent, with which it ends: nobody would record what it answers."""
    _, sender = await asyncio.get_running_loop().create_connection(
        lambda: CallSender(options.backlog, warn, lambda: os._exit(1), waits=options.is_recorded), sock=part.channel
    )
    return sender


def source_of(part: WorkerPart, tool: str) -> str:
    """Return the name of one process of a run, whose calls have numbers of their own."""
    return source_of_run(tool, part.addresses, time.time(), part.number)


def begin(_addresses: object, _notes: object) -> None:
    """Say in a worker that its proxy is ready; Ctrl-C reaches it, too, but its parent is the one that stops it."""
    begin_collection()
    # Once the task that handles signals has begun.
    asyncio.get_running_loop().call_soon(release_signals, {signal.SIGTERM})
