"""Answers to collection calls from an engine, in the endpoint's place, with nothing that reaches the network."""

import asyncio
import ipaddress
import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from mitmproxy import dns, http
from mitmproxy.net.dns import response_codes, types
from mitmproxy.proxy import server_hooks

from tapehead.answers import Answer, Engine, Observer
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.messages import Request
from tapehead.protocol.request_key import KeyedRequest
from tapehead.protocol.responses import FAILED, failure
from tapehead.protocol.routes import find_route
from tapehead.proxy.addons import OnUnmatched, RecorderAddon, wait_until_idle
from tapehead.proxy.called_host import name_upstream, request_as_called
from tapehead.proxy.error_boundary import contained, messages_of
from tapehead.proxy.flow_keys import key_of
from tapehead.proxy.flows import can_cut, cut, mark_answered, to_mitmproxy
from tapehead.proxy.hosts import Hosts
from tapehead.simulator.keyed_engine import keyed

# The address of every name offline; it is kept for documentation (RFC 5737), and no host has it.
_NO_HOST = ipaddress.IPv4Address("192.0.2.1")
NO_CALL = "not a Media Collection call: {request}; offline, other requests need --allow HOST"


class ReplayAddon:
    """An addon that answers collection calls from an engine, and lets nothing reach the network.

    Args:
        engine: answers the calls, those of each key from an engine of its own if it can.
        hosts: the hosts that count as the endpoint.
        allow: hosts whose requests may pass through to the network.
        observers: called in turn with each request, its answer, and its arrival in seconds since 1970.
        record: records forwarded calls; None where nothing is forwarded.
        on_unmatched: called for other requests to the endpoint, which are refused.
        internal_errors: records failures of the hooks.
    """

    def __init__(
        self,
        engine: Engine,
        hosts: Hosts,
        allow: Iterable[str] = (),
        observers: Sequence[Observer] = (),
        record: RecorderAddon | None = None,
        on_unmatched: OnUnmatched | None = None,
        *,
        internal_errors: InternalErrors,
    ) -> None:
        self.internal_errors = internal_errors
        self._on_unmatched = on_unmatched
        self._engine = keyed(engine)
        self._hosts = hosts
        self._allow = Hosts(allow)
        self._observers = observers
        self._record = record
        self._waiting = 0

    def request(self, flow: http.HTTPFlow) -> Coroutine[Any, Any, None] | None:
        """Answer a request; return the rest of that if the answer is delayed."""
        try:
            return self._answer(flow)
        except Exception as error:  # noqa: BLE001 - the player gets an answer in any case
            self._fail(flow, error)
            return None

    def _fail(self, flow: http.HTTPFlow, error: Exception) -> None:
        self.internal_errors.record("answering a call", error, lambda: messages_of((flow,)))
        flow.response = to_mitmproxy(failure(500, FAILED, time.time()))

    def _answer(self, flow: http.HTTPFlow) -> Coroutine[Any, Any, None] | None:
        if flow.response:
            return None  # it was for the certificate page
        now = time.time()
        if find_route(flow.request.path) is None or not self._hosts.counts(flow):
            self._refuse(flow, now)
            return None
        request = request_as_called(flow)
        answer = self._engine.answer_keyed(KeyedRequest(request, key_of(flow)), now)
        if answer.delay_ms:
            return self._give_later(flow, request, answer, now)
        self._give(flow, request, answer, now)
        return None

    async def _give_later(self, flow: http.HTTPFlow, request: Request, answer: Answer, now: float) -> None:
        self._waiting += 1
        try:
            await asyncio.sleep(answer.delay_ms / 1000)
        finally:
            self._waiting -= 1
        try:
            self._give(flow, request, answer, now)
        except Exception as error:  # noqa: BLE001 - the player gets an answer in any case
            self._fail(flow, error)

    def _give(self, flow: http.HTTPFlow, request: Request, answer: Answer, now: float) -> None:
        mark_answered(flow, answer, request.url)
        if answer.forward and self._record:
            name_upstream(flow)
            self._record.begin(flow, answer.replaces)
        elif answer.response is None or (answer.cut and not can_cut(flow, answer.response)):
            flow.kill()
        else:
            flow.response = to_mitmproxy(answer.response)
            if answer.cut:
                cut(flow.response)
        for observe in self._observers:
            self._notify(observe, request, answer, now)

    @contained
    def _notify(self, observe: Observer, request: Request, answer: Answer, now: float) -> None:
        observe(request, answer, now)

    async def drain(self, timeout_seconds: float) -> None:
        """Wait until delayed and forwarded answers are given, at most for `timeout_seconds`."""
        deadline = time.monotonic() + timeout_seconds
        await wait_until_idle(lambda: bool(self._waiting), timeout_seconds)
        if self._record:
            await self._record.drain(deadline - time.monotonic())

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Stream no request that is going to be refused: mitmproxy would refuse the connection in its own words."""
        if not self._allow.names(flow.request.pretty_host, flow.request.port):
            flow.request.stream = False

    def _refuse(self, flow: http.HTTPFlow, now: float) -> None:
        if not self._allow.names(flow.request.pretty_host, flow.request.port):
            is_endpoint = self._hosts.counts(flow)
            name = f"{flow.request.method} {flow.request.path if is_endpoint else flow.request.pretty_url}"
            flow.response = to_mitmproxy(failure(501, NO_CALL.format(request=name), now))
            if self._on_unmatched and is_endpoint:
                self._on_unmatched(flow.request.method, flow.request.path, 501)
        else:
            name_upstream(flow)

    @contained
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Refuse a tunnel that is neither to the endpoint nor allowed."""
        host, port = flow.request.host, flow.request.port
        if flow.response is None and not self._allow.names(host, port):
            flow.response = to_mitmproxy(failure(501, NO_CALL.format(request=f"CONNECT {host}:{port}"), time.time()))

    def dns_request(self, flow: dns.DNSFlow) -> None:
        """Answer a look-up without the network; where that fails, with a failure, since mitmproxy would ask others."""
        try:
            self._answer_look_up(flow)
        except Exception as error:  # noqa: BLE001 - nothing leaves this machine in any case
            self.internal_errors.record("answering a look-up", error)
            flow.response = flow.request.fail(response_codes.SERVFAIL)

    def _answer_look_up(self, flow: dns.DNSFlow) -> None:
        """Answer a look-up: any address will do for a host that nothing connects to."""
        question = flow.request.question
        allowed = {part for name in self._allow.named for part in (name, name.rpartition(":")[0])}
        if self._record or (question and question.name.lower() in allowed):
            return
        found = []
        if question and question.type == types.A:
            found = [dns.ResourceRecord.A(question.name, _NO_HOST, ttl=1)]
        flow.response = flow.request.succeed(found)

    @contained
    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Refuse connections to hosts that are not allowed."""
        host, port, *_ = data.server.address or ("", 0)
        if not self._record and not self._allow.names(host, port):
            data.server.error = f"tapehead replays offline and does not connect to {host}:{port}; see --allow"
