"""Who may come in: what a listening proxy exposes, what limits that, and whose connections are taken.

Nothing here listens or looks a name up: the adapters say which addresses a host stands for, and who has come.
"""

import ipaddress
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from tapehead.errors import StartupError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Modes whose clients say where to go: beyond this machine an open proxy. A DNS server is one, too: its clients say what
# it asks of the network.
CHOOSING = frozenset({"regular", "upstream", "socks5", "dns"})
# Modes that ask for a login; in the others, nobody has a place to say it.
LOGIN = frozenset({"regular", "upstream", "socks5", "reverse"})
# Modes without an address to listen on: the system hands them the traffic of this machine's own programs, or what its
# routes send them.
NOT_LISTENING = frozenset({"local", "tun"})
# A mode that answers nobody without its key.
KEYED = "wireguard"
# Neither of these: transparent. Where it goes is up to the firewall that sends traffic there; who connects outright has
# no destination, and is refused.

# A login that everybody passes.
ANY_LOGIN = "any"

_DEEDS = {
    "reverse": "can call the endpoint through it",
    "serve": "is answered",
}


class AccessPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps strangers out.

    Attributes:
        clients: the networks from which clients may come; none for all.
        login: what clients log in with: `USER:PASS`, `@FILE` of htpasswd, or `any`; None for no login.
        open: whether a proxy may be open to anybody.
    """

    clients: tuple[Network, ...] = ()
    login: str | None = None
    open: bool = False

    def __repr__(self) -> str:
        return "AccessPolicy(...)"  # the login shows up in no message

    def limits_clients(self) -> bool:
        """Whether there are addresses whose clients may not come."""
        old = [each for each in self.clients if isinstance(each, ipaddress.IPv4Network)]
        new = [each for each in self.clients if isinstance(each, ipaddress.IPv6Network)]
        return bool(self.clients) and not (_are_all(old) or _are_all(new))

    def limits_logins(self) -> bool:
        """Whether there are logins that are none."""
        return self.login not in (None, ANY_LOGIN)


class Listener(NamedTuple):
    """A mode that listens: the host as it was said (empty for every address), and the addresses that it stands for."""

    mode: str
    host: str
    addresses: tuple[str, ...]

    def is_exposed(self) -> bool:
        """Whether others than this machine reach it."""
        if self.mode in NOT_LISTENING:
            return False
        return not (self.addresses and all(parse_address(each).is_loopback for each in self.addresses))


def parse_address(text: str) -> Address:
    """An address without its zone; one of IPv4 that is spelt in IPv6 as what it is.

    Raises:
        ValueError: it is none.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.version == 6 and address.ipv4_mapped) or address


def parse_network(text: str) -> Network:
    """A network, or a single address; one of IPv4 that is spelt in IPv6 as what it is.

    Raises:
        ValueError: it is none, or its address has bits beyond its prefix.
    """
    network = ipaddress.ip_network(text)
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    return ipaddress.ip_network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network


def _are_all[N: (ipaddress.IPv4Network, ipaddress.IPv6Network)](networks: Sequence[N]) -> bool:
    """Whether networks together are every address there is, in one piece or in several."""
    return any(each.prefixlen == 0 for each in ipaddress.collapse_addresses(networks))


def check_exposure(listener: Listener, policy: AccessPolicy, *, offline: bool = False) -> str | None:
    """What the user has to know of a listener, in one line; None where nobody but this machine reaches it.

    Args:
        listener: what is to listen.
        policy: what keeps strangers out.
        offline: whether nothing is passed on, so that wherever clients want to go, they do not get there.

    Raises:
        StartupError: it would be an open proxy, or cannot ask for the login that is wanted.
    """
    if policy.login is not None and listener.mode not in LOGIN:
        raise StartupError(f"in mode {listener.mode} nobody can log in; leave --proxyauth out, and say --allow-client")
    if not listener.is_exposed():
        return None
    where = listener.host or "every address"
    limit = _limit(listener.mode, policy)
    if limit is None and listener.mode in CHOOSING and not offline:
        if not policy.open:
            raise StartupError(_refusal(listener.mode, where))
        limit = "an open proxy, as --open accepts: anybody who reaches it can go anywhere through it"
    return f"listening on {where}, beyond this machine: {limit or _freedom(listener.mode, offline=offline)}"


def _limit(mode: str, policy: AccessPolicy) -> str | None:
    """Who may come in, where that is not everybody."""
    if mode == KEYED:
        return "only clients with its key get in"
    named = "only clients that --allow-client names get in" if policy.limits_clients() else None
    login = "only who logs in is served, and the login travels unencrypted" if policy.limits_logins() else None
    return "; ".join(filter(None, (named, login))) or None


def _refusal(mode: str, where: str) -> str:
    login = " or --proxyauth USER:PASS" if mode in LOGIN else ""
    ways = f"say --allow-client CIDR{login} to limit who may use it, or --open to accept that"
    return f"mode {mode} on {where} is an open proxy, which anybody who reaches it can misuse; {ways}"


def _freedom(mode: str, *, offline: bool) -> str:
    """What anybody can do, where nothing limits it."""
    deed = _DEEDS.get("serve" if offline else mode, "can send traffic through it")
    return f"anybody who reaches it {deed}; --allow-client CIDR limits who may"


class ClientFilter:
    """Lets in who comes from one of the networks; who cannot be judged stays out.

    Args:
        clients: the networks; none to let everybody in.
        tell: called with a line about the first who is refused.

    Attributes:
        refused: how many were.
    """

    def __init__(self, clients: Sequence[Network], tell: Callable[[str], None]) -> None:
        self.refused = 0
        self._clients = clients
        self._tell = tell

    def admits(self, address: str | None) -> bool:
        """Whether who comes from `address` may come in."""
        try:
            admitted = not self._clients or self._knows(parse_address(address or ""))
        except Exception:  # noqa: BLE001 - whatever keeps us from judging, it opens nothing
            admitted = False
        if not admitted:
            self._refuse(address or "an unknown address")
        return admitted

    def _knows(self, address: Address) -> bool:
        return any(address in network for network in self._clients)

    def _refuse(self, address: str) -> None:
        self.refused += 1
        if self.refused == 1:
            self._tell(f"refused a connection from {address}, which --allow-client does not name; others are counted")


def refused_line(count: int) -> str | None:
    """How many connections were refused; None where the line about the first has said it all."""
    return f"refused {count} connections that --allow-client does not name" if count > 1 else None
