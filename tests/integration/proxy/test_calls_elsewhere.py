"""Calls that a recording proxy does not record are named: other hosts and protocols, closed tunnels; or silence."""

import socket
import ssl
import time
from pathlib import Path

import httpx
import pytest
import trustme

from support.captured_traffic import read
from support.certificates import proxy_options
from support.exchanges import event, session, start
from support.paths import RECORDINGS_FOLDER, ROOT
from support.processes import Command, running
from support.resend import write
from support.tunnels import ask, at_home, connect, origin, trust_both
from support.upstream_server import upstream
from tapehead.protocol.routes import SESSIONS_PATH
from tapehead.recording.calls_elsewhere import MOST_HOSTS, CallsElsewhere


def words(proxy: Command) -> list[str]:
    """Return the lines after the one on readiness."""
    lines = proxy.lines
    return lines[next(at for at, line in enumerate(lines) if line.startswith("recording into")) + 1 :]


def test_a_call_to_a_host_that_nobody_named_is_told(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, running("record", "--mode", "regular", "--out", out) as proxy:
        with httpx.Client(proxy=proxy.url) as player:
            assert player.post(f"{server.url}/api/v1/sessions", json=start()).status_code == 201
        assert proxy.stop() == 1

    host = server.url.removeprefix("http://")
    assert sorted(words(proxy)) == [
        f"recorded no exchange; removed the empty file {out}",
        f"tapehead: calls to {host} (1) are left out; pass --endpoint {host} if that is the endpoint",
        "tapehead: no Media Collection call came, only 1 other request; "
        f"set the player's HTTP proxy to 127.0.0.1:{proxy.port}",
    ]
    assert not out.exists()


def test_heartbeats_at_the_endpoint_are_told(tmp_path: Path) -> None:
    with upstream() as server, running("record", "--to", server.url, "--out", tmp_path / "a.jsonl") as proxy:
        with httpx.Client() as player:
            player.get(f"{proxy.url}/?s:event:type=start&l:event:playhead=0")
        assert proxy.stop() == 1

    (nothing, line) = (line for line in words(proxy) if line.startswith("tapehead: "))
    assert nothing.endswith(f"only 1 other request; set the player's endpoint to {proxy.url}")
    assert line.startswith("tapehead: heartbeats of an older media SDK were seen (127.0.0.1")
    assert line.endswith("which tapehead does not read: the player has to send Media Collection calls")


def test_calls_elsewhere_beside_recorded_ones_are_told_and_are_no_failure(tmp_path: Path) -> None:
    with upstream() as server, running("record", "--to", server.url, "--out", tmp_path / "a.jsonl") as proxy:
        with httpx.Client() as player:
            player.post(f"{proxy.url}/api/v1/sessions", json=start())
            player.post(f"{proxy.url}/ee/va/v1/sessionStart?configId=1", json={})
        assert proxy.stop() == 0

    assert any("recorded 1 exchange of 1 session in " in line for line in words(proxy))
    assert any(line.startswith("tapehead: calls of the Media Edge API were seen (127.0.0.1") for line in words(proxy))


def test_tunnels_that_were_not_opened_are_told(tmp_path: Path, authority: trustme.CA) -> None:
    command = ("record", "--mode", "regular", "--out", tmp_path / "a.jsonl", "--insecure")
    with origin(authority) as there, at_home(tmp_path, authority, *command) as proxy:
        trust = trust_both(tmp_path, authority)
        for host in ("www.bank.example", "www.bank.example", "company.omtrdc.net"):
            ask(connect(proxy, host, there.server.port), host, trust, "/api/v1/sessions")
        assert proxy.stop() == 1

    port = there.server.port
    (nothing, line) = (line for line in words(proxy) if line.startswith("tapehead: "))
    assert "no Media Collection call came, only 3 TLS connections; " in nothing
    assert line == (
        f"tapehead: 3 TLS connections to www.bank.example:{port} (2), company.omtrdc.net:{port} (1) not intercepted; "
        f"pass --endpoint HOST for those that are the endpoint"
    )


@pytest.mark.parametrize("options", [(), ("--strict",)])
def test_where_nothing_came_by_that_is_said(tmp_path: Path, options: tuple[str, ...]) -> None:
    out = tmp_path / "new" / "a.jsonl"
    with running("record", "--mode", "regular", "--out", out, *options) as proxy:
        assert proxy.stop() == len(options)

    line = "tapehead: no Media Collection call came, nor anything else; set the player's HTTP proxy to 127.0.0.1:"
    assert f"{line}{proxy.port}" in words(proxy)
    assert list(tmp_path.iterdir()) == []


def test_other_requests_alone_are_told(tmp_path: Path) -> None:
    with upstream() as server, running("record", "--mode", "regular", "--out", tmp_path / "a.jsonl") as proxy:
        with httpx.Client(proxy=proxy.url) as player:
            player.get(f"{server.url}/video.ts")
        assert proxy.stop() == 1

    assert any(
        line.startswith("tapehead: no Media Collection call came, only 1 other request;") for line in words(proxy)
    )


def test_requests_that_are_almost_calls_are_told_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out, "--quiet") as proxy:
        httpx.post(f"{proxy.url}/api/v1/session", json=start())
        assert proxy.stop() == 1

    hint = "not a Media Collection call; did you mean /api/v1/sessions?"
    assert f"tapehead: 1 other request to the endpoint: {hint}" in words(proxy)


