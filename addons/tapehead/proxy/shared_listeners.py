"""Sockets on which the proxies of several processes listen together, and what has to be there once for all of them."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mitmproxy import options
from mitmproxy.proxy import mode_specs

from tapehead.errors import StartupError, UsageError
from tapehead.proxy.access_addons import addresses_of, warnings_of
from tapehead.proxy.client_admission import ClientAdmission, Instance, OwnListen, listening
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.server.listening import BACKLOG, MOST_TAKEN, listen_together

# The time after which a process looks for connections that another one leaves waiting.
TAKE_SECONDS = 0.1
_AUTHORITY = "mitmproxy"


class SharedListener(NamedTuple):
    """The sockets of one mode in one process.

    Attributes:
        mode: mitmproxy's mode specification.
        own: those that this process listens on.
        others: those of the other processes, from which connections that wait are taken now and then.
    """

    mode: str
    own: tuple[socket.socket, ...]
    others: tuple[socket.socket, ...]


@contextlib.contextmanager
def listen_for_workers(settings: ProxySettings, count: int) -> Iterator[list[list[SharedListener]]]:
    """Yield the listeners of each of some processes, on the addresses that the modes have.

    They stay open in this process, too, so that connections wait for the process that follows a dead one, or for the
    others; each process gets an even part of new connections.

    Raises:
        StartupError: a mode is wrong, or an address is in use.
        UsageError: a mode has no TCP port.
    """
    of_workers: list[list[SharedListener]] = [[] for _ in range(count)]
    listening = _address_of(settings)
    with contextlib.ExitStack() as stack:
        for mode in _modes_of(settings):
            host, port = mode.listen_host(listening.host), mode.listen_port(listening.port) or 0
            sockets: list[list[socket.socket]] = []
            for address in addresses_of(host, port):
                sockets.append(stack.enter_context(listen_together(address, port, count)))
                port = sockets[0][0].getsockname()[1]
            for each in {each for together in sockets for each in together}:
                # Connections inherit it; asyncio sets it only where it has opened the socket that listens.
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number, listeners in enumerate(of_workers):
                own = [each[number] for each in sockets]
                others = [other for each in sockets for other in each if other not in own]
                listeners.append(SharedListener(mode.full_spec, tuple(own), tuple(others)))
        yield of_workers


class _Address(NamedTuple):
    host: str
    port: int


def _address_of(settings: ProxySettings) -> _Address:
    """Return the address of modes that name none; an empty host stands for all.

    Raises:
        StartupError: mitmproxy's option for the port is no number.
    """
    host, port = settings.option("listen_host"), settings.option("listen_port")
    try:
        return _Address(settings.host if host is None else host, int(port) if port else settings.port)
    except ValueError as error:
        raise StartupError(f"invalid --set listen_port='{port}': expected a number") from error


def _modes_of(settings: ProxySettings) -> list[mode_specs.ProxyMode]:
    modes = []
    for spec in settings.effective_modes():
        try:
            mode = mode_specs.ProxyMode.parse(spec)
        except ValueError as error:
            raise StartupError(f"invalid --mode '{spec}': {error}") from error
        is_https = isinstance(mode, mode_specs.ReverseMode) and mode.scheme == "https"  # HTTP/3 is an extra there
        if mode.transport_protocol != mode_specs.TCP and not is_https:
            raise UsageError(
                f"--mode {spec} and --workers exclude each other: workers share TCP ports, and it has others"
            )
        modes.append(mode)
    return modes


def listener_warnings(settings: ProxySettings) -> list[str]:
    """Return warnings about what is going to listen, as `access_addons.warnings_of`."""
    opts, listening = options.Options(), _address_of(settings)
    opts.update(mode=list(settings.effective_modes()), listen_host=listening.host, listen_port=listening.port)
    return warnings_of(opts, settings)


def make_authority(settings: ProxySettings) -> None:
    """Make the certificate authority if there is none: each process would make one of its own, and players trust one.

    What goes wrong is left to the proxy, which meets it again and says so.
    """
    opts = options.Options()
    folder = Path(settings.option("confdir") or opts.confdir).expanduser()
    if (folder / f"{_AUTHORITY}-ca.pem").exists():
        return
    from mitmproxy import certs  # which takes long to load

    passphrase = settings.option("cert_passphrase")
    key_size = settings.option("key_size") or str(opts.key_size)
    with contextlib.suppress(OSError, ValueError):
        certs.CertStore.from_store(folder, _AUTHORITY, int(key_size), passphrase.encode() if passphrase else None)


class _WaitingConnections:
    """Connections that wait on sockets of other processes, since these are busy or dead; taken a few at a time.

    Args:
        instance: mitmproxy's server, which gets them.
        others: the sockets.
        admission: the limit on clients.

    Attributes:
        sockets: those that this server listens on, of which it has none.
    """

    sockets = ()

    def __init__(self, instance: Instance, others: Sequence[socket.socket], admission: ClientAdmission) -> None:
        self._instance = instance
        self._admission = admission
        self._others = others
        for other in others:
            other.setblocking(False)
        self._task = asyncio.create_task(self._take())

    def close(self) -> None:
        """Take no more."""
        self._task.cancel()
        for other in self._others:
            other.close()

    async def _take(self) -> None:
        while True:
            await asyncio.sleep(TAKE_SECONDS)
            for other in self._others:
                with contextlib.suppress(OSError):  # no more wait
                    self._admission.accept(self._instance, other, MOST_TAKEN)


@contextlib.contextmanager
def shared_listening(listeners: Sequence[SharedListener], admission: ClientAdmission) -> Iterator[None]:
    """Have mitmproxy listen on sockets that are there, instead of opening its own; nothing happens without any."""
    if not listeners:
        yield
        return
    by_mode = {each.mode: each for each in listeners}

    async def listen(instance: Instance, _own: OwnListen) -> list[Any]:
        shared = by_mode[instance.mode.full_spec]
        start = partial(asyncio.start_server, instance.handle_stream, backlog=BACKLOG)
        own = [await start(sock=each) for each in shared.own]
        return [*own, _WaitingConnections(instance, shared.others, admission)]

    with listening(listen):
        yield
