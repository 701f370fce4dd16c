"""Delivery of requests that arrived whole, although their client has left since.

mitmproxy gives a request up as soon as its client closes the connection or cancels the stream. Without a proxy, the
endpoint has the request by then: a player that sends its last event and closes does not wait for an answer. So what a
client that leaves has sent whole goes on; mitmproxy gets the event of its leaving once its calls are answered and its
other requests sent. Once the proxy stops, a client that speaks HTTP/2 gets a GOAWAY frame behind an answer; its later
requests are not taken, so that it may repeat them elsewhere.
"""

from collections.abc import Callable
from typing import Any, cast
from weakref import WeakValueDictionary

from mitmproxy.addons import proxyserver
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import context, events, layer
from mitmproxy.proxy.commands import RequestWakeup, SendData
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import RequestEndOfMessage, RequestProtocolError, ResponseEndOfMessage
from mitmproxy.proxy.layers.http._http2 import Http2Server

from tapehead.internal_errors import InternalErrors
from tapehead.proxy.error_boundary import contained
from tapehead.proxy.flows import mark_left, route_of

# Time for the answer to a call whose client has left; its connections are files that other players need.
MOST_SECONDS = 30.0
# The head of a GOAWAY frame, behind which come the last stream and no error (RFC 9113, section 6.8).
GOAWAY, NO_ERROR = bytes.fromhex("000008 07 00 00000000"), bytes(4)


