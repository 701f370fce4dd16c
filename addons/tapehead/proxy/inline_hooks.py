"""Hooks of a connection's layers, run at once where nothing has to be awaited.

For each hook mitmproxy starts a task, which waits for the connection's lock to tell the layer that the hook has run:
four tasks and turns of the event loop for a request. Here the layer is told in the same turn. Hooks that have to be
awaited get a task, as mitmproxy's do.
"""

from collections import deque
from collections.abc import Coroutine
from typing import Any

from mitmproxy.addons import proxyserver
from mitmproxy.connection import Client
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.utils import asyncio_utils

from tapehead.internal_errors import InternalErrors
from tapehead.proxy.error_boundary import contained
from tapehead.proxy.hook_dispatch import PreparedHooks


class InlineHooks:
    """An addon that has the hooks of connections run at once; it comes last.

    Args:
        server: mitmproxy's server.
        addons: the addons.
        internal_errors: records failures of the hook.
    """

    def __init__(self, server: proxyserver.Proxyserver, addons: PreparedHooks, internal_errors: InternalErrors) -> None:
        self.internal_errors = internal_errors
        self._server = server
        self._addons = addons

    @contained
    def client_connected(self, client: Client) -> None:
        """Put a layer that runs hooks around those of a connection."""
        if handler := self._server.connections.get(client.id):
            handler.layer = HookLayer(handler, self._addons)  # type: ignore[assignment]


class HookLayer:
    """A connection's layers, whose hooks are run.

    Args:
        handler: the connection.
        addons: the addons.
    """

    def __init__(self, handler: ProxyConnectionHandler, addons: PreparedHooks) -> None:
        self._handler = handler
        self._layer = handler.layer
        self._addons = addons

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Handle an event; yield the commands that are no hooks."""
        waiting = deque([event])
        while waiting:
            for command in self._layer.handle_event(waiting.popleft()):
                if not isinstance(command, commands.StartHook):
                    yield command
                elif rest := self._start(command):
                    asyncio_utils.create_task(
                        self._finish(command, rest),
                        name=f"handle_hook({command.name})",
                        keep_ref=True,
                        client=self._handler.client.peername,
                    )
                elif command.blocking:
                    waiting.append(events.HookCompleted(command))

    def _start(self, hook: commands.StartHook) -> Coroutine[Any, Any, None] | None:
        rest = self._addons.start_lifecycle(hook)
        if rest is None and (intercepted := self._addons.flow_of(hook)) and intercepted.intercepted:
            return intercepted.wait_for_resume()
        return rest

    async def _finish(self, hook: commands.StartHook, rest: Coroutine[Any, Any, None]) -> None:
        with self._handler.timeout_watchdog.disarm():
            await rest
            if found := self._addons.flow_of(hook):
                await found.wait_for_resume()
        if hook.blocking:
            await self._handler.server_event(events.HookCompleted(hook))
