"""Proxies in several processes on one port: what `record` and `replay` share of them."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence

import msgspec

from tapehead.cli.collection import begin_collection
from tapehead.cli.run_outputs import AnyOutputs
from tapehead.cli.worker_counts import CountCollector
from tapehead.cli.worker_run import ChannelSettings, WorkerPart, WorkerRun
from tapehead.internal_errors import InternalErrors
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.proxy.shared_listeners import SharedListener, listen_for_workers, listener_warnings, make_authority
from tapehead.server.listening import close_all
from tapehead.server.workers import release_signals

ProxyPart = WorkerPart[list[SharedListener]]


class ProxyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the processes.

    Attributes:
        proxy: the proxy's settings.
        channel: what they send to their parent.
        endpoints: hosts that count as the endpoint besides the vendor's own.
        prefix: a path before the endpoint's own at the upstream.
        is_quiet: whether nothing is printed about requests that are no calls.
        redact_keys: keys with identifying values, besides the built-in ones.
    """

    proxy: ProxySettings
    channel: ChannelSettings
    endpoints: tuple[str, ...]
    prefix: str
    is_quiet: bool
    redact_keys: tuple[str, ...]


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


def proxy_run(
    listeners: Sequence[list[SharedListener]],
    outputs: AnyOutputs,
    internal_errors: InternalErrors,
    counts: CountCollector,
    warn: Callable[[str], None],
) -> WorkerRun[list[SharedListener]]:
    """Return the run of a proxy for each of some listeners; the arguments are those of `WorkerRun`."""

    def stop_listening() -> None:
        for each in listeners:
            for listener in each:
                close_all(listener.own)

    return WorkerRun(
        listeners=listeners,
        addresses=[each.getsockname()[:2] for listener in listeners[0] for each in listener.own],
        stop_listening=stop_listening,
        outputs=outputs,
        internal_errors=internal_errors,
        counts=counts,
        warn=warn,
    )


def begin(_addresses: object, _notes: object) -> None:
    """Say in a worker that its proxy is ready; Ctrl-C reaches it, too, but its parent is the one that stops it."""
    begin_collection()
    # Once the task that handles signals has begun.
    asyncio.get_running_loop().call_soon(release_signals, {signal.SIGTERM})
