"""A forward proxy as companies have it: it may ask for a login, and may open no tunnel to a port without TLS."""

import base64
import contextlib
import http.client
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Passed(NamedTuple):
    """A request that came to the proxy."""

    method: str
    target: str
    login: str | None


class ForwardProxy(ThreadingHTTPServer):
    """The proxy and what came to it."""

    daemon_threads = True

    def __init__(self, login: str | None, plain_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.passed: list[Passed] = []
        self.port: int = self.server_address[1]
        self.plain_port = plain_port
        self.login = login and "Basic " + base64.b64encode(login.encode()).decode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ForwardProxy

    def _handle(self) -> None:
        said = self.headers.get("Proxy-Authorization")
        self.server.passed.append(Passed(self.command, self.path, said))
        if self.server.login and said != self.server.login:
            self.send_error(407)
        elif self.command == "CONNECT":
            self._tunnel()
        else:
            self._forward()

    do_CONNECT = do_POST = do_GET = _handle  # noqa: N815

    def _tunnel(self) -> None:
        host, _, port = self.path.rpartition(":")
        if int(port) == self.server.plain_port:
            self.send_error(403)
            return
        with socket.create_connection((host, int(port))) as there:
            self.send_response(200, "Connection established")
            self.end_headers()
            ends = [self.connection, there]
            while True:
                for ready in select.select(ends, [], [], 10)[0]:
                    if not (data := ready.recv(65536)):
                        self.close_connection = True
                        return
                    ends[ready is self.connection].sendall(data)

    def _forward(self) -> None:
        host, _, path = self.path.removeprefix("http://").partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "proxy-authorization"}
        with contextlib.closing(http.client.HTTPConnection(host, timeout=10)) as there:
            there.request(self.command, f"/{path}", body, headers)
            answer = there.getresponse()
            content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def forward_proxy(
    login: str | None = None, plain_port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[ForwardProxy]:
    """A forward proxy on loopback, perhaps with TLS, that wants `login`, and opens no tunnel to `plain_port`."""
    with ForwardProxy(login, plain_port) as made:
        if tls:
            made.socket = tls.wrap_socket(made.socket, server_side=True)
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
