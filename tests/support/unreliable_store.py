"""A store behind a connection that fails: down, without an answer, full, slow, or cut before the answer.

Or the store is an old one, that cannot store an object on a condition.
"""

import contextlib
import http.client
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

# What becomes of requests; besides these, a status such as "507" that answers all of them.
UP, DOWN, STALLED, SLOW, CUT, OLD = "up", "down", "stalled", "slow", "cut", "old"
_HOPS = {"connection", "keep-alive", "transfer-encoding", "date", "server"}
_SLOW_BYTES, _SLOW_SECONDS = 2_000, 0.01


class UnreliableStore(ThreadingHTTPServer):
    """The server in front of a store.

    Attributes:
        behaviour: what becomes of requests from now on.
        uploads: how often the content of each object reached the store, by path.
        requests: how many requests came, answered or not.
        last_request: the number of the last request before the store goes down by itself.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviour = UP
        self.uploads: Counter[str] = Counter()
        self.requests = 0
        self.last_request = sys.maxsize
        self.store_port = port
        self.is_closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave out what clients do that end in the middle."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: UnreliableStore

    def _handle(self) -> None:
        server, behaviour = self.server, self.server.behaviour
        server.requests += 1
        if server.requests > server.last_request:
            server.behaviour = behaviour = DOWN
        if behaviour == DOWN:
            self._reset()
            return
        if behaviour == STALLED:
            while server.behaviour == STALLED and not server.is_closing.wait(0.02):
                pass
            self._reset()
            return
        body = self._read_slowly() if behaviour == SLOW else self.rfile.read(self._length)
        if behaviour == OLD and self.headers.get("If-None-Match"):
            behaviour = "501"
        if behaviour.isdigit():
            self._answer(int(behaviour), [], b"" if self.command == "HEAD" else b"<Error><Code>No</Code></Error>")
            return
        status, headers, content = self._pass_on(body)
        if self.command == "PUT" and status == 200:
            server.uploads[unquote(self.path.partition("?")[0])] += 1
            if behaviour == CUT:
                self._reset()
                return
        self._answer(status, headers, content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815

    @property
    def _length(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    def _read_slowly(self) -> bytes:
        body = b""
        while len(body) < self._length and not self.server.is_closing.is_set():
            time.sleep(_SLOW_SECONDS)
            body += self.rfile.read(min(_SLOW_BYTES, self._length - len(body)))
        return body

    def _pass_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.store_port, timeout=60)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        named = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        if "content-length" not in named:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def unreliable(port: int) -> Iterator[UnreliableStore]:
    """Put a connection that can fail in front of the store on a port."""
    server = UnreliableStore(port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.is_closing.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