def test_a_player_that_does_not_get_in_is_told_from_none(tmp_path: Path) -> None:
    options = ("--mode", "regular", "--proxyauth", "jane:secret", "--out", tmp_path / "a.jsonl")
    with upstream() as server, running("record", *options) as proxy:
        with httpx.Client(proxy=proxy.url) as player:
            assert player.post(f"{server.url}/api/v1/sessions", json=start()).status_code == 407
        assert proxy.stop() == 0

    assert any("came, only 1 connection without a request; set the player" in line for line in words(proxy))


def test_preflights_alone_are_no_calls(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out) as proxy:
        httpx.options(f"{proxy.url}/api/v1/sessions")
        assert proxy.stop() == 0

    assert any(f"recorded 1 exchange without a session in {out}: " in line for line in words(proxy))
    assert any("tapehead: no Media Collection call came, only 1 connection" in line for line in words(proxy))


SOON = "import tapehead.cli.missing_calls as calls; calls.SILENCE_SECONDS = 3"


def test_silence_is_told_while_it_lasts(tmp_path: Path) -> None:
    options = ("--mode", "regular", "--out", tmp_path / "a.jsonl")
    with upstream() as server, running("record", *options, broken=SOON) as proxy:
        with httpx.Client(proxy=proxy.url) as player:
            player.post(f"{server.url}/api/v1/sessions", json=start())
        proxy.wait_for(lambda line: line.startswith("no Media Collection call came in 3 seconds, only 1 other request"))
        proxy.wait_for(lambda line: line.startswith("calls to 127.0.0.1:"))


def test_silence_is_not_told_once_a_call_came(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out, broken=SOON) as proxy:
        httpx.post(f"{proxy.url}/api/v1/sessions", json=start())
        time.sleep(4)
        assert proxy.stop() == 0

    assert not [line for line in proxy.lines if "no Media Collection call" in line]


