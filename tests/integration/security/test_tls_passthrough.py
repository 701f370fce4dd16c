"""Regular mode opens the endpoint's TLS only; every other connection passes as an opaque tunnel."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import trustme

from support.captured_traffic import read
from support.certificates import proxy_options, trust_proxy
from support.paths import RECORDINGS_FOLDER
from support.processes import Command, running
from support.tunnels import Origin, ask, at_home, connect, connect_by_socks, origin, trust_both
from support.upstream_server import SID, raw_server, upstream
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.proxy_settings import ProxySettings

EVENTS = f"/api/v1/sessions/{SID}/events"
RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"
VENDOR, NAMED, OTHER = "company.hb-api.omtrdc.net", "metrics.company.example", "www.bank.example"

# The host that the player names to the proxy, and the one in its TLS.
OPENED: list[tuple[str, str | None]] = [
    (VENDOR, VENDOR),
    ("hb-api.omtrdc.net", "hb-api.omtrdc.net"),
    (VENDOR.upper(), VENDOR),
    (VENDOR, None),
    (NAMED, NAMED),
    # Players look names up themselves.
    ("127.0.0.1", VENDOR),
    ("127.0.0.1", NAMED),
    (NAMED, VENDOR),
]
PASSED: list[tuple[str, str | None]] = [
    (OTHER, OTHER),
    (OTHER, None),
    ("127.0.0.1", "127.0.0.1"),
    ("127.0.0.1", OTHER),
    ("evilhb-api.omtrdc.net", "evilhb-api.omtrdc.net"),
    ("company.omtrdc.net", "company.omtrdc.net"),
    ("hb-api.omtrdc.net.evil.example", "hb-api.omtrdc.net.evil.example"),
    (f"{VENDOR}.evil.example", f"{VENDOR}.evil.example"),
    ("company.hb-api.omtrdcxnet.example", "company.hb-api.omtrdcxnet.example"),
    (f"www.{NAMED}", f"www.{NAMED}"),
    (f"x{NAMED}", f"x{NAMED}"),
    (f"{NAMED}.evil.example", f"{NAMED}.evil.example"),
    # One name is the endpoint's, the other is not.
    (OTHER, VENDOR),
    (OTHER, NAMED),
    ("evilhb-api.omtrdc.net", VENDOR),
]
# The same the other way round; offline there is no way to those hosts.
LURED: list[tuple[str, str | None]] = [(VENDOR, OTHER), (NAMED, OTHER), (VENDOR, "evilhb-api.omtrdc.net")]


class Scene(NamedTuple):
    """A proxy, its folder, the server behind it, and a player's trust."""

    proxy: Command
    folder: Path
    origin: Origin
    trust: ssl.SSLContext

    def tunnel(self, host: str) -> socket.socket:
        """A tunnel to the server under the name of `host`."""
        return connect(self.proxy, host, self.origin.server.port)

    def sees(self, line: socket.socket, sni: str | None, path: str = EVENTS) -> str:
        """Whose certificate a player sees at the end of a tunnel, and the status of what it asks for there."""
        certificate, answer = ask(line, sni, self.trust, path)
        return f"{'its own' if certificate == self.origin.certificate else 'the proxy'} {answer[9:].decode()}"


@contextlib.contextmanager
def scene(folder: Path, authority: trustme.CA, *command: object) -> Iterator[Scene]:
    """A running scene."""
    with origin(authority) as server, at_home(folder, authority, *command) as proxy:
        yield Scene(proxy, folder, server, trust_both(folder, authority))


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Scene]:
    """A recording proxy in regular mode."""
    options = ["--mode", "regular", "--endpoint", NAMED, "--out", "out.jsonl"]
    with scene(tmp_path_factory.mktemp("recorder"), authority, "record", *options) as opened:
        yield opened


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Scene]:
    """A replay in regular mode that lets requests to all other hosts of these tests through."""
    allowed = sorted({host for host, _ in PASSED})
    options = ["--mode", "regular", "--endpoint", NAMED, *(word for host in allowed for word in ("--allow", host))]
    with scene(tmp_path_factory.mktemp("player"), authority, "replay", RECORDING, *options) as opened:
        yield opened


