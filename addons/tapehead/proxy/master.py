"""A lean mitmproxy: its core, its server, its protocol detection, its certificates, and our addons; nothing else.

mitmdump's forty tool addons cost over half of each request, and none of them has a part in what tapehead does.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mitmproxy import exceptions, master, options
from mitmproxy.addons import core, next_layer, proxyserver, tlsconfig

from tapehead.errors import StartupError
from tapehead.internal_errors import InternalErrors
from tapehead.proxy.access_addons import access_addons, warnings_of
from tapehead.proxy.proxy_settings import ProxySettings

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0

Address = tuple[str, int]
# Called with the addresses listened on, and lines that the user has to see.
Ready = Callable[[Sequence[Address], Sequence[str]], None]


async def run_proxy(
    settings: ProxySettings,
    addons: Sequence[object],
    ready: Ready,
    drain: Callable[[float], Awaitable[None]],
    failures: InternalErrors,
) -> None:
    """Run until SIGINT or SIGTERM; a second signal does not wait for the calls in hand.

    Args:
        settings: how.
        addons: ours, in the order in which they see a flow.
        ready: called once the proxy listens.
        drain: awaited after the listening has ended, with the seconds that the calls in hand may still take.
        failures: what fails of the addons that guard the way in.

    Raises:
        StartupError: an option is wrong, an address is in use, or it would be an open proxy.
    """
    guards = list(access_addons(settings, failures))
    proxy = master.Master(options.Options())
    server = proxyserver.Proxyserver()
    proxy.addons.add(core.Core(), server, next_layer.NextLayer(), tlsconfig.TlsConfig(), *guards, *addons)
    _configure(proxy.options, settings)
    proxy.addons.add(_Start(server, proxy, ready, warnings_of(proxy.options, settings)))
    stopped = asyncio.create_task(_stop_gently(proxy, drain))
    await proxy.run()
    stopped.cancel()
    _raise_start_failure(server, settings)


class _Start:
    """Tells when the proxy listens, and what that exposes; ends it when it cannot."""

    def __init__(
        self, server: proxyserver.Proxyserver, proxy: master.Master, ready: Ready, warnings: Sequence[str]
    ) -> None:
        self._warnings = warnings
        self._server = server
        self._proxy = proxy
        self._ready = ready

    def running(self) -> None:
        if any(instance.last_exception for instance in self._server.servers):
            self._proxy.should_exit.set()
        else:
            for line in self._warnings:
                logger.warning(line)
            self._ready([address[:2] for address in self._server.listen_addrs()], self._notes())

    def _notes(self) -> list[str]:
        """What the user has to know besides addresses: WireGuard's client configuration, or that there is none."""
        configurations = (
            instance.client_conf() for instance in self._server.servers if hasattr(instance, "client_conf")
        )
        modes = (f"listening in mode {instance.mode.full_spec}" for instance in self._server.servers)
        return [*filter(None, configurations), *(() if self._server.listen_addrs() else modes)]


def _configure(opts: options.Options, settings: ProxySettings) -> None:
    # In reverse mode, connecting only when a request comes gives the player of a dead upstream a 502 and not a closed
    # connection. The other modes connect at once: a tunnel's server may be the first to speak.
    lazy = settings.offline or settings.is_reverse()
    wanted: dict[str, Any] = {
        "mode": list(settings.modes),
        "listen_host": settings.host,
        "listen_port": settings.port,
        "allow_hosts": list(settings.tls_hosts),
        "connection_strategy": "lazy" if lazy else "eager",
        "upstream_cert": not settings.offline,
    }
    try:
        opts.update(**wanted)
        opts.set(*settings.extra)
    except (exceptions.OptionsError, ValueError, KeyError) as error:
        raise StartupError(str(error).strip("'")) from error


async def _stop_gently(proxy: master.Master, drain: Callable[[float], Awaitable[None]]) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: proxy.should_exit.set() if asked.is_set() else asked.set())
    await asked.wait()
    proxy.options.update(server=False)
    await drain(DRAIN_SECONDS)
    proxy.should_exit.set()


def _raise_start_failure(server: proxyserver.Proxyserver, settings: ProxySettings) -> None:
    failures = [instance.last_exception for instance in server.servers if instance.last_exception]
    if failures:
        raise StartupError.of_listening(settings.host, settings.port, failures[0])
