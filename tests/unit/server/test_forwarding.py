"""Forwarding of calls to a real endpoint."""

import http.server
from typing import ClassVar

import pytest

from support.exchanges import request, start
from support.processes import web_server
from tapehead.server.forwarding import Forwarder, ForwardingError


class Endpoint(http.server.BaseHTTPRequestHandler):
    """An endpoint behind a path, which names itself in its answers."""

    paths: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Open a session."""
        self.paths.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Location", f"http://{self.headers['Host']}/base/api/v1/sessions/abc?region=6")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_location_leads_back_to_the_server() -> None:
    with web_server(Endpoint) as url:
        answer = Forwarder(f"{url}/base")(request(start(), "/api/v1/sessions?a=b"))

    assert Endpoint.paths == ["/base/api/v1/sessions?a=b"]
    assert answer.header("Location") == "/api/v1/sessions/abc?region=6"
    assert list(answer.header_values("Set-Cookie")) == ["a=1", "b=2"]


def test_an_endpoint_that_is_not_there_is_named() -> None:
    with web_server(Endpoint) as url:
        pass
    with pytest.raises(ForwardingError, match=f"no answer from {url.removeprefix('http://')}: .*refused"):
        Forwarder(url)(request(start(), "/api/v1/sessions"))
