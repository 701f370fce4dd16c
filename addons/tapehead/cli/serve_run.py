"""The command `serve`: an engine behind a plain HTTP server, in one process or several."""

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from tapehead.answers import Observer
from tapehead.cli import library_warnings
from tapehead.cli.collection import begin_collection
from tapehead.cli.display import DisplaySettings, ShowTable, live_table, observers_of
from tapehead.cli.messages import warning_in_background
from tapehead.cli.missing_calls import MissingCalls
from tapehead.cli.offline_run import EngineRun, EngineSettings, RunCounts, publish, report_so_far
from tapehead.cli.printer import open_closed_streams
from tapehead.cli.run_journal import NO_JOURNAL, JournalOptions, audit_summary, open_journal, show_summary
from tapehead.cli.terminal import Screen, announce
from tapehead.live.live_page import link_lines, live_page
from tapehead.network.access_policy import AccessPolicy, ClientFilter, Listener, Network, check_exposure, refused_line
from tapehead.network.offline_guard import OfflineGuard
from tapehead.recording.capture import source_of_run
from tapehead.server.listening import close_all, listen_together
from tapehead.server.uvicorn_server import Server
from tapehead.text import count_of

if TYPE_CHECKING:
    from tapehead.journal.journal_run import JournalRun


def serve(
    settings: EngineSettings,
    display: DisplaySettings,
    host: str,
    port: int,
    warn: Callable[[str], None],
    *,
    workers: int = 1,
    clients: Sequence[Network] = (),
    journal: JournalOptions = NO_JOURNAL,
) -> int:
    """Answer players until SIGINT or SIGTERM, print the summary, and return the exit code.

    Args:
        settings: the engine's settings.
        display: how answers are shown.
        host: the address to listen on.
        port: the port; 0 picks a free one.
        warn: prints a line on stderr.
        workers: how many processes answer.
        clients: the networks from which players may connect; none for all.
        journal: the journal of the calls.

    Raises:
        TapeheadError: a recording cannot be read or written, or nothing can listen on the address.
    """
    screen = Screen()
    run = EngineRun(settings, warn, screen.show, shows_progress=True)
    journal.check([*run.recordings, *([settings.summary] if settings.summary else [])])
    with (
        listen_together(host, port, workers, "--listen") as sockets,
        live_table(display, "tapehead serve", screen) as show_table,
        live_page(display.live, "serve", run.internal_errors) as page,
        open_journal(journal, warn, run.internal_errors, screen=screen, display=display, control=run.control) as kept,
    ):
        if page and kept:
            page.serve(kept.journal, run.control, summarise=partial(report_so_far, run, kept, journal))
        addresses = [sockets[0].getsockname()[:2]]
        if line := check_exposure(Listener("serve", host, (addresses[0][0],)), AccessPolicy(clients=tuple(clients))):
            warn(line)
        missing = MissingCalls(["reverse"], run.elsewhere)
        missing.locate(addresses)
        on_ready = partial(announce, screen.show, addresses)
        if workers == 1:
            on_ready = partial(begin, missing, screen, addresses, link_lines(page), show_table, kept)
            observers = observers_of(display, screen, explain=settings.explain)
            counts = answer_calls(run, sockets[0], ClientFilter(clients, warn), observers, on_ready, kept)
        else:
            counts = answer_in_workers(run, workers, on_ready, warn, settings, display, sockets, clients)
    if line := refused_line(counts.refused_clients):
        warn(line)
    result, has_found = run.result(counts), show_summary(kept, screen.show, journal.fail_on)
    publish(result, screen, settings.summary, audit_summary(kept, journal.fail_on))
    for line in missing.lines():
        warn(line)
    return int(result.has_failed or has_found)


def begin(
    missing: MissingCalls,
    screen: Screen,
    addresses: Sequence[tuple[str, int]],
    notes: Sequence[str],
    show_table: ShowTable,
    kept: "JournalRun | None",
) -> None:
    """Say that calls can come, and wait for them."""
    missing.wait(screen.show)
    announce(screen.show, addresses, notes)
    show_table(kept, addresses, notes[:1])
    begin_collection()
    if kept:
        kept.thread.load_soon()


def answer_calls(
    run: EngineRun,
    listening: socket.socket,
    client_filter: ClientFilter,
    observers: Sequence[Observer],
    on_ready: Callable[[], None],
    kept: "JournalRun | None" = None,
    others: Sequence[socket.socket] = (),
) -> RunCounts:
    """Answer on a socket until SIGINT or SIGTERM, with nothing leaving the machine, and return the counts."""
    run.guard = OfflineGuard()
    run.guard.enable()
    if kept:
        kept.capture.source = source_of_run("serve", [listening.getsockname()[:2]], time.time())
    server = Server(
        run.engine,
        listening=listening,
        others=others,
        client_filter=client_filter,
        observers=[run.elsewhere.observe, *observers],
        capture=kept.capture if kept else None,
        internal_errors=run.internal_errors,
    )
    server.run(on_ready)
    return run.counts(run.guard, client_filter.refused)


def answer_in_workers(
    run: EngineRun,
    workers: int,
    on_ready: Callable[[], None],
    warn: Callable[[str], None],
    settings: EngineSettings,
    display: DisplaySettings,
    sockets: Sequence[socket.socket],
    clients: Sequence[Network],
) -> RunCounts:
    """Answer on a socket for each of several processes until SIGINT or SIGTERM, and return the sum of their counts."""
    from tapehead.server.workers import once, run_workers

    same = settings.of_workers(run.recordings)
    client_filter = ClientFilter(clients, once(warn))
    own = [[each, *(other for other in sockets if other is not each)] for each in sockets]

    def prepare(number: int) -> nullcontext[list[socket.socket]]:
        return nullcontext(own[number])

    results, lost = run_workers(
        len(own), prepare, on_ready, partial(close_all, sockets), warn, work, same, display, client_filter
    )
    counts = run.counts(OfflineGuard())
    for part in results:
        counts.add(part)
    if lost:
        warn(f"{count_of(lost, 'worker')} ended without a part of the summary, which counts as an internal error")
        counts.internal_errors += lost
    return counts


def work(
    sockets: Sequence[socket.socket], settings: EngineSettings, display: DisplaySettings, client_filter: ClientFilter
) -> RunCounts:
    """Answer on the first of some sockets in a worker process, and return its counts."""
    from tapehead.server.workers import release_signals

    open_closed_streams()
    screen = Screen()
    with library_warnings.logging_to_stderr(), warning_in_background():
        run = EngineRun(settings, lambda _line: None)  # the parent has warned about the recordings already
        observers = observers_of(display, screen, explain=settings.explain)
        counts = answer_calls(run, sockets[0], client_filter, observers, release_signals, others=sockets[1:])
    screen.close()
    return counts
