"""Tracking calls that came by and were not recorded: to other hosts, in other protocols, in closed tunnels."""

from collections import Counter
from urllib.parse import urlsplit

from tapehead.protocol.messages import Request
from tapehead.protocol.near_calls import near_path_hint
from tapehead.protocol.other_protocols import OtherProtocol, protocol_of_host, protocol_of_request
from tapehead.protocol.routes import Call, Route, find_call
from tapehead.text import count_of, escape_controls

# Hosts that are remembered, and that are named.
MOST_HOSTS = 100
MOST_NAMED = 5
ENDPOINT_HINT = "pass --endpoint HOST for those that are the endpoint"


class CallsElsewhere:
    """Counts, by host, of the tracking calls that are not recorded.

    Attributes:
        calls: the number of calls that are recorded or answered, without preflights.
        starts: the number of those that open sessions.
        requests: the number of other requests that came by.
        page_requests: the number of requests for the certificate page, which may precede calls.
        connections: the number of connections over which all of them came.
    """

    def __init__(self) -> None:
        self.calls = self.starts = self.requests = self.page_requests = self.connections = 0
        self._similar: Counter[str] = Counter()
        self._tunnels: Counter[str] = Counter()
        self._near: Counter[str] = Counter()
        self._untrusted: dict[str, str] = {}
        self._others: dict[OtherProtocol, Counter[str]] = {protocol: Counter() for protocol in OtherProtocol}

    def add(self, method: str, target: str, host: str, port: int, *, is_endpoint: bool = False) -> None:
        """Count a request to another host, or one to the endpoint that is no call; and what it resembles."""
        self.requests += 1
        if not is_endpoint and find_call(method, target):
            _count(self._similar, name_of_host(host, port))
        elif protocol := protocol_of_request(host, target):
            _count(self._others[protocol], name_of_host(host, port))
        elif is_endpoint and (hint := near_path_hint(method, target)):
            _count(self._near, hint)

    def add_tunnel(self, host: str, port: int) -> None:
        """Count a tunnel that was not opened."""
        _count(self._tunnels, name_of_host(host, port))

    def observe(self, request: Request, _answer: object, _now: float) -> None:
        """Count a request to a server, which is the endpoint: a call, or another one."""
        if route := request.collection_call:
            self.count_call(route)
        else:
            parts = urlsplit(request.url)
            target = request.url.partition("://")[2].removeprefix(parts.netloc)
            self.add(request.method, target, parts.hostname or "", 80, is_endpoint=True)

    def count_call(self, route: Route) -> None:
        """Count a call, unless it is a browser's question whether it may call: no call may follow."""
        self.calls += route.call is not Call.PREFLIGHT
        self.starts += route.call is Call.SESSION

    def add_untrusted(self, host: str, line: str) -> bool:
        """Note a host whose certificate a player refused, with a line about it; return whether it is the first time."""
        if host in self._untrusted or len(self._untrusted) >= MOST_NAMED:
            return False
        self._untrusted[host] = line
        return True

    def add_all(self, other: "CallsElsewhere") -> None:
        """Add the counts of other requests."""
        self.calls += other.calls
        self.starts += other.starts
        self.requests += other.requests
        self.page_requests += other.page_requests
        self.connections += other.connections
        self._similar += other._similar
        self._tunnels += other._tunnels
        self._near += other._near
        for protocol, counter in other._others.items():
            self._others[protocol] += counter
        for host, line in other._untrusted.items():
            self.add_untrusted(host, line)

    def similar_hosts(self, verb: str = "") -> str:
        """Return the hosts that got requests like calls, and what to do about them; empty if there are none."""
        names = ", ".join(_names(self._similar))
        return f"{names}{verb}; {_endpoint_hint(self._similar)}" if names else ""

    def near_lines(self) -> list[str]:
        """Return a line for each of the most frequent mistakes in requests to the endpoint."""
        return [
            f"{count_of(count, 'other request')} to the endpoint: {hint}"
            for hint, count in self._near.most_common(MOST_NAMED)
        ]

    def other_protocol_lines(self) -> list[str]:
        """Return a line for each other protocol in which calls came by."""
        return [
            f"{protocol.value} were seen ({', '.join(_names(counter))}), which tapehead does not read: "
            "the player has to send Media Collection calls"
            for protocol, counter in self._others.items()
            if counter
        ]

    @property
    def has_any(self) -> bool:
        """True if a request or a tunnel came by; a connection alone may be somebody who looks at what listens."""
        return bool(self.requests or self._tunnels)

    def lines_on_more(self) -> list[str]:
        """Return lines on the calls that came by a proxy beside those that it recorded or answered."""
        similar = self.similar_hosts(" are left out")
        lines = [f"calls to {similar}"] if similar else []
        return [*self._untrusted.values(), *lines, *self.near_lines(), *self.other_protocol_lines()]

    def lines_on_nothing(self, setting: str, when: str = "") -> list[str]:
        """Return lines on what came by where no call came.

        Args:
            setting: what to set in the player, as an imperative.
            when: since when or until when, with a space before it.
        """
        return [
            f"no Media Collection call came{when}, {self._arrivals()}; {setting}",
            *self.lines_on_more(),
            *self._tunnel_lines(),
        ]

    def _arrivals(self) -> str:
        counts = [
            (self.page_requests, "certificate request"),
            (self.requests, "other request"),
            (self._tunnels.total(), "TLS connection"),
        ]
        if came := [count_of(count, noun) for count, noun in counts if count]:
            return f"only {' and '.join(came)}"
        return (
            f"only {count_of(self.connections, 'connection')} without a request"
            if self.connections
            else "nor anything else"
        )

    def _tunnel_lines(self) -> list[str]:
        if not self._tunnels:
            return []
        hints = {protocol.value: name for name in self._tunnels if (protocol := protocol_of_host(name))}
        hint = "".join(f"; {name} is the host of {protocol}" for protocol, name in hints.items())
        count, names = count_of(self._tunnels.total(), "TLS connection"), ", ".join(_names(self._tunnels))
        return [f"{count} to {names} not intercepted{hint}; {_endpoint_hint(self._tunnels)}"]


def name_of_host(host: str, port: int) -> str:
    """Return a host in messages, with its port where that is not the usual one."""
    if port in (80, 443):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _endpoint_hint(hosts: Counter[str]) -> str:
    """Return how to name the endpoint, if it is one of some hosts."""
    return (
        f"pass --endpoint {escape_controls(next(iter(hosts)))} if that is the endpoint"
        if len(hosts) == 1
        else ENDPOINT_HINT
    )


def _count(counter: Counter[str], name: str) -> None:
    if name in counter or len(counter) < MOST_HOSTS:
        counter[name] += 1


def _names(counter: Counter[str]) -> list[str]:
    named = [f"{escape_controls(host)} ({count})" for host, count in counter.most_common(MOST_NAMED)]
    more = len(counter) - len(named)
    return [*named, f"{more} more"] if more else named
