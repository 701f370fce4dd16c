"""The plain HTTP port: offers of other protocols are ignored, and what speaks another protocol is named."""

import logging
import socket
import ssl
from collections.abc import Iterator

import h2.connection
import h2.errors
import h2.events
import orjson
import pytest

from support.exchanges import start
from tapehead.answers import Answer
from tapehead.protocol.messages import Request, Response
from tapehead.server.asgi import Protocol
from tapehead.server.uvicorn_server import Server

BODY = orjson.dumps(start())
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"


class Echo:
    """An engine that answers 201 and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def answer(self, request: Request, now: float) -> Answer:
        self.requests.append(request)
        return Answer(response=Response(status=201, reason="", headers=[]))


@pytest.fixture
def engine() -> Echo:
    return Echo()


@pytest.fixture
def address(engine: Echo) -> Iterator[tuple[str, int]]:
    Protocol._warned.clear()
    with Server(engine) as server:
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        yield host, int(port)


def head(more: bytes, length: int = len(BODY)) -> bytes:
    return b"POST /api/v1/sessions?a=1 HTTP/1.1\r\nHost: tv.example\r\nContent-Length: %d\r\n%s\r\n" % (length, more)


def answers_to(address: tuple[str, int], *pieces: bytes, expected: int = 1) -> bytes:
    answered = b""
    with socket.create_connection(address, 10) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            line.sendall(piece)
        while answered.count(b"HTTP/1.1 ") < expected or not answered.endswith(b"\r\n\r\n"):
            received = line.recv(65536)
            if not received:
                break
            answered += received
    return answered


OFFERS = {
    "h2c": H2C,
    "in lower case": b"connection: upgrade\r\nupgrade: h2c\r\n",
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "anything": b"Connection: keep-alive, Upgrade\r\nUpgrade: foo/2, bar\r\n",
    "without Connection": b"Upgrade: h2c\r\n",
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_an_offer_of_another_protocol_is_ignored(offer: bytes, address: tuple[str, int], engine: Echo) -> None:
    whole = head(offer) + BODY
    answered = answers_to(address, whole + whole, expected=2)

    assert answered.count(b"HTTP/1.1 201 ") == 2
    assert [each.content() for each in engine.requests] == [BODY, BODY]
    assert {each.url for each in engine.requests} == {"http://tv.example/api/v1/sessions?a=1"}


@pytest.mark.parametrize("size", [1, 7, 150])
def test_it_is_ignored_however_the_bytes_arrive(size: int, address: tuple[str, int], engine: Echo) -> None:
    whole = head(H2C) + BODY + b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    answered = answers_to(address, *(whole[at : at + size] for at in range(0, len(whole), size)), expected=2)

    assert answered.count(b"HTTP/1.1 201 ") == 2
    assert [(each.method, each.content()) for each in engine.requests] == [("POST", BODY), ("GET", b"")]


def test_a_chunked_body_with_an_offer_arrives(address: tuple[str, int], engine: Echo) -> None:
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    sent = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + H2C + b"\r\n" + chunks

    assert answers_to(address, sent).startswith(b"HTTP/1.1 201 ")
    assert engine.requests[0].content() == BODY


def test_connect_is_refused(address: tuple[str, int], engine: Echo) -> None:
    answered = answers_to(address, b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")

    assert answered.startswith(b"HTTP/1.1 400 ")
    assert engine.requests == []


def test_a_tls_handshake_is_named_once(address: tuple[str, int], caplog: pytest.LogCaptureFixture) -> None:
    context = ssl.create_default_context()
    for _ in range(3):
        with socket.create_connection(address, 10) as line, pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(line, server_hostname="localhost")

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "a TLS handshake came to the plain HTTP port; use http:// instead of https://"
    ]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (
            b"\x05\x01\x00",
            "SOCKS came to the plain HTTP port; this server is not a proxy: send requests to it directly",
        ),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", "SOCKS came to the plain HTTP port; "),
    ],
)
def test_other_protocols_are_named(
    sent: bytes, said: str, address: tuple[str, int], engine: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(address, 10) as line:
        line.sendall(sent)
        assert line.recv(100) == b""

    assert [said in record.getMessage() for record in caplog.records if record.name == "tapehead.server.asgi"] == [True]
    assert engine.requests == []


@pytest.mark.parametrize("size", [20, 1000])
def test_who_begins_with_http2_is_told_to_use_http1(
    size: int, address: tuple[str, int], engine: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    client = h2.connection.H2Connection()
    client.initiate_connection()
    for stream in (1, 3):
        client.send_headers(stream, [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "a")])
        client.send_data(stream, BODY, end_stream=True)
    sent = client.data_to_send()
    events: list[h2.events.Event] = []
    with socket.create_connection(address, 10) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(sent), size):
            line.sendall(sent[at : at + size])
        while len(resets := [each for each in events if isinstance(each, h2.events.StreamReset)]) < 2:
            events += client.receive_data(line.recv(1000))

    assert [(each.stream_id, each.error_code) for each in resets] == [
        (stream, h2.errors.ErrorCodes.HTTP_1_1_REQUIRED) for stream in (1, 3)
    ]
    assert engine.requests == []
    assert [record.getMessage() for record in caplog.records if record.name == "tapehead.server.asgi"] == [
        "HTTP/2 without an upgrade came to the plain HTTP port; let the client use HTTP/1.1"
    ]