@pytest.mark.parametrize(("host", "sni"), OPENED)
def test_a_recorder_opens_the_tls_of_the_endpoint(host: str, sni: str | None, recorder: Scene) -> None:
    assert recorder.sees(recorder.tunnel(host), sni) == "the proxy 204"


def test_a_pattern_opens_the_tls_of_what_is_below_its_domain(tmp_path: Path, authority: trustme.CA) -> None:
    below = [f"www.{NAMED}"]
    others = [NAMED, f"x{NAMED}", f"{NAMED}.evil.example", OTHER]
    options = ["--mode", "regular", "--endpoint", f"*.{NAMED}", "--out", "out.jsonl"]
    with scene(tmp_path, authority, "record", *options) as recorder:
        seen = {host: recorder.sees(recorder.tunnel(host), host) for host in (*below, *others, VENDOR)}
        mixed = [recorder.sees(recorder.tunnel(each), sni) for each, sni in ((OTHER, below[0]), (below[0], OTHER))]

    assert seen == {**dict.fromkeys([*below, VENDOR], "the proxy 204"), **dict.fromkeys(others, "its own 204")}
    assert mixed == ["its own 204"] * 2


def test_a_replay_passes_what_is_below_an_allowed_domain(tmp_path: Path, authority: trustme.CA) -> None:
    # All names are this machine here.
    options = ["--mode", "regular", "--allow", f"*.{NAMED}", "--allow", "127.0.0.1"]
    with scene(tmp_path, authority, "replay", RECORDING, *options) as player:
        assert player.sees(player.tunnel(f"www.{NAMED}"), f"www.{NAMED}") == "its own 204"
        with pytest.raises(ConnectionRefusedError):
            player.tunnel(NAMED)


@pytest.mark.parametrize(("host", "sni"), [*PASSED, *LURED])
def test_a_recorder_leaves_other_tls_as_it_is(host: str, sni: str | None, recorder: Scene) -> None:
    assert recorder.sees(recorder.tunnel(host), sni) == "its own 204"


def test_nothing_of_what_passes_is_shown_or_recorded(recorder: Scene) -> None:
    secret, known = (f"/api/v1/sessions/{word * 10}/events" for word in ("secret", "known"))
    for host, sni in (*PASSED, *LURED):
        assert recorder.sees(recorder.tunnel(host), sni, secret) == "its own 204"
    assert recorder.sees(recorder.tunnel(VENDOR), VENDOR, known) == "the proxy 204"
    recorder.proxy.wait_for(lambda line: "knownkno" in line)
    recorded = (recorder.folder / "out.jsonl").read_text()

    assert known in recorded
    assert secret not in recorded
    assert not [line for line in recorder.proxy.lines if "secretse" in line]


@pytest.mark.parametrize(("host", "sni"), OPENED)
def test_a_replay_opens_the_tls_of_the_endpoint(host: str, sni: str | None, player: Scene) -> None:
    """It answers itself: no event is a 400 of its own, and the server hears nothing."""
    before = len(player.origin.server.received)

    assert player.sees(player.tunnel(host), sni) == "the proxy 400"
    assert len(player.origin.server.received) == before


@pytest.mark.parametrize(("host", "sni"), PASSED)
def test_a_replay_leaves_other_tls_as_it_is(host: str, sni: str | None, player: Scene) -> None:
    assert player.sees(player.tunnel(host), sni) == "its own 204"


@pytest.mark.parametrize(("host", "sni"), LURED)
def test_a_replay_hangs_up_on_who_means_another_host(host: str, sni: str | None, player: Scene) -> None:
    before = len(player.origin.server.received)
    with pytest.raises(OSError, match=r"EOF|reset|closed"):
        player.sees(player.tunnel(host), sni)

    assert len(player.origin.server.received) == before


# One of each kind: opened, and left alone for its name, for its look, for either of its two names.
TELLING = [(VENDOR, VENDOR, True), (OTHER, OTHER, False), (f"{VENDOR}.evil.example", f"{VENDOR}.evil.example", False)]
TELLING += [(OTHER, VENDOR, False), (VENDOR, OTHER, False)]

