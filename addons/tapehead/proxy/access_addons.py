"""Access control in mitmproxy: the exposure check of its final options, and the addons that refuse clients.

Everything here fails closed: a client that cannot be checked is refused.
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
    """An addon that closes connections of refused clients before anything they sent is read.

    Args:
        client_filter: says which clients are accepted.
        internal_errors: records failures of the hooks.
    """

    def __init__(self, client_filter: ClientFilter, internal_errors: InternalErrors) -> None:
        self.internal_errors = internal_errors
        self._client_filter = client_filter

    @contained
    def client_connected(self, client: connection.Client) -> None:
        """Refuse a client that the filter does not accept; in local mode all clients are programs of this machine."""
        client.error = REFUSED
        if isinstance(client.proxy_mode, mode_specs.LocalMode) or self._client_filter.admits(client.peername[0]):
            client.error = None

    @contained
    def done(self) -> None:
        """Log how many were refused."""
        if line := refused_line(self._client_filter.refused):
            logger.warning(line)


def access_addons(settings: ProxySettings, internal_errors: InternalErrors) -> Iterator[object]:
    """Yield the addons that run before all others of ours, in their order."""
    access = settings.access
    if access.clients:
        yield ClientFilterAddon(ClientFilter(access.clients, logger.warning), internal_errors)
    if access.login is not None:
        from tapehead.proxy.login import Login  # it brings LDAP along

        yield Login(access.login)
    yield TlsPassthrough(Hosts(settings.endpoints), internal_errors)


def warnings_of(opts: options.Options, settings: ProxySettings) -> list[str]:
    """Return warnings about what is going to listen, a line each.

    They follow from mitmproxy's own options, as each `--mode` and `--set` has left them.

    Raises:
        StartupError: it would be an open proxy, or a host has no address.
    """
    lines: dict[str, None] = {}
    for mode in map(mode_specs.ProxyMode.parse, opts.mode):
        host, port = mode.listen_host(opts.listen_host), mode.listen_port(opts.listen_port) or 0
        # A reverse proxy for anything but HTTP cannot ask for a login.
        name = mode.type_name
        if isinstance(mode, mode_specs.ReverseMode) and mode.scheme not in _HTTP:
            name = f"{name}:{mode.scheme}"
        listener = Listener(name, host, addresses_of(host, port))
        if line := check_exposure(listener, settings.access, offline=settings.offline):
            lines[line] = None
    return list(lines)


def addresses_of(host: str, port: int) -> tuple[str, ...]:
    """Return the addresses that a listener on `host` has, looked up as mitmproxy will; an empty host has all.

    Raises:
        StartupError: the host has none.
    """
    try:
        infos = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise StartupError.of_listening(host, port, error) from error
    return tuple(str(address[0]) for *_, address in infos)
