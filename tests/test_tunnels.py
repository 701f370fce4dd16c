"""Regular mode opens the endpoint's TLS only; every other connection is a tunnel that nobody looks into."""

import socket
import ssl
from pathlib import Path

import httpx
import trustme

from doors import door
from secure import proxy_options, trust_proxy
from traffic import read
from upstream import SID, raw_server, upstream

EVENTS = f"/api/v1/sessions/{SID}/events"


def test_other_tls_keeps_its_own_certificate(tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext) -> None:
    out, own = tmp_path / "out.jsonl", ssl.create_default_context()
    authority.configure_trust(own)
    with upstream(tls) as endpoint, upstream(tls) as other:
        options = [*proxy_options(tmp_path, authority), "--endpoint", f"127.0.0.1:{endpoint.port}"]
        with door("record", "--mode", "regular", "--out", out, *options) as proxy:
            with httpx.Client(proxy=proxy.url, verify=own) as player:
                assert player.post(other.url + EVENTS, json={}).status_code == 204
            with httpx.Client(proxy=proxy.url, verify=trust_proxy(tmp_path)) as player:
                assert player.post(endpoint.url + EVENTS, json={}).status_code == 204
            proxy.stop()

    assert len(other.received) == len(endpoint.received) == 1
    assert [each.request.url for each in read(out)] == [endpoint.url + EVENTS]


def test_other_plain_requests_pass_unrecorded(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with upstream() as other, door("record", "--mode", "regular", "--out", out) as proxy:
        with httpx.Client(proxy=proxy.url) as player:
            assert player.post(other.url + EVENTS, json={}).status_code == 204
        proxy.stop()

    assert len(other.received) == 1
    assert out.read_bytes() == b""


def test_a_tunnel_whose_server_speaks_first_works(tmp_path: Path) -> None:
    def greet(connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example ready\r\n")
        connection.recv(100)

    with raw_server(greet) as url, door("record", "--mode", "regular", "--out", tmp_path / "out.jsonl") as proxy:
        authority = url.removeprefix("http://")
        with socket.create_connection(proxy.address, timeout=10) as client:
            client.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
            answer = b""
            while b"ready" not in answer:
                answer += client.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200")


def test_a_recorded_host_of_the_vendor_counts_by_its_name(tmp_path: Path) -> None:
    """The host need not exist: through an upstream proxy the name is all that is known of it."""
    out = tmp_path / "out.jsonl"
    with upstream() as server, door("record", "--mode", f"upstream:{server.url}", "--out", out) as proxy:
        with httpx.Client(proxy=proxy.url) as player:
            url = f"http://company.hb-api.omtrdc.net{EVENTS}"
            assert player.post(url, json={}).status_code == 204
            player.post(f"http://company.hb-api.omtrdc.net.example{EVENTS}", json={})
        proxy.stop()

    assert [each.request.url for each in read(out)] == [url]
