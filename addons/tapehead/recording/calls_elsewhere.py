"""Tracking calls that came by and were not recorded: to other hosts, in other protocols, in closed tunnels."""

from collections import Counter

from tapehead.protocol.near_calls import near_path_hint
from tapehead.protocol.other_protocols import OtherProtocol, protocol_of_host, protocol_of_request
from tapehead.protocol.routes import find_call
from tapehead.text import count_of, escape_controls

# Hosts that are remembered, and that are named.
MOST_HOSTS = 100
MOST_NAMED = 5
ENDPOINT_HINT = "pass --endpoint HOST for those that are the endpoint"


class CallsElsewhere:
    """Counts, by host, of the tracking calls that are not recorded.

    Attributes:
        requests: the number of requests that came by.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._similar: Counter[str] = Counter()
        self._tunnels: Counter[str] = Counter()
        self._near: Counter[str] = Counter()
        self._others: dict[OtherProtocol, Counter[str]] = {protocol: Counter() for protocol in OtherProtocol}

    def add(self, method: str, target: str, host: str, port: int) -> None:
        """Count a request to another host, and what it is if it resembles a call."""
        self.requests += 1
        if find_call(method, target):
            _count(self._similar, name_of_host(host, port))
        elif protocol := protocol_of_request(host, target):
            _count(self._others[protocol], name_of_host(host, port))

    def add_to_endpoint(self, method: str, target: str) -> None:
        """Count a request to the endpoint that is no call, and which call it was meant to be."""
        self.requests += 1
        if hint := near_path_hint(method, target):
            _count(self._near, hint)

    def add_tunnel(self, host: str, port: int) -> None:
        """Count a tunnel that was not opened."""
        _count(self._tunnels, name_of_host(host, port))

    def add_all(self, other: "CallsElsewhere") -> None:
        """Add the counts of other requests."""
        self.requests += other.requests
        self._similar += other._similar
        self._tunnels += other._tunnels
        self._near += other._near
        for protocol, counter in other._others.items():
            self._others[protocol] += counter

    @property
    def similar_hosts(self) -> list[str]:
        """Hosts that got requests like calls, the most frequent first, each with the number of requests."""
        return _names(self._similar)

    def near_lines(self) -> list[str]:
        """Return a line for each of the most frequent mistakes in requests to the endpoint."""
        return [
            f"{count_of(count, 'request')} to the endpoint left out: {hint}"
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
        """True if anything came by."""
        return bool(self.requests or self._tunnels)

    def lines_on_more(self) -> list[str]:
        """Return lines on the calls that came by a proxy beside those that it recorded."""
        similar = ", ".join(self.similar_hosts)
        lines = [f"calls to {similar} were not recorded; {ENDPOINT_HINT}"] if similar else []
        return [*lines, *self.other_protocol_lines()]

    def lines_on_nothing(self) -> list[str]:
        """Return lines on what came by a proxy that recorded nothing."""
        lines = self.lines_on_more()
        if self._tunnels:
            hints = {protocol.value: name for name in self._tunnels if (protocol := protocol_of_host(name))}
            hint = "".join(f"; {name} is the host of {protocol}" for protocol, name in hints.items())
            count = count_of(self._tunnels.total(), "TLS connection")
            names = ", ".join(_names(self._tunnels))
            lines.append(f"{count} passed through without interception, to {names}{hint}; {ENDPOINT_HINT}")
        if not lines and self.requests:
            lines.append(f"{count_of(self.requests, 'request')} arrived, but no Media Collection call")
        return lines or ["no request arrived; check that the player sends its calls to this proxy"]


def name_of_host(host: str, port: int) -> str:
    """Return a host in messages, with its port where that is not the usual one."""
    return host if port in (80, 443) else f"{host}:{port}"


def _count(counter: Counter[str], name: str) -> None:
    if name in counter or len(counter) < MOST_HOSTS:
        counter[name] += 1


def _names(counter: Counter[str]) -> list[str]:
    named = [f"{escape_controls(host)} ({count})" for host, count in counter.most_common(MOST_NAMED)]
    more = len(counter) - len(named)
    return [*named, f"{more} more"] if more else named