def test_an_empty_file_that_was_there_before_stays(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    out.touch()
    with running("record", "--mode", "regular", "--out", out) as proxy:
        assert proxy.stop() == 0

    assert f"recorded no exchange in {out}" in words(proxy)
    assert out.read_bytes() == b""


def test_a_replay_without_a_call_says_what_came(tmp_path: Path) -> None:
    recording = write(tmp_path / "a.jsonl", session("s1", [(0, 0, "play", {})]))
    with running("replay", recording, "--mode", "regular") as proxy:
        with httpx.Client(proxy=proxy.url) as player:
            player.post("http://company.hb.example/api/v1/sessions", json=start())
            with pytest.raises(httpx.ProxyError):
                player.get("https://edge.adobedc.net/ee/va/v1/ping")
        assert proxy.stop() == 0

    assert [line for line in proxy.lines if line.startswith("tapehead: ")] == [
        "tapehead: no Media Collection call came, only 1 other request and 1 TLS connection; "
        f"set the player's HTTP proxy to 127.0.0.1:{proxy.port}",
        "tapehead: calls to company.hb.example (1) are left out; "
        "pass --endpoint company.hb.example if that is the endpoint",
        "tapehead: 1 TLS connection to edge.adobedc.net (1) not intercepted; edge.adobedc.net is the host of "
        "calls of the Media Edge API; pass --endpoint edge.adobedc.net if that is the endpoint",
    ]


@pytest.mark.parametrize(
    "command", [("record", "--out", "a.jsonl"), ("replay", ROOT / "recordings" / "timeline-1.jsonl")]
)
def test_a_device_gets_the_certificate_from_the_proxy(
    command: tuple[object, ...], tmp_path: Path, authority: trustme.CA
) -> None:
    options = ("--mode", "regular", *proxy_options(tmp_path, authority))
    with running(*command, *options, cwd=tmp_path) as proxy, httpx.Client(proxy=proxy.url) as device:
        page, certificate = (device.get(f"http://mitm.it/{path}") for path in ("", "cert/pem"))

    assert page.status_code == certificate.status_code == 200
    assert certificate.content == (tmp_path / "confdir" / "mitmproxy-ca-cert.pem").read_bytes()


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--strict"], 1)])
def test_a_device_that_only_got_the_certificate_is_no_failure(
    options: list[str], code: int, tmp_path: Path, authority: trustme.CA
) -> None:
    arguments = ("--mode", "regular", "--out", tmp_path / "a.jsonl", *proxy_options(tmp_path, authority), *options)
    with running("record", *arguments) as proxy, httpx.Client(proxy=proxy.url) as device:
        for path in ("", "cert/pem"):
            device.get(f"http://mitm.it/{path}")
        assert proxy.stop() == code

    assert any("no Media Collection call came, only 2 certificate requests; set" in line for line in words(proxy))


# ---- Roku: the real URL is within the path ----


def post_within(proxy: Command, url: str) -> bytes:
    """Send a sessionStart to a URL within the path of a request to the proxy itself; return the status line."""
    with socket.create_connection(proxy.address, 10) as line:
        body = b'{"eventType":"sessionStart","playerTime":{"playhead":0,"ts":1795399200000},"params":{}}'
        head = f"POST /;{url} HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nContent-Length: {len(body)}\r\n\r\n"
        line.sendall(head.encode() + body)
        return line.recv(12)


@pytest.mark.parametrize("has_tls", [False, True])
def test_a_real_url_within_the_path_is_called_in_regular_mode(
    has_tls: bool, tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    out = tmp_path / "a.jsonl"
    options = ("--mode", "regular", "--endpoint", "127.0.0.1", "--out", out, *proxy_options(tmp_path, authority))
    with upstream(tls if has_tls else None) as server, running("record", *options) as proxy:
        url = f"{server.url}/api/v1/sessions?a=b"
        assert post_within(proxy, url) == b"HTTP/1.1 200"
        assert proxy.stop() == 0

    assert [each.path for each in server.received] == ["/api/v1/sessions?a=b"]
    assert server.received[0].headers["Host"] == server.url.partition("://")[2]
    assert [each.request.url for each in read(out)] == [url]


def test_a_real_url_of_the_endpoint_within_the_path_goes_upstream_in_reverse_mode(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out) as proxy:
        assert post_within(proxy, "https://company.hb-api.omtrdc.net/api/v1/sessions?a=b") == b"HTTP/1.1 200"
        assert proxy.stop() == 0

    assert [each.path for each in server.received] == ["/api/v1/sessions?a=b"]
    assert [each.call for each in read(out)] == ["session"]


def test_a_real_url_elsewhere_within_the_path_is_not_called_in_reverse_mode(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as other, upstream() as server, running("record", "--to", server.url, "--out", out) as proxy:
        post_within(proxy, f"{other.url}/video.ts")

    assert other.received == []


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_a_real_url_within_the_path_is_answered_offline(command: str) -> None:
    with running(command, RECORDINGS_FOLDER / "timeline-1.jsonl") as server:
        url = f"{server.url}/;https://company.hb-api.omtrdc.net"
        opened = httpx.post(f"{url}/api/v1/sessions", json=start())
        assert opened.status_code == 201
        assert httpx.post(f"{url}{opened.headers['Location']}/events", json=event("play")).status_code == 204


# ---- Bounds ----


@pytest.mark.parametrize("is_tunnel", [False, True])
def test_hosts_that_are_remembered_are_bounded(is_tunnel: bool) -> None:
    elsewhere = CallsElsewhere()
    for number in range(MOST_HOSTS + 50):
        if is_tunnel:
            elsewhere.add_tunnel(f"h{number}.example", 443)
        else:
            elsewhere.add("POST", SESSIONS_PATH, f"h{number}.example", 443)

    line = elsewhere.lines_on_nothing("")[-1]
    assert f"h4.example (1), {MOST_HOSTS - 5} more" in line
