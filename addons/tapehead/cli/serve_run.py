"""The command `serve`: an engine behind a plain HTTP server, in one process or several."""

import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tapehead.answers import Observer
from tapehead.cli.collection import begin_collection
from tapehead.cli.display import DisplaySettings, observers_of
from tapehead.cli.engine_outputs import engine_outputs
from tapehead.cli.missing_calls import MissingCalls
from tapehead.cli.offline_run import EngineRun, EngineSettings, RunCounts, conclude
from tapehead.cli.run_journal import NO_JOURNAL, JournalOptions
from tapehead.cli.run_outputs import RunOutputs
from tapehead.cli.terminal import Screen
from tapehead.network.access_policy import AccessPolicy, ClientFilter, Listener, Network, check_exposure, refused_line
from tapehead.network.offline_guard import OfflineGuard
from tapehead.recording.capture import source_of_run
from tapehead.server.listening import listen_together
from tapehead.server.uvicorn_server import Server

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
    journal.check([*run.recordings, *filter(None, [settings.summary])])
    missing = MissingCalls(["reverse"], run.elsewhere)
    with (
        listen_together(host, port, workers, "--listen") as sockets,
        engine_outputs("serve", run, journal, display, screen, warn, has_workers=workers > 1) as outputs,
    ):
        addresses = [sockets[0].getsockname()[:2]]
        if line := check_exposure(Listener("serve", host, (addresses[0][0],)), AccessPolicy(clients=tuple(clients))):
            warn(line)
        missing.locate(addresses)
        if workers == 1:
            observers = observers_of(display, screen, explain=settings.explain)
            on_ready = partial(begin, missing, addresses, outputs)
            counts = answer_calls(run, sockets[0], ClientFilter(clients, warn), observers, on_ready, outputs.kept)
        else:
            from tapehead.cli.serve_workers import answer_in_workers

            counts = answer_in_workers(run, sockets, outputs, clients, warn, display, journal)
    if run.workers:  # not before the page has ended, whose summary adds them up itself
        run.elsewhere.add_all(run.workers.total().elsewhere)
    if line := refused_line(counts.refused_clients):
        warn(line)
    return conclude(run, counts, outputs.kept, screen, journal.fail_on, warn, missing.lines)


def begin(
    missing: MissingCalls, addresses: Sequence[tuple[str, int]], outputs: "RunOutputs[JournalRun | None]"
) -> None:
    """Say that calls can come, and wait for them."""
    missing.wait(outputs.screen.show)
    outputs.announce(addresses)
    begin_collection()
    if outputs.kept:
        outputs.kept.thread.load_soon()


def answer_calls(
    run: EngineRun,
    listening: socket.socket,
    client_filter: ClientFilter,
    observers: Sequence[Observer],
    on_ready: Callable[[], None],
    kept: "JournalRun | None" = None,
) -> RunCounts:
    """Answer on a socket until SIGINT or SIGTERM, with nothing leaving the machine, and return the counts."""
    run.guard = OfflineGuard()
    run.guard.enable()
    if kept:
        kept.capture.source = source_of_run("serve", [listening.getsockname()[:2]], time.time())
    server = Server(
        run.engine,
        listening=listening,
        client_filter=client_filter,
        observers=[run.elsewhere.observe, *observers],
        capture=kept.capture if kept else None,
        internal_errors=run.internal_errors,
    )
    server.run(on_ready)
    return run.counts(run.guard, client_filter.refused)
