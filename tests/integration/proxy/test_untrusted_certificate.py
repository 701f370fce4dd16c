"""A player that does not trust the proxy's certificate: its user is told which file to install, and where."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from support.certificates import proxy_options
from support.exchanges import session
from support.processes import Command, running
from support.resend import write
from support.tunnels import connect

ENDPOINT = "company.hb-api.omtrdc.net"


def refuse(line: socket.socket, name: str) -> None:
    """Begin TLS as a player that trusts other authorities."""
    with line, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(line, server_hostname=name)


def hang_up(line: socket.socket, name: str) -> None:
    """Begin TLS, and close the connection at the certificate without a word."""
    outgoing, incoming = ssl.MemoryBIO(), ssl.MemoryBIO()
    player = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with line:
        with contextlib.suppress(ssl.SSLWantReadError):
            player.do_handshake()
        line.sendall(outgoing.read())
        assert line.recv(4096)


def told(proxy: Command) -> list[str]:
    return [line for line in proxy.lines if "refused the certificate" in line]


@pytest.mark.parametrize("act", [refuse, hang_up])
def test_the_authority_is_named_once_and_again_at_the_end(tmp_path: Path, authority: trustme.CA, act: object) -> None:
    options = ("--mode", "regular", "--out", tmp_path / "a.jsonl", *proxy_options(tmp_path, authority))
    with running("record", *options, "--set", "connection_strategy=lazy") as proxy:
        for _ in range(3):
            assert callable(act)
            act(connect(proxy, ENDPOINT, 443), ENDPOINT)
        proxy.wait_for(lambda line: "refused the certificate" in line)
        proxy.stop()

    assert len(told(proxy)) == 2  # at once, and at the end
    file = tmp_path / "confdir" / "mitmproxy-ca-cert.pem"
    assert all(ENDPOINT in line and f"'{file}'" in line and "http://mitm.it" in line for line in told(proxy))
    assert file.exists()
    assert not [line for line in proxy.lines if "handshake failed" in line]


@pytest.fixture(params=["record", "replay"])
def reverse(request: pytest.FixtureRequest, tmp_path: Path, authority: trustme.CA) -> Iterator[Command]:
    recording = write(tmp_path / "b.jsonl", session("s1", [(0, 0, "play", {})]))
    arguments = {
        "record": ("record", "--to", "http://127.0.0.1:9", "--out", tmp_path / "a.jsonl"),
        "replay": ("replay", recording),
    }
    with running(*arguments[request.param], *proxy_options(tmp_path, authority)) as opened:
        yield opened


def test_in_reverse_mode_the_file_alone_is_named(reverse: Command, tmp_path: Path) -> None:
    refuse(socket.create_connection(reverse.address, 10), "localhost")
    reverse.wait_for(lambda line: "refused the certificate for localhost" in line)

    assert "mitm.it" not in told(reverse)[0]
    assert str(tmp_path / "confdir") in told(reverse)[0]
