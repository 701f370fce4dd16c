"""Notices that no call comes: what did come, and the setting of a player that makes its calls come by a listener."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from tapehead.recording.calls_elsewhere import CallsElsewhere
from tapehead.text import escape_controls, http_url

# The time without a call after which the terminal says so.
SILENCE_SECONDS = 60

_WILDCARDS = {"0.0.0.0": socket.AF_INET, "": socket.AF_INET, "::": socket.AF_INET6}  # noqa: S104
# Documentation addresses (RFC 5737, RFC 3849), through which the system says by which of its own it would go.
_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}

_SETTINGS = {
    "reverse": "set the player's endpoint to {url}",
    "regular": "set the player's HTTP proxy to {address}",
    "upstream": "set the player's HTTP proxy to {address}",
    "socks5": "set the player's SOCKS proxy to {address}",
    "transparent": "have the device's traffic redirected to {address}",
    "wireguard": "connect the device with the WireGuard configuration that was printed at the start",
    "local": "start the player on this machine, or name its program in --mode local:APP",
}


class MissingCalls:
    """The lines that say that no call came, once after a while and at the end.

    Args:
        modes: mitmproxy's mode specifications.
        elsewhere: counts what comes.

    Attributes:
        elsewhere: as given.
        setting: what to set in a player, as an imperative; empty for an address.
    """

    setting = ""

    def __init__(self, modes: Sequence[str], elsewhere: CallsElsewhere) -> None:
        self._modes = modes
        self.elsewhere = elsewhere
        self._setting = ""

    def start(self, addresses: Sequence[tuple[str, int]], show: Callable[[str], None]) -> None:
        """Take the addresses, and begin to wait."""
        self.locate(addresses)
        self.wait(show)

    def locate(self, addresses: Sequence[tuple[str, int]]) -> None:
        """Take the addresses on which it listens; this comes before nothing may connect any longer."""
        self._setting = self.setting or player_setting(self._modes, addresses)

    def wait(self, show: Callable[[str], None]) -> None:
        """Begin to wait for a call, on the event loop; `show` shows a line if none comes for a while."""
        asyncio.get_running_loop().call_later(SILENCE_SECONDS, self._show_silence, show)

    def _show_silence(self, show: Callable[[str], None]) -> None:
        if not self.elsewhere.calls:
            for line in self.elsewhere.lines_on_nothing(self._setting, f" in {SILENCE_SECONDS} seconds"):
                show(escape_controls(line))

    def lines(self) -> list[str]:
        """Return lines on what came instead of calls, or beside them; none if it ended before it listened."""
        elsewhere = self.elsewhere
        if elsewhere.calls:
            return elsewhere.lines_on_more()
        return elsewhere.lines_on_nothing(self._setting) if self._setting else []


def player_setting(modes: Sequence[str], addresses: Sequence[tuple[str, int]]) -> str:
    """Return what to set in a player, as an imperative.

    Args:
        modes: mitmproxy's mode specifications.
        addresses: where it listens.
    """
    kinds = {mode.partition(":")[0].partition("@")[0].lower() for mode in modes}
    listening = dict.fromkeys(http_url(reachable(host), port) for host, port in addresses)
    urls = " or ".join(listening)
    if len(kinds) == 1 and (setting := _SETTINGS.get(kinds.pop())):
        return setting.format(url=urls, address=urls.replace("http://", ""))
    return f"have the player send its calls to {urls}" if urls else "have the player send its calls to this proxy"


def reachable(host: str) -> str:
    """Return an address at which players on other machines reach a listener, where it listens on all of them."""
    family = _WILDCARDS.get(host)
    if family is None:
        return host
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_ELSEWHERE[family], 9))  # which sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()
