"""Who closed the connection of a flow, by what mitmproxy says and by the state of both connections."""

import io

import pytest
from mitmproxy.connection import ConnectionState
from mitmproxy.flow import Error
from mitmproxy.http import HTTPFlow

from support.exchanges import sent
from support.har_files import flow_file, flow_of
from tapehead.interop.collector import CallCollector
from tapehead.interop.flow_files import read_flow_file
from tapehead.protocol.exchange import ClosedBy
from tapehead.protocol.hosts import EndpointHosts
from tapehead.proxy.flows import closed_by

OPEN, CLOSED = ConnectionState.OPEN, ConnectionState.CLOSED
CUT = "HTTP/1 protocol error: peer closed connection without sending complete message body (received 2 bytes)"


def failed(message: str, client: ConnectionState, server: ConnectionState, *, cut: bool, connected: bool) -> HTTPFlow:
    flow = flow_of(sent("s1", {"eventType": "ping"}, answered=None))
    flow.error = Error(message) if message else None
    flow.client_conn.state, flow.server_conn.state = client, server
    flow.server_conn.timestamp_start = 1.0 if connected else None
    if cut:
        flow.request.raw_content, flow.request.timestamp_end = None, None
    return flow


# The message; the states of the client's and the server's connection; whether the request was cut, and whether the
# server was ever connected; who closed; and who did as far as a saved flow tells. As seen with mitmproxy 12.
Case = tuple[str, ConnectionState, ConnectionState, bool, bool, ClosedBy | None, ClosedBy | None]
CASES: list[Case] = [
    ("Client disconnected.", CLOSED, CLOSED, False, True, "client", "client"),
    ("Client disconnected.", CLOSED, OPEN, False, True, "client", "client"),
    ("stream reset by client (CANCEL)", OPEN, OPEN, False, True, "client", "client"),
    ("peer closed connection", CLOSED, OPEN, False, True, "client", None),
    (CUT, CLOSED, OPEN, True, True, "client", "client"),
    (CUT, CLOSED, CLOSED, True, False, "client", "client"),
    ("server closed connection", OPEN, CLOSED, False, True, "endpoint", "endpoint"),
    (CUT, OPEN, CLOSED, False, True, "endpoint", "endpoint"),
    ("peer closed connection", OPEN, CLOSED, False, True, "endpoint", None),
    ("[Errno 111] Connect call failed", OPEN, CLOSED, False, False, None, None),
    ("stream reset by client (INTERNAL_ERROR)", OPEN, OPEN, False, True, None, None),
    (Error.KILLED_MESSAGE, OPEN, CLOSED, False, True, None, None),
    ("", OPEN, CLOSED, False, True, None, None),
]


@pytest.mark.parametrize(("message", "client", "server", "cut", "connected", "live", "saved"), CASES)
def test_who_closed_is_told(
    message: str,
    client: ConnectionState,
    server: ConnectionState,
    cut: bool,
    connected: bool,
    live: ClosedBy | None,
    saved: ClosedBy | None,
) -> None:
    flow = failed(message, client, server, cut=cut, connected=connected)
    collector = CallCollector(EndpointHosts(()), pytest.fail)
    collector.start_file("a.flow")
    read_flow_file("a.flow", io.BytesIO(flow_file(flow)), collector, pytest.fail)

    assert closed_by(flow) == live
    assert [(call.exchange.closed_by, call.exchange.request.saved) for call in collector.calls] == [(saved, not cut)]
