"""HTTP/2 without TLS: clients that offer it, or begin with it, are recorded and answered as any other."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import orjson
import pytest
import trustme

from support.captured_traffic import read
from support.certificates import proxy_options, server_tls
from support.exchanges import START, start
from support.paths import RECORDINGS_FOLDER
from support.processes import Command, run_program, running
from support.tools import require
from support.upstream_server import SID, raw_server, upstream
from tapehead.protocol.routes import SESSIONS_PATH

JAVA = """
import java.net.URI; import java.net.http.*; import java.net.http.HttpResponse.BodyHandlers; import java.time.Duration;
public class Player {
  public static void main(String[] args) throws Exception {
    var client = HttpClient.newHttpClient();
    for (int i = 0; i < 2; i++) {
      var request = HttpRequest.newBuilder(URI.create(args[0] + "/api/v1/sessions")).timeout(Duration.ofSeconds(9))
        .header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(args[1])).build();
      System.out.println(client.send(request, BodyHandlers.ofString()).statusCode());
    }
  }
}
"""
BODY = orjson.dumps(start()).decode()
ANSWER = f"HTTP/1.1 201 Created\r\nLocation: /api/v1/sessions/{SID}\r\nContent-Length: 0\r\n\r\n".encode()
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def java(url: str, folder: Path) -> str:
    """Start two sessions with Java's HTTP client, which offers HTTP/2 by default; the statuses."""
    source = folder / "Player.java"
    source.write_text(JAVA)
    done = run_program(require("javac").removesuffix("c"), source, url, BODY)
    return done.stdout or done.stderr


def curl(*options: str) -> Callable[[str, Path], str]:
    """The same with curl."""

    def post(url: str, folder: Path) -> str:
        told = ("-w", "%{http_code}\n", "-s", "-m", "9", "-H", "Content-Type: application/json", "-d", BODY)
        # Some versions of curl fail to use a connection again that began with HTTP/2.
        return "".join(run_program(require("curl"), *options, *told, f"{url}{SESSIONS_PATH}").stdout for _ in range(2))

    return post


PLAYERS = {
    "Java": java,
    "curl that offers it": curl("--http2"),
    "curl that begins with it": curl("--http2-prior-knowledge"),
}


@pytest.fixture
def taker() -> Iterator[str]:
    """A server that takes every offer of HTTP/2, and is silent from then on."""

    def serve(connection: socket.socket) -> None:
        while request := connection.recv(65536):
            if b"upgrade: h2c" in request.lower():
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
            elif request.endswith(b"}"):
                connection.sendall(ANSWER)

    with raw_server(serve) as url:
        yield url


@pytest.mark.slow
@pytest.mark.parametrize("player", PLAYERS.values(), ids=PLAYERS)
def test_calls_of_clients_that_offer_http2_are_recorded(
    player: Callable[[str, Path], str], taker: str, tmp_path: Path
) -> None:
    out = tmp_path / "a.jsonl"
    with running("record", "--to", taker, "--out", out) as proxy:
        assert player(proxy.url, tmp_path) == "201\n201\n"
        assert proxy.stop() == 0

    assert [each.response and each.response.status for each in read(out)] == [201, 201]
    assert [each.request.json()["params"]["media.name"] for each in read(out)] == [START["media.name"]] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("replay", RECORDINGS_FOLDER / "timeline-1.jsonl"), ("serve",)], ids=["replay", "serve"]
)
@pytest.mark.parametrize("player", PLAYERS.values(), ids=PLAYERS)
def test_clients_that_offer_http2_are_answered(
    player: Callable[[str, Path], str], command: tuple[object, ...], tmp_path: Path
) -> None:
    with running(*command) as server:
        assert player(server.url, tmp_path) == "201\n201\n"


@pytest.mark.parametrize(
    ("offered", "passed"),
    [
        ({"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAM"}, {}),
        ({"Upgrade": "H2C", "Connection": "keep-alive, upgrade"}, {"Connection": "keep-alive"}),
        ({"Upgrade": "HTTP/2.0, TLS/1.2", "Connection": "Upgrade"}, {}),
        ({"Upgrade": "websocket", "Connection": "Upgrade"}, {"Upgrade": "websocket", "Connection": "Upgrade"}),
        ({"Upgrade": "foo, h2c", "Connection": "Upgrade"}, {"Upgrade": "foo", "Connection": "Upgrade"}),
    ],
)
def test_only_offers_of_http_are_taken_out(offered: dict[str, str], passed: dict[str, str], tmp_path: Path) -> None:
    with (
        upstream() as server,
        running("record", "--to", server.url, "--out", tmp_path / "a.jsonl") as proxy,
        httpx.Client() as player,
    ):
        del player.headers["connection"]
        player.post(f"{proxy.url}/other", headers=offered)

    sent = server.received[0].headers
    names = {"upgrade", "connection", "http2-settings"}
    assert {name: value for name, value in sent.items() if name.lower() in names} == passed


def test_who_begins_with_http2_is_recorded_before_an_endpoint_with_tls(
    tmp_path: Path, authority: trustme.CA, tls: object
) -> None:
    out = tmp_path / "a.jsonl"
    with (
        upstream(server_tls(authority)) as server,
        running("record", "--to", server.url, "--out", out, *proxy_options(tmp_path, authority)) as proxy,
    ):
        with httpx.Client(http1=False, http2=True) as player:
            statuses = [player.post(f"{proxy.url}/api/v1/sessions", json=start()).status_code for _ in range(3)]
        assert proxy.stop() == 0

    assert statuses == [201] * 3
    assert [each.method for each in server.received] == ["POST"] * 3
    assert {each.request.url for each in read(out)} == {f"{server.url}/api/v1/sessions"}


@pytest.mark.parametrize("size", [1, 5, 100])
def test_the_first_bytes_may_come_one_by_one(size: int, tmp_path: Path) -> None:
    def send(proxy: Command, data: bytes) -> bytes:
        with socket.create_connection(proxy.address, 10) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(data), size):
                line.sendall(data[at : at + size])
                threading.Event().wait(0.02)
            return line.recv(9)

    with upstream() as server, running("record", "--to", server.url, "--out", tmp_path / "a.jsonl") as proxy:
        # The first frame of a server is its settings, of type 4.
        assert send(proxy, HTTP2 + b"\0\0\0\4\0\0\0\0\0")[3:4] == b"\4"
        assert send(proxy, b"POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}") == b"HTTP/1.1 "

    assert [each.method for each in server.received] == ["POST"]