WIDENED = [
    ["--mode", "regular", "--set", "allow_hosts=.*"],
    ["--mode", "regular", "--set", "allow_hosts=nothing-at-all", "--set", "allow_hosts=.*"],
    ["--mode", "regular", "--set", "connection_strategy=lazy", "--set", "show_ignored_hosts=true"],
    ["--mode", "REGULAR"],
    ["--mode", "regular", "--mode", "reverse:https://127.0.0.1:9@127.0.0.2:0"],
    ["--to", "https://127.0.0.1:9", "--set", "mode=regular"],
    ["--to", "https://127.0.0.1:9", "--set", "mode=regular@127.0.0.1:0"],
]


@pytest.mark.parametrize("options", WIDENED, ids=[" ".join(each) for each in WIDENED])
def test_no_option_opens_more(options: list[str], tmp_path: Path, authority: trustme.CA) -> None:
    with scene(tmp_path, authority, "record", *options, "--out", "out.jsonl") as opened:
        seen = [opened.sees(opened.tunnel(host), sni) for host, sni, _ in TELLING]

    assert seen == ["the proxy 204" if known else "its own 204" for _, _, known in TELLING]


def test_socks_opens_no_more(tmp_path: Path, authority: trustme.CA) -> None:
    with scene(tmp_path, authority, "record", "--mode", "socks5", "--out", "out.jsonl") as opened:
        port = opened.origin.server.port
        seen = [opened.sees(connect_by_socks(opened.proxy, host, port), sni) for host, sni, _ in TELLING]

    assert seen == ["the proxy 204" if known else "its own 204" for _, _, known in TELLING]


def test_a_proxy_behind_a_proxy_opens_no_more(recorder: Scene, tmp_path: Path, authority: trustme.CA) -> None:
    """The first proxy knows names only; the second opens the endpoint's TLS, too, so the first must not verify it."""
    options = ["--mode", f"upstream:{recorder.proxy.url}", "--insecure", "--out", "out.jsonl"]
    with at_home(tmp_path, authority, "record", *options) as first:
        opened = Scene(first, tmp_path, recorder.origin, trust_both(tmp_path, authority))
        seen = [opened.sees(opened.tunnel(host), sni) for host, sni, _ in TELLING]

    assert seen == ["the proxy 204" if known else "its own 204" for _, _, known in TELLING]


