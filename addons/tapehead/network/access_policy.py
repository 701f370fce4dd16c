"""Access control for listeners: exposure check and client filter.

Nothing here listens or resolves a name: the adapters pass in the addresses of hosts and clients.
"""

import ipaddress
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from tapehead.errors import StartupError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Modes whose clients choose the destination: beyond this machine an open proxy. A DNS server is one, too: its clients
# choose what it asks the network.
CHOOSING = frozenset({"regular", "upstream", "socks5", "dns"})
# Modes that can ask for a login.
LOGIN = frozenset({"regular", "upstream", "socks5", "reverse"})
# Modes without an address to listen on: the system hands them the traffic of this machine's own programs, or what its
# routes send them.
NOT_LISTENING = frozenset({"local", "tun"})
# A mode that answers no client without its key.
KEYED = "wireguard"
# None of these: transparent. The firewall that redirects traffic there chooses the destination; a direct connection has
# none, and is refused.

# A login that accepts every client.
ANY_LOGIN = "any"

# The effect of a listener without limits, by mode.
_EFFECTS = {
    "reverse": "can call the endpoint through it",
    "serve": "is answered",
}


class AccessPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on who may use a listener.

    Attributes:
        clients: the networks from which clients may connect; none for all.
        login: the login that clients need: `USER:PASS`, `@FILE` of htpasswd, or `any`; None for no login.
        open: whether a proxy may be open to everyone.
    """

    clients: tuple[Network, ...] = ()
    login: str | None = None
    open: bool = False

    def __repr__(self) -> str:
        return "AccessPolicy(...)"  # keeps the login out of messages

    def limits_clients(self) -> bool:
        """Return whether any address is excluded."""
        v4 = ipaddress.collapse_addresses(net for net in self.clients if isinstance(net, ipaddress.IPv4Network))
        v6 = ipaddress.collapse_addresses(net for net in self.clients if isinstance(net, ipaddress.IPv6Network))
        is_everything = any(net.prefixlen == 0 for net in v4) or any(net.prefixlen == 0 for net in v6)
        return bool(self.clients) and not is_everything

    def limits_logins(self) -> bool:
        """Return whether any login is refused."""
        return self.login not in (None, ANY_LOGIN)


class Listener(NamedTuple):
    """A mode that listens: the host as given (empty for every address), and the addresses that it stands for."""

    mode: str
    host: str
    addresses: tuple[str, ...]

    def is_exposed(self) -> bool:
        """Return whether other machines reach it."""
        if self.mode in NOT_LISTENING:
            return False
        return not (self.addresses and all(parse_address(address).is_loopback for address in self.addresses))


def parse_address(text: str) -> Address:
    """Parse an address without its zone; an IPv4 address mapped into IPv6 becomes IPv4.

    Raises:
        ValueError: it is not an address.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.version == 6 and address.ipv4_mapped) or address


def parse_network(text: str) -> Network:
    """Parse a network or a single address; an IPv4 network mapped into IPv6 becomes IPv4.

    Raises:
        ValueError: it is not a network, or its address has bits beyond its prefix.
    """
    network = ipaddress.ip_network(text)
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    return ipaddress.ip_network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network


def check_exposure(listener: Listener, policy: AccessPolicy, *, offline: bool = False) -> str | None:
    """Return a warning about the exposure of a listener, in one line; None where only this machine reaches it.

    Args:
        listener: the listener.
        policy: the limits on who may use it.
        offline: whether nothing is passed on, so that clients cannot get anywhere through it.

    Raises:
        StartupError: it would be an open proxy, or cannot ask for the login that the policy has.
    """
    if policy.login is not None and listener.mode not in LOGIN:
        raise StartupError(f"mode {listener.mode} cannot ask for a login; use --allow-client instead of --proxyauth")
    if not listener.is_exposed():
        return None
    mode, where = listener.mode, listener.host or "every address"
    limits = []
    if mode == KEYED:
        limits = ["only clients with its key are served"]
    elif policy.limits_clients():
        limits = ["only clients in the networks of --allow-client are served"]
    if mode != KEYED and policy.limits_logins():
        limits.append("a login is required, which travels unencrypted")
    if not limits and mode in CHOOSING and not offline:
        if not policy.open:
            login = " or --proxyauth USER:PASS" if mode in LOGIN else ""
            ways = f"pass --allow-client CIDR{login} to limit who may use it, or --open to accept that"
            raise StartupError(
                f"mode {mode} on {where} is an open proxy, which anyone who reaches it can misuse; {ways}"
            )
        limits = ["an open proxy, as accepted with --open: anyone who reaches it can go anywhere through it"]
    if not limits:
        effect = _EFFECTS.get("serve" if offline else mode, "can send traffic through it")
        limits = [f"anyone who reaches it {effect}; --allow-client CIDR limits who may"]
    return f"listening on {where}, beyond this machine: {'; '.join(limits)}"


class ClientFilter:
    """A filter that admits clients from some networks; a client without a valid address is refused.

    Args:
        clients: the networks; none to admit every client.
        warn: called with one line about the first client that is refused.

    Attributes:
        refused: the number of connections that were refused.
    """

    def __init__(self, clients: Sequence[Network], warn: Callable[[str], None]) -> None:
        self.refused = 0
        self._clients = clients
        self._warn = warn

    def admits(self, address: str | None) -> bool:
        """Return whether a client at `address` may connect; a refusal is counted."""
        try:
            client = parse_address(address or "") if self._clients else None
            admitted = client is None or any(client in network for network in self._clients)
        except Exception:  # noqa: BLE001 - whatever went wrong, it admits no client
            admitted = False
        if not admitted:
            self.refused += 1
            if self.refused == 1:
                source = address or "an unknown address"
                self._warn(
                    f"refused a connection from {source}, which --allow-client does not name; others are counted"
                )
        return admitted


def refused_line(count: int) -> str | None:
    """Return the number of refused connections, in words; None where the warning about the first one covers it."""
    return f"refused {count} connections that --allow-client does not name" if count > 1 else None
