"""Tunnels through a proxy, and whose certificate a player sees at their end."""

import contextlib
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import trustme

from support.certificates import proxy_options
from support.processes import READY, TIMEOUT_SECONDS, Command, start_program
from support.upstream_server import Upstream, upstream

NAMES = (
    "127.0.0.1",
    "localhost",
    "hb-api.omtrdc.net",
    "*.hb-api.omtrdc.net",
    "evilhb-api.omtrdc.net",
    "*.omtrdc.net",
    "hb-api.omtrdc.net.evil.example",
    "company.hb-api.omtrdc.net.evil.example",
    "company.hb-api.omtrdcxnet.example",
    "metrics.company.example",
    "www.metrics.company.example",
    "xmetrics.company.example",
    "metrics.company.example.evil.example",
    "www.bank.example",
)
# A command whose names under these domains are all this machine: the proxy's own way out stays the real one.
_AT_HOME = """
import socket, sys
from tapehead.cli.app import run

real = socket.getaddrinfo

def resolve(host, *rest, **more):
    at_home = isinstance(host, str) and host.lower().endswith((".example", ".net"))
    return real("127.0.0.1" if at_home else host, *rest, **more)

socket.getaddrinfo = resolve
sys.exit(run(sys.argv[1:]))
"""


class Origin(NamedTuple):
    """A server that has a certificate for every name, and its certificate."""

    server: Upstream
    certificate: bytes


@contextlib.contextmanager
def origin(authority: trustme.CA) -> Iterator[Origin]:
    """A server for all the names of this module."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued = authority.issue_cert(*NAMES)
    issued.configure_cert(context)
    with upstream(context) as server:
        yield Origin(server, ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode()))


@contextlib.contextmanager
def at_home(folder: Path, authority: trustme.CA, *command: object) -> Iterator[Command]:
    """A command of tapehead for which every name is this machine."""
    options = [*map(str, command), "--listen", "127.0.0.1:0", *proxy_options(folder, authority)]
    with start_program(sys.executable, "-c", _AT_HOME, *options, cwd=folder) as opened:
        opened.url = opened.wait_for(lambda line: line.startswith(READY)).removeprefix(READY)
        yield opened


def trust_both(folder: Path, authority: trustme.CA) -> ssl.SSLContext:
    """A player's trust in the origin and in the proxy."""
    context = ssl.create_default_context(cafile=str(folder / "confdir" / "mitmproxy-ca-cert.pem"))
    authority.configure_trust(context)
    return context


def connect(proxy: Command, host: str, port: int) -> socket.socket:
    """A tunnel by CONNECT.

    Raises:
        ConnectionRefusedError: the proxy does not open it.
    """
    line = socket.create_connection(proxy.address, TIMEOUT_SECONDS)
    line.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += line.recv(1)
    if not answer.startswith(b"HTTP/1.1 200 "):
        line.close()
        raise ConnectionRefusedError(answer)
    return line


def connect_by_socks(proxy: Command, host: str, port: int) -> socket.socket:
    """A tunnel by SOCKS5, which looks up the name."""
    line = socket.create_connection(proxy.address, TIMEOUT_SECONDS)
    line.sendall(b"\x05\x01\x00")
    assert line.recv(2) == b"\x05\x00"
    line.sendall(b"\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + port.to_bytes(2, "big"))
    assert line.recv(10)[:2] == b"\x05\x00"
    return line


def ask(line: socket.socket, sni: str | None, trust: ssl.SSLContext, path: str) -> tuple[bytes, bytes]:
    """Send a request through a tunnel in TLS whose certificate is verified; that certificate, and the answer's start.

    Without a name to say, or with an address, there is no SNI in the TLS.
    """
    trust.check_hostname = sni is not None
    with line, trust.wrap_socket(line, server_hostname=sni) as tunnel:
        certificate = tunnel.getpeercert(binary_form=True) or b""
        tunnel.sendall(f"POST {path} HTTP/1.1\r\nHost: {sni or 'x'}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        return certificate, tunnel.recv(12)