def test_a_name_said_to_the_proxy_itself_opens_nothing(
    recorder: Scene, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Players may speak TLS with the proxy, too: under the endpoint's name, which mitmproxy takes for its server's."""
    own, resolve = ssl.create_default_context(), socket.getaddrinfo
    authority.configure_trust(own)
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest, **more: resolve("127.0.0.1", *rest, **more))
    proxy = httpx.Proxy(f"https://{VENDOR}:{recorder.proxy.port}", ssl_context=recorder.trust)
    with httpx.Client(proxy=proxy, verify=own) as client:
        answer = client.post(f"https://{OTHER}:{recorder.origin.server.port}{EVENTS}", json={})

    assert answer.status_code == 204


@pytest.mark.parametrize("more", [[], ["--mode", "regular@127.0.0.2:0"]], ids=["alone", "with others"])
@pytest.mark.parametrize("sni", ["localhost", None])
def test_in_front_of_the_endpoint_all_tls_is_opened(
    more: list[str], sni: str | None, tmp_path: Path, authority: trustme.CA
) -> None:
    """Players call the proxy by whatever name it has for them."""
    with origin(authority) as server:
        options = ["--mode", f"reverse:{server.server.url}", *more, "--out", "out.jsonl"]
        with at_home(tmp_path, authority, "record", *options) as proxy:
            opened = Scene(proxy, tmp_path, server, trust_both(tmp_path, authority))
            seen = opened.sees(socket.create_connection(proxy.address), sni)

    assert seen == "the proxy 204"
    assert len(read(tmp_path / "out.jsonl")) == 1


# ---- What decides, without a network ----


@pytest.mark.parametrize(
    ("host", "sni", "opened"), [(*each, True) for each in OPENED] + [(*each, False) for each in (*PASSED, *LURED)]
)
def test_all_names_have_to_agree(host: str, sni: str | None, opened: bool) -> None:
    assert Hosts([NAMED]).opens(host, 443, sni) is opened


NAMED_BY_PORT = [
    ("127.0.0.1", 8443, None, True),
    ("127.0.0.1", 443, None, False),
    ("127.0.0.1", 8443, OTHER, False),
    ("127.0.0.1", 8443, VENDOR, True),
    ("::1", 443, VENDOR, True),
    ("::1", 443, None, False),
    ("", 443, None, False),
]


@pytest.mark.parametrize(("host", "port", "sni", "opened"), NAMED_BY_PORT)
def test_an_address_counts_where_no_name_is_said(host: str, port: int, sni: str | None, opened: bool) -> None:
    assert Hosts(["127.0.0.1:8443"]).opens(host, port, sni) is opened


@pytest.mark.parametrize(
    ("mode", "named"),
    [
        ("reverse:https://collect.example", "collect.example"),
        ("Reverse:https://Collect.example:8443@0.0.0.0:80", "collect.example:8443"),
        ("reverse:collect.example@8080", "collect.example"),
        ("upstream:http://collect.example", None),
        ("regular@8081", None),
    ],
)
def test_what_a_reverse_mode_stands_before_counts_in_other_modes(mode: str, named: str | None) -> None:
    limited = Hosts().limit(ProxySettings(modes=("regular", mode), host="", port=0))

    assert limited.endpoints == ((named,) if named else ())
    assert len(limited.tls_hosts) == 1 + len(limited.endpoints)


@pytest.mark.parametrize("mode", ["reverse:https://collect.example", "REVERSE:https://collect.example"])
def test_nothing_is_limited_where_there_is_nothing_but_the_endpoint(mode: str) -> None:
    assert Hosts().limit(ProxySettings(modes=(mode,), host="", port=0)).tls_hosts == ()


def test_other_tls_keeps_its_own_certificate(tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext) -> None:
    out, own = tmp_path / "out.jsonl", ssl.create_default_context()
    authority.configure_trust(own)
    with upstream(tls) as endpoint, upstream(tls) as other:
        options = [*proxy_options(tmp_path, authority), "--endpoint", f"127.0.0.1:{endpoint.port}"]
        with running("record", "--mode", "regular", "--out", out, *options) as proxy:
            with httpx.Client(proxy=proxy.url, verify=own) as player:
                assert player.post(other.url + EVENTS, json={}).status_code == 204
            with httpx.Client(proxy=proxy.url, verify=trust_proxy(tmp_path)) as player:
                assert player.post(endpoint.url + EVENTS, json={}).status_code == 204
            proxy.stop()

    assert len(other.received) == len(endpoint.received) == 1
    assert [each.request.url for each in read(out)] == [endpoint.url + EVENTS]


def test_other_plain_requests_pass_unrecorded(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with upstream() as other, running("record", "--mode", "regular", "--out", out) as proxy:
        with httpx.Client(proxy=proxy.url) as player:
            assert player.post(other.url + EVENTS, json={}).status_code == 204
        proxy.stop()

    assert len(other.received) == 1
    assert not out.exists()


def test_a_tunnel_whose_server_speaks_first_works(tmp_path: Path) -> None:
    def greet(connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example ready\r\n")
        connection.recv(100)

    with raw_server(greet) as url, running("record", "--mode", "regular", "--out", tmp_path / "out.jsonl") as proxy:
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
    with upstream() as server, running("record", "--mode", f"upstream:{server.url}", "--out", out) as proxy:
        with httpx.Client(proxy=proxy.url) as player:
            url = f"http://company.hb-api.omtrdc.net{EVENTS}"
            assert player.post(url, json={}).status_code == 204
            player.post(f"http://company.hb-api.omtrdc.net.example{EVENTS}", json={})
        proxy.stop()

    assert [each.request.url for each in read(out)] == [url]
