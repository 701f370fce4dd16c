"""The gate in mitmproxy: what its final options expose, and the addons that keep strangers out.

Nothing here lets anybody in because it failed: who is not known to be welcome is refused.
"""

import logging
import socket
from collections.abc import Iterator

from mitmproxy import connection, options
from mitmproxy.proxy import mode_specs

from tapehead.errors import StartupError
from tapehead.internal_errors import InternalErrors
from tapehead.network.access_policy import ClientFilter, Listener, check_exposure, refused_line
from tapehead.proxy.error_boundary import contained
from tapehead.proxy.hosts import Hosts, TlsPassthrough
from tapehead.proxy.proxy_settings import ProxySettings

logger = logging.getLogger(__name__)

REFUSED = "refused: --allow-client does not name this client"
_HTTP = frozenset({"http", "https", "http3"})


class ClientFilterAddon:
    """Closes connections of clients that may not come in, before anything that they sent is looked at.

    Args:
        client_filter: who may.
        failures: what failed of it.
    """

    def __init__(self, client_filter: ClientFilter, failures: InternalErrors) -> None:
        self.failures = failures
        self._client_filter = client_filter

    @contained
    def client_connected(self, client: connection.Client) -> None:
        """Refuse a client unless it is welcome; this machine's own programs are, in whose name mitmproxy speaks."""
        client.error = REFUSED
        if isinstance(client.proxy_mode, mode_specs.LocalMode) or self._client_filter.admits(client.peername[0]):
            client.error = None

    @contained
    def done(self) -> None:
        """Say how many were refused."""
        if line := refused_line(self._client_filter.refused):
            logger.warning(line)


def access_addons(settings: ProxySettings, failures: InternalErrors) -> Iterator[object]:
    """The addons that stand before all others of ours, in their order."""
    access = settings.access
    if access.clients:
        yield ClientFilterAddon(ClientFilter(access.clients, logger.warning), failures)
    if access.login is not None:
        from tapehead.proxy.login import Login  # it brings LDAP along

        yield Login(access.login)
    yield TlsPassthrough(Hosts(settings.endpoints), failures)


def warnings_of(opts: options.Options, settings: ProxySettings) -> list[str]:
    """What the user has to know of what is going to listen, a line each.

    It is read from mitmproxy's own options, as each `--mode` and `--set` has left them.

    Raises:
        StartupError: it would be an open proxy, or a host is none.
    """
    modes = (mode_specs.ProxyMode.parse(mode) for mode in opts.mode)
    lines = (check_exposure(_listener(mode, opts), settings.access, offline=settings.offline) for mode in modes)
    return list(dict.fromkeys(filter(None, lines)))


def _listener(mode: mode_specs.ProxyMode, opts: options.Options) -> Listener:
    host, port = mode.listen_host(opts.listen_host), mode.listen_port(opts.listen_port) or 0
    return Listener(_kind_of(mode), host, addresses_of(host, port))


def _kind_of(mode: mode_specs.ProxyMode) -> str:
    """What the gate calls a mode: what stands in front of no HTTP server asks for no login."""
    if isinstance(mode, mode_specs.ReverseMode) and mode.scheme not in _HTTP:
        return f"{mode.type_name}:{mode.scheme}"
    return mode.type_name


def addresses_of(host: str, port: int) -> tuple[str, ...]:
    """The addresses that listening on `host` listens on, looked up as it will be; empty is every address.

    Raises:
        StartupError: it has none.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise StartupError.of_listening(host, port, error) from error
    return tuple(str(address[0]) for *_, address in found)
