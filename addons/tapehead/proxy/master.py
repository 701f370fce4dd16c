"""A lean mitmproxy: its core, its server, its protocol detection, its certificates, our addons, and few others.

mitmdump's forty addons cost over half of each request; `mitmproxy_addons` says which are loaded, and when.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mitmproxy import exceptions, http, master, options
from mitmproxy.addons import core, next_layer, proxyserver, tlsconfig
from mitmproxy.proxy import mode_specs

from tapehead.errors import StartupError
from tapehead.internal_errors import InternalErrors
from tapehead.proxy.access_addons import access_addons, warnings_of
from tapehead.proxy.client_admission import ClientAdmission, limited_clients
from tapehead.proxy.error_boundary import contained
from tapehead.proxy.hook_dispatch import LeanMaster
from tapehead.proxy.idle_connections import IdleConnections
from tapehead.proxy.inline_hooks import InlineHooks
from tapehead.proxy.mitmproxy_addons import certificate_page, device_hosts, needed_addons
from tapehead.proxy.plain_http2 import PlainHttp2
from tapehead.proxy.plain_options import PlainOptions
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.proxy.shared_listeners import SharedListener, shared_listening
from tapehead.proxy.unchecked_messages import unchecked_messages
from tapehead.proxy.upstream_proxy_addon import UpstreamProxyAddon
from tapehead.proxy.whole_requests import WholeRequests

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
# As many names can be looked up at a time.
LOOKUP_THREADS = 16

Address = tuple[str, int]
# Called with the addresses that are listened on, and lines for the user.
OnReady = Callable[[Sequence[Address], Sequence[str]], None]


async def run_proxy(
    settings: ProxySettings,
    addons: Sequence[object],
    on_ready: OnReady,
    drain: Callable[[float], Awaitable[None]],
    internal_errors: InternalErrors,
    listeners: Sequence[SharedListener] = (),
) -> None:
    """Run until SIGINT or SIGTERM, and then until the calls in hand are finished, or a second signal.

    With `listeners`, it is one of several processes: their parent has said what they expose, and a second signal may
    be one to all processes of a group, so that it ends nothing.

    Args:
        settings: the proxy's settings.
        addons: our addons, in the order in which they see a flow.
        on_ready: called once the proxy listens.
        drain: awaited once the proxy no longer listens, with the seconds that the calls in hand may still take.
        internal_errors: records failures of the access control.
        listeners: the sockets to listen on, of each mode; none to open them.

    Raises:
        StartupError: an option is wrong, an address is in use, or it would be an open proxy.
    """
    start_lookup_threads()
    closer = ConnectionCloser(internal_errors)
    proxy = LeanMaster(PlainOptions())
    server = proxyserver.Proxyserver()
    base = core.Core(), server, next_layer.NextLayer(), (tls := _Certificates())
    whole = WholeRequests(server, internal_errors)
    protocols = PlainHttp2(internal_errors), whole
    before = (*protocols, *access_addons(settings, internal_errors), *certificate_page(settings))
    upstream = settings.upstream_proxy
    behind = (*needed_addons(settings), *([UpstreamProxyAddon(upstream, internal_errors)] if upstream else []))
    idle = IdleConnections(server, whole.layer_of, internal_errors)
    proxy.addons.add(*base, *before, *addons, *behind, closer, idle, InlineHooks(server, proxy.addons, internal_errors))
    configure(proxy.options, settings)
    tls.prepare()
    warnings = [] if listeners else warnings_of(proxy.options, settings)
    proxy.addons.add(_Start(server, proxy, on_ready, warnings))
    stopping = asyncio.create_task(_stop_on_signal(proxy, drain, closer, ends_on_second=not listeners))
    admission = ClientAdmission(server, idle.make_room)
    with unchecked_messages(), shared_listening(listeners, admission), limited_clients(admission):
        await proxy.run()
    stopping.cancel()
    for instance in server.servers:
        if error := instance.last_exception:
            raise startup_error(instance.mode, settings, error)


def startup_error(mode: mode_specs.ProxyMode, settings: ProxySettings, error: Exception) -> StartupError:
    """Return the error of a mode that did not start, in one line."""
    if mode.default_port is not None:
        return StartupError.of_listening(settings.host, settings.port, error)
    # mitmproxy's native part adds the causes and its stack, in lines of their own.
    message, _, causes = str(error).partition("Stack backtrace:")[0].partition("Caused by:")
    reason = ": ".join(part.strip().rstrip(".") for part in (message, *causes.splitlines()) if part.strip())
    remedy = "it needs administrator rights, for which it uses sudo" if mode.type_name == "local" else "it needs root"
    return StartupError(f"mode '{mode.full_spec}' cannot start: {reason}; {remedy}")


class _Certificates(tlsconfig.TlsConfig):
    """mitmproxy's addon for TLS, whose certificates are there before the first connection.

    mitmproxy's own loads them once it listens, so that connections which waited for that would fail: those of a socket
    that several processes share.
    """

    def running(self) -> None:
        """Leave the certificates as they are."""

    def prepare(self) -> None:
        """Load the certificates, or make the authority.

        Raises:
            StartupError: an option is wrong.
        """
        try:
            self.configure({"confdir"})  # type: ignore[no-untyped-call]
        except exceptions.OptionsError as error:
            raise StartupError(explain(str(error))) from error


class _Start:
    """An addon that announces the listening proxy and its warnings, or ends it if it cannot listen."""

    def __init__(
        self, server: proxyserver.Proxyserver, proxy: master.Master, on_ready: OnReady, warnings: Sequence[str]
    ) -> None:
        self._warnings = warnings
        self._server = server
        self._proxy = proxy
        self._on_ready = on_ready

    def running(self) -> None:
        servers = self._server.servers
        if any(instance.last_exception for instance in servers):
            self._proxy.should_exit.set()
            return
        for line in self._warnings:
            logger.warning(line)
        # WireGuard has a client configuration to show; some modes have no address.
        notes = [note for instance in servers if hasattr(instance, "client_conf") and (note := instance.client_conf())]
        addresses = [address[:2] for address in self._server.listen_addrs()]
        if not addresses:
            notes += [f"listening in mode {instance.mode.full_spec}" for instance in servers]
        self._on_ready(addresses, notes)


class ConnectionCloser:
    """An addon that, once the proxy stops, closes HTTP/1 connections with their next answer (RFC 9112, section 9.6).

    A player that sends call after call would otherwise be cut in the middle of one. It comes after the addons that
    record answers.

    Args:
        internal_errors: records failures of the hooks.

    Attributes:
        is_stopping: whether the proxy stops.
    """

    def __init__(self, internal_errors: InternalErrors) -> None:
        self.internal_errors = internal_errors
        self.is_stopping = False

    @contained
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Close a connection whose answer is streamed."""
        if flow.response and flow.response.stream:
            self.response(flow)

    @contained
    def response(self, flow: http.HTTPFlow) -> None:
        """Close a connection after its answer."""
        if self.is_stopping and flow.response and flow.response.status_code >= 200 and flow.request.is_http11:
            flow.response.headers["Connection"] = "close"


