"""Clients with other addresses: the whole of 127.0.0.0/8 is loopback."""

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from support.processes import Command

PLAYER_ADDRESS, OTHER_ADDRESS = "127.0.0.2", "127.0.0.1"


@contextlib.contextmanager
def client_at(address: str) -> Iterator[httpx.Client]:
    """A client whose connections come from `address`."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address), timeout=10) as client:
        yield client


def post_through(client: httpx.Client, proxy: Command, url: str) -> httpx.Response | None:
    """Ask a regular proxy for `url`; None where it hangs up.

    httpx itself knows of no proxy that is to be reached from a given address.
    """
    extensions, headers = {"target": url.encode()}, {"Host": urlsplit(url).netloc}
    return _send(client, client.build_request("POST", _here(proxy), json={}, headers=headers, extensions=extensions))


def post_to(client: httpx.Client, server: Command, path: str, body: object) -> httpx.Response | None:
    """Ask a server; None where it hangs up."""
    return _send(client, client.build_request("POST", _here(server) + path, json=body))


def _send(client: httpx.Client, request: httpx.Request) -> httpx.Response | None:
    try:
        return client.send(request)
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
        return None


def _here(opened: Command) -> str:
    return f"http://127.0.0.1:{opened.port}"


def warnings_in(opened: Command) -> list[str]:
    """Return a command's warnings, but for those on workers stopped before they were up, and on a lack of calls."""
    said = [line.removeprefix("tapehead: ") for line in opened.lines if line.startswith("tapehead: ")]
    expected = "no Media Collection call came", "ended without a part"
    return [line for line in said if not any(part in line for part in expected)]
