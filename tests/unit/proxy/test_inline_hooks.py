"""Hooks run at once: what is called, what a layer is told and what is sent is as with mitmproxy's tasks."""

import asyncio
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy import command, http, options
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client
from mitmproxy.proxy import commands, context, events, layer
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.proxy.layers.tcp import TcpErrorHook
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow

from tapehead.internal_errors import InternalErrors
from tapehead.proxy.hook_dispatch import PreparedHooks
from tapehead.proxy.inline_hooks import HookLayer, InlineHooks

ACTIONS = ("pass", "wait", "later", "fail", "intercept")


class Writer:
    """A client's connection that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.write = self.sent.append

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2), "transport_protocol": "tcp"}.get(name)

    def is_closing(self) -> bool:
        return False


class Protocol(layer.Layer):
    """A protocol whose bytes say what it does: `h` runs a hook and waits for it, `e` one that is not waited for."""

    def __init__(self, connection: context.Context, told: list[str]) -> None:
        super().__init__(connection)
        self.told = told

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        self.told.append(type(event).__name__)
        for number in event.data if isinstance(event, events.DataReceived) else b"":
            step = chr(number)
            if step == "h":
                yield HttpRequestHook(tflow.tflow())
                self.told.append("hook is over")
            elif step == "e":
                hook = TcpErrorHook(tflow.ttcpflow())
                hook.blocking = False
                yield hook
            yield commands.SendData(self.context.client, step.encode())


class Acting:
    """An addon that does the next of its actions in each hook."""

    def __init__(self, actions: list[str], told: list[str]) -> None:
        self.actions, self.told = actions, told

    def request(self, flow: http.HTTPFlow) -> Any:
        return self._act(flow)

    def tcp_error(self, flow: Any) -> Any:
        return self._act(flow)

    def _act(self, flow: Any) -> Any:
        action = self.actions.pop(0) if self.actions else "pass"
        self.told.append(action)
        if action == "fail":
            raise KeyError("planted")
        if action == "intercept":
            flow.intercept()
            asyncio.get_running_loop().call_later(0.001, self._resume, flow)
        return self._wait(action) if action in ("wait", "later") else None

    def _resume(self, flow: Any) -> None:
        self.told.append("resumed")
        flow.resume()

    async def _wait(self, action: str) -> None:
        await asyncio.sleep(0 if action == "wait" else 0.001)
        self.told.append(f"{action} is over")


class Observer:
    """An addon behind it."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    async def request(self, flow: http.HTTPFlow) -> None:
        self.told.append(f"seen {flow.intercepted}")


def play(received: list[bytes], actions: list[str], *, inline: bool, observed: bool) -> tuple[list[str], list[bytes]]:
    """What happens to what a client sends, and what it gets."""
    told: list[str] = []

    async def run() -> list[bytes]:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        proxy: Any = SimpleNamespace(options=options.Options())
        proxy.commands = command.CommandManager(proxy)
        proxy.addons = PreparedHooks(proxy)
        proxy.addons.add(Acting(list(actions), told), *([Observer(told)] if observed else []))
        writer: Any = Writer()
        opts: Any = SimpleNamespace(tcp_timeout=600)
        handler = ProxyConnectionHandler(proxy, writer, writer, opts, ProxyMode.parse("regular"))
        handler.layer = Protocol(handler.layer.context, told)
        if inline:
            handler.layer = HookLayer(handler, proxy.addons)  # type: ignore[assignment]
        for data in received:
            await handler.server_event(events.DataReceived(handler.client, data))
        wanted = sum(len(data) for data in received)
        async with asyncio.timeout(60):
            while len(writer.sent) < wanted or len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.001)
        sent: list[bytes] = writer.sent
        return sent

    return told, asyncio.run(run())


@settings(deadline=None)
@given(
    st.lists(st.text("hs", max_size=4).map(str.encode), max_size=4),
    st.lists(st.sampled_from(ACTIONS), max_size=10),
    st.booleans(),
)
def test_hooks_that_are_waited_for_run_one_after_the_other(
    received: list[bytes], actions: list[str], observed: bool
) -> None:
    ours = play(received, actions, inline=True, observed=observed)
    theirs = play(received, actions, inline=False, observed=observed)

    # Bytes that come while a hook is in progress wait for it: only the order of their arrival may differ.
    assert ours == theirs
    assert b"".join(ours[1]) == b"".join(received)


def test_hooks_that_are_not_waited_for_hold_nothing_up() -> None:
    told, sent = play([b"se", b"es"], ["later", "pass"], inline=True, observed=False)

    assert b"".join(sent) == b"sees"
    assert told.count("DataReceived") == 2
    assert told[-1] == "later is over"


def test_connections_get_the_layer_once_their_client_is_known() -> None:
    async def run() -> None:
        proxy: Any = SimpleNamespace(options=options.Options())
        proxy.commands = command.CommandManager(proxy)
        opened: Any = SimpleNamespace(layer=SimpleNamespace(context="its context"))
        client: Client = tflow.tclient_conn()
        server: Proxyserver = Proxyserver()
        server.connections = {client.id: opened}
        addon = InlineHooks(server, PreparedHooks(proxy), InternalErrors())
        addon.client_connected(client)
        addon.client_connected(tflow.tclient_conn())
        assert isinstance(opened.layer, HookLayer)
        assert opened.layer.context == "its context"

    asyncio.run(run())
