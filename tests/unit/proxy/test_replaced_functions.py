"""The functions of mitmproxy whose work a lean proxy does itself: an upgrade that changes one has to be looked at."""

import hashlib
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from mitmproxy import addonmanager, hooks, http, master
from mitmproxy.proxy import layer, mode_servers, server

# A digest of each function whose work is done elsewhere here, as in mitmproxy 12.2.1 to 12.3.1.
DIGESTS: dict[Callable[..., Any], str] = {
    addonmanager.AddonManager.trigger_event: "58789e378391cb37",
    addonmanager.AddonManager.handle_lifecycle: "f0338e4107ec4a37",
    addonmanager.AddonManager.invoke_addon: "67727fbc45caa070",
    addonmanager.AddonManager._iter_hooks: "5058c0c67a3faf2e",
    addonmanager.AddonManager.add: "b212cb8773caf99c",
    addonmanager.AddonManager.remove: "ac83e16b537cc208",
    addonmanager.AddonManager.clear: "029526a5b46f7612",
    addonmanager.AddonManager._configure_all: "bcca4061a6352585",
    addonmanager.traverse: "bad3d9f88bdf9269",
    addonmanager.safecall: "f2052c18340e99b0",
    hooks.Hook.args: "c8180528126b87ab",
    http.MessageData.__post_init__: "dd4a02a58bf8a1d2",
    layer.Layer.handle_event: "1dd2c9090fd69965",
    master.Master.__init__: "468bb33f461350fa",
    mode_servers.ProxyConnectionHandler.handle_hook: "70040da89dcb04a7",
    mode_servers.ServerInstance.handle_stream: "1c3c1b86397b3c55",
    server.ConnectionHandler.handle_client: "8b7e65bb29baac16",
    server.ConnectionHandler.hook_task: "ee1a86b881105262",
    server.ConnectionHandler.server_event: "a9aa2c5307ef8e15",
}


def digest_of(function: Callable[..., Any]) -> str:
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    return hashlib.sha256(source.encode()).hexdigest()[:16]


@pytest.mark.parametrize("function", DIGESTS, ids=[each.__qualname__ for each in DIGESTS])
def test_a_replaced_function_of_mitmproxy_is_as_it_was(function: Callable[..., Any]) -> None:
    assert digest_of(function) == DIGESTS[function], (
        f"this version of mitmproxy has changed {function.__module__}.{function.__qualname__}: compare it with "
        "tapehead.proxy.hook_dispatch, inline_hooks and unchecked_messages, and then change its digest here"
    )