def start_lookup_threads() -> None:
    """Start the threads in which the event loop looks up names, before there may be none to be had.

    Raises:
        RuntimeError: the system does not let all of them start.
    """
    threads, started = ThreadPoolExecutor(LOOKUP_THREADS, "tapehead-lookup"), threading.Barrier(LOOKUP_THREADS)
    try:
        for _ in range(LOOKUP_THREADS):
            threads.submit(started.wait)
    except RuntimeError:
        started.abort()  # the process waits for them at its end
        raise
    asyncio.get_running_loop().set_default_executor(threads)


def configure(opts: options.Options, settings: ProxySettings) -> None:
    """Set mitmproxy's options.

    Raises:
        StartupError: an option is wrong.
    """
    # In reverse mode, connecting only when a request comes gives the player of a dead upstream a 502 and not a closed
    # connection. The other modes connect at once: a tunnel's server may be the first to speak.
    lazy = settings.offline or settings.is_reverse()
    wanted: dict[str, Any] = {
        "mode": list(settings.modes),
        "listen_host": settings.host,
        "listen_port": settings.port,
        "allow_hosts": [*settings.tls_hosts, *device_hosts(settings)] if settings.tls_hosts else [],
        "connection_strategy": "lazy" if lazy else "eager",
        "upstream_cert": not settings.offline,
        "keep_host_header": settings.keep_host,
    }
    try:
        opts.update(**wanted)
        opts.set(*settings.extra)
    except (exceptions.OptionsError, ValueError, KeyError) as error:
        raise StartupError(explain(str(error).strip("'"))) from error


def explain(problem: str) -> str:
    """Return what is wrong with an option, in mitmproxy's words, with what to do."""
    if problem.startswith("Invalid proxy mode"):
        return f"{problem}; --mode takes the modes of mitmproxy, such as regular, socks5 or wireguard"
    if problem.startswith("Unknown option"):
        return f"{problem}; mitmdump --options lists mitmproxy's options"
    return problem


async def _stop_on_signal(
    proxy: master.Master,
    drain: Callable[[float], Awaitable[None]],
    closer: ConnectionCloser,
    *,
    ends_on_second: bool,
) -> None:
    signalled = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if signalled.is_set() and ends_on_second:
            proxy.should_exit.set()
        signalled.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await signalled.wait()
    closer.is_stopping = True
    proxy.options.update(server=False)
    await drain(DRAIN_SECONDS)
    proxy.should_exit.set()
