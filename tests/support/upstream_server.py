"""A server that answers like the endpoint, and keeps what it was sent; and servers that fail in every way."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

SID = "f65df6a9eb0e078412bb1c428ea16357dd7ae92b9f798e9f8e97cc07666a02f2"
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "OPTIONS,POST,PUT",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Expose-Headers": "Location",
}


class Received(NamedTuple):
    """A request as it came: the body's bytes with their content coding still on."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ManyClientsServer(ThreadingHTTPServer):
    """A server that many clients can connect to at once: of those that find no place in the queue, some are reset."""

    request_queue_size = 1000


class Upstream:
    """The server and what it received; it answers while `answers` is set."""

    def __init__(self, server: ThreadingHTTPServer, scheme: str) -> None:
        self.received: list[Received] = []
        self.port: int = server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.answers = threading.Event()
        self.answers.set()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold answers back, while requests are received, until the block ends."""
        self.answers.clear()
        try:
            yield
        finally:
            self.answers.set()


@contextlib.contextmanager
def upstream(
    tls: ssl.SSLContext | None = None, sid: str = SID, port: int = 0, location: Callable[[], str] | None = None
) -> Iterator[Upstream]:
    """A server that answers like the endpoint: 200, 201 with a Location (that of `sid`, or `location`), 204."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.received.append(Received(self.command, self.path, dict(self.headers), body))
            found.answers.wait()
            status, headers, content = _answer(self.command, self.path, sid)
            if location and status == 201:
                headers["Location"] = location()
            self.send_response(status)
            for name, value in {**CORS, **headers}.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_OPTIONS = do_PUT = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ManyClientsServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    found = Upstream(server, "https" if tls else "http")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


def _answer(method: str, path: str, sid: str) -> tuple[int, dict[str, str], bytes]:
    if method == "OPTIONS":
        return 200, {}, b""
    if path.endswith("/sessions"):
        location = {"Location": f"/api/v1/sessions/{sid}", "Content-Type": "application/octet-stream"}
        return 201, location, b""
    if path.endswith("/events"):
        return 204, {}, b""
    return 200, {"Content-Type": "text/plain"}, b"hello " * 1000


@contextlib.contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that hands each connection to `serve`; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.2)
    ended = threading.Event()

    def accept() -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listening.accept()
                threading.Thread(target=_serve_one, args=(serve, connection), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        ended.set()
        thread.join()
        listening.close()


def _serve_one(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        serve(connection)


def reset(connection: socket.socket) -> None:
    """Read the request, then reset the connection."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(connection: socket.socket) -> None:
    """Read the request, then close without an answer."""
    connection.recv(65536)


def garbage(connection: socket.socket) -> None:
    """Answer in no protocol."""
    connection.recv(65536)
    connection.sendall(b"\x00\xff\x13garbage\r\n\r\n" * 10)


def half_an_answer(connection: socket.socket) -> None:
    """Announce more than is sent."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf")


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port