class WholeRequestStream(HttpStream):
    """One request with its answer; the event that its client left is held back while `is_pending`.

    Attributes:
        is_whole: whether all of the request has arrived.
        is_sent: whether all of it went to the server.
        is_given_up: whether the answer took too long.
    """

    is_whole = False
    is_sent = False
    is_given_up = False
    _left: RequestProtocolError | None = None

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Handle an event, or hold back the one by which the client cancels the request."""
        if isinstance(event, RequestProtocolError) and self.is_pending:
            self._left = event
            mark_left(self.flow)
            return
        self.is_whole = self.is_whole or isinstance(event, RequestEndOfMessage)
        yield from self._note_sent(event)
        if self._left and not self.is_pending:
            left, self._left = self._left, None
            yield from self._note_sent(left)

    def _note_sent(self, event: events.Event) -> CommandGenerator[None]:
        for command in super().handle_event(event):
            if isinstance(command, SendHttp) and isinstance(command.event, RequestEndOfMessage):
                self.is_sent = True
            yield command

    @property
    def is_pending(self) -> bool:
        """True if the request is whole, and has not gone to the server yet, or, if it is a call, has no answer."""
        is_over = self.client_state == self.state_errored or self.server_state in (self.state_done, self.state_errored)
        if not self.is_whole or self.is_given_up or self.child_layer or is_over:
            return False
        return route_of(self.flow) is not None or not self.is_sent


class WholeRequestLayer(HttpLayer):
    """A client's HTTP connection; the event that it was closed is held back while requests are pending.

    Args:
        context: what mitmproxy knows of the connection.
        mode: what the proxy is to the client.
        on_left: called with the client if it closed its connection while requests are pending.
    """

    def __init__(self, context: context.Context, mode: HTTPMode, on_left: Callable[[Client], None]) -> None:
        super().__init__(context, mode)
        self._on_left = on_left
        self._closed: events.Event | None = None
        self._timer: RequestWakeup | None = None
        self._last_stream = 0
        self._is_ending = False

    @property
    def is_idle(self) -> bool:
        """True if no request is in hand, nor a part of one."""
        received = getattr(self.connections.get(self.context.client), "buf", b"")
        return not self.streams and not received and self._closed is None

    @property
    def is_tunnel(self) -> bool:
        """True if all that is in hand is a tunnel that the client asked for."""
        requests = [each.flow.request for each in self.streams.values() if hasattr(each, "flow")]
        return bool(self.streams) and [each.method for each in requests] == ["CONNECT"] * len(self.streams)

    @property
    def _is_stopping(self) -> bool:
        """True if the proxy no longer listens."""
        return not self.context.options.server

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        client = self.context.client
        if isinstance(event, events.ConnectionClosed) and event.connection == client:
            self._closed = event
            if self._mark_pending():
                self._on_left(client)
                if not self._is_stopping:  # nothing would wait for it
                    self._timer = RequestWakeup(MOST_SECONDS)
                    yield self._timer
        elif isinstance(event, events.Wakeup) and event.command is self._timer:
            for stream in self._pending():
                stream.is_given_up = True
        else:
            yield from super()._handle_event(event)
        if self._closed and not self._mark_pending():
            closed, self._closed = self._closed, None
            yield from super()._handle_event(closed)

    def event_to_child(self, child: layer.Layer | HttpStream, event: events.Event) -> CommandGenerator[None]:
        """Pass an event on, and end a connection behind an answer if the proxy stops."""
        yield from super().event_to_child(child, event)
        is_answered = isinstance(child, Http2Server) and isinstance(event, ResponseEndOfMessage)
        if is_answered and self._is_stopping and not self._is_ending:
            self._is_ending = True
            yield SendData(self.context.client, GOAWAY + self._last_stream.to_bytes(4) + NO_ERROR)

    def _mark_pending(self) -> bool:
        """Mark the flows of pending requests as left by their client, and return whether there are any."""
        for stream in self._pending():
            mark_left(stream.flow)
        return bool(self._pending())

    def _pending(self) -> list[WholeRequestStream]:
        return [each for each in self.streams.values() if isinstance(each, WholeRequestStream) and each.is_pending]

    def make_stream(self, stream_id: int) -> CommandGenerator[None]:
        """Begin a request, unless the client was told that it is left out."""
        if self._is_ending:
            return
        self._last_stream = stream_id
        stream = self.streams[stream_id] = WholeRequestStream(self.context.fork(), stream_id)
        yield from self.event_to_child(stream, events.Start())


class WholeRequests:
    """An addon that has HTTP connections deliver whole requests.

    Args:
        server: mitmproxy's server.
        internal_errors: records failures of the hook.
    """

    def __init__(self, server: proxyserver.Proxyserver, internal_errors: InternalErrors) -> None:
        self.internal_errors = internal_errors
        self._server = server
        self._layers: WeakValueDictionary[str, WholeRequestLayer] = WeakValueDictionary()

    def layer_of(self, client: Client) -> WholeRequestLayer | None:
        """Return the innermost HTTP layer of a client's connection, or None if it speaks something else so far."""
        return self._layers.get(client.id)

    @contained
    def next_layer(self, choice: layer.NextLayer) -> None:
        """Replace an HTTP layer that mitmproxy chose by ours."""
        layers = cast(list[Any], choice.context.layers)
        if choice.layer is None or type(layers[-1]) is not HttpLayer:
            return
        replaced = layers.pop()
        ours = WholeRequestLayer(choice.context, replaced.mode, self._ignore_write_errors)
        self._layers[choice.context.client.id] = ours
        self._writer_to(choice.context.client)
        if choice.layer is replaced:
            choice.layer = ours
        else:
            layers[-2].child_layer = ours

    def _ignore_write_errors(self, client: Client) -> None:
        """Ignore errors of writing to a client that left; mitmproxy would end its other connections with them."""
        if writer := self._writer_to(client):
            writer.is_left = True

    def _writer_to(self, client: Client) -> "_ClientWriter | None":
        """Return the writer to a client, which takes the place of mitmproxy's; None if the connection is over."""
        handler = self._server.connections.get(client.id)
        opened = handler.transports.get(client) if handler else None
        if opened is None or opened.writer is None:
            return None
        if not isinstance(opened.writer, _ClientWriter):
            opened.writer = cast(Any, _ClientWriter(opened.writer, client))
        return cast(_ClientWriter, opened.writer)


class _ClientWriter:
    """A stream writer whose `drain` ignores that the client is gone, if it has left or its connection is still read.

    Who reads notices a reset, too, and what was read before it goes on; mitmproxy would end all connections at once.
    """

    def __init__(self, writer: Any, client: Client) -> None:
        self.is_left = False
        self._writer = writer
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    async def drain(self) -> None:
        try:
            await self._writer.drain()
        except OSError:
            if not self.is_left and not self._client.state & ConnectionState.CAN_READ:
                raise
