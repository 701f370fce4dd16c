"""A bug planted in the body of every hook of ours: the traffic goes on, and the failure is reported once.

The bug takes the place of the hook's own code, so that what stands around it is what stands around it in earnest.
"""

import importlib
import pkgutil
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from mitmproxy.hooks import all_hooks

from support.certificates import mitmdump, proxy_options
from support.forward_proxy import forward_proxy
from support.load import event_of
from support.paths import RECORDINGS_FOLDER
from support.processes import Command, running
from support.tunnels import trust_both
from support.upstream_server import Upstream, free_port, upstream
from tapehead import mitmproxy_script, proxy
from tapehead.proxy import login, upstream_proxy_addon

EVENTS = "/api/v1/sessions/abc/events"
RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"
BREAK = """
import inspect
from tapehead.{package}.{module} import {owner}
def broken(*_, **__):
    raise KeyError("planted")
async def waits(*_, **__):
    raise KeyError("planted")
hook = inspect.unwrap({owner}.{hook})
hook.__code__ = (waits if inspect.iscoroutinefunction(hook) else broken).__code__
"""
# What takes part in recording as a proxy, and how many of the three calls are then lost.
RECORDING_HOOKS = {
    ("addons", "CallSelector", "http_connect"): 0,
    ("addons", "CallSelector", "requestheaders"): 3,
    ("addons", "CallSelector", "responseheaders"): 0,
    ("addons", "RecorderAddon", "requestheaders"): 3,
    ("addons", "RecorderAddon", "response"): 0,
    ("addons", "RecorderAddon", "error"): 0,
    ("addons", "RecorderAddon", "done"): 0,
    ("hosts", "TlsPassthrough", "tls_clienthello"): 0,
    ("elsewhere_addon", "ElsewhereAddon", "client_connected"): 0,
    ("elsewhere_addon", "ElsewhereAddon", "http_connect"): 0,
    ("elsewhere_addon", "ElsewhereAddon", "requestheaders"): 0,
    ("elsewhere_addon", "ElsewhereAddon", "next_layer"): 0,
    ("elsewhere_addon", "ElsewhereAddon", "tls_clienthello"): 0,
    ("untrusted_certificate", "CertificateCheck", "tls_established_client"): 0,
    ("untrusted_certificate", "CertificateCheck", "tls_failed_client"): 0,
    ("untrusted_certificate", "CertificateCheck", "client_disconnected"): 0,
    ("untrusted_certificate", "CertificateCheck", "done"): 0,
    ("plain_http2", "PlainHttp2", "next_layer"): 0,
    ("plain_http2", "PlainHttp2", "requestheaders"): 0,
    ("whole_requests", "WholeRequests", "next_layer"): 0,
    ("idle_connections", "IdleConnections", "client_connected"): 0,
    ("idle_connections", "IdleConnections", "next_layer"): 0,
    ("idle_connections", "IdleConnections", "server_connect"): 0,
    ("inline_hooks", "InlineHooks", "client_connected"): 0,
    ("master", "ConnectionCloser", "response"): 0,
    ("master", "ConnectionCloser", "responseheaders"): 0,
    ("called_host", "LocationCheck", "response"): 0,
    ("flow_keys", "KeyPermission", "requestheaders"): 0,
    ("flow_keys", "KeyPermission", "response"): 0,
}
REPLAY_HOOKS = [
    ("replay_addon", "ReplayAddon", "request"),
    ("replay_addon", "ReplayAddon", "requestheaders"),
    ("replay_addon", "ReplayAddon", "http_connect"),
    ("replay_addon", "ReplayAddon", "server_connect"),
]
# It gives the player an answer, so that it is a shield itself.
WITHIN = {"request": "_answer"}
SCRIPT_HOOKS = [("addon", "OptionsAddon", hook) for hook in ("requestheaders", "request", "response", "error", "done")]
# What the script's hooks lead to later, and where that is said to have failed.
SCRIPT_PARTS = {
    ("addon", "OptionsAddon", "_conclude"): "OptionsAddon._conclude",
    ("run", "ScriptRun", "end"): "OptionsAddon.done",
    ("run", "ScriptRun", "store"): "RecorderAddon.response",
    ("flow_findings", "FlowFindings", "check"): "FlowFindings.check",
    ("journal_marks", "JournalMarks", "_take"): "marking flows",
    ("content_view", "CollectionView", "_rank"): "choosing the view of a call",
    ("content_view", "CollectionView", "_head"): "showing a call",
}
# Without these, calls are recorded all the same.
ONLY_SHOWN = ("flow_findings", "journal_marks", "content_view")
# They are called before there is any traffic.
SETTING_UP = {"load", "configure", "running"}
# `test_a_bug_on_the_way_to_a_proxy_leaves_the_answers_as_they_are`.
PROXY_HOOKS = [
    ("upstream_proxy_addon", "UpstreamProxyAddon", name)
    for name in sorted(set(vars(upstream_proxy_addon.UpstreamProxyAddon)) & set(all_hooks))
]
# They assign a constant, and come with mitmproxy's own addons.
CONSTANT_HOOKS = [("mitmproxy_addons", "WholeMessages", name) for name in ("requestheaders", "responseheaders")]
# A guard that fails lets nobody in: `security/test_client_access.py` and `security/test_login.py`.
GUARDS = [
    ("access_addons", "ClientFilterAddon", "client_connected"),
    ("access_addons", "ClientFilterAddon", "done"),
    *(("login", "Login", name) for name in (set(vars(login.Login)) & set(all_hooks)) - SETTING_UP),
]


def _hooks() -> Iterator[tuple[str, str, str]]:
    """Every hook of every addon of ours."""
    packages = (proxy, mitmproxy_script)
    names = [
        each.name for package in packages for each in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    ]
    for module in map(importlib.import_module, names):
        owners = (each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__)
        for owner in owners:
            for hook in (set(vars(owner)) & set(all_hooks)) - SETTING_UP if isinstance(owner, type) else ():
                yield module.__name__.rpartition(".")[2], owner.__name__, hook


def plant(module: str, owner: str, hook: str) -> str:
    """Return Python that breaks a hook."""
    package = "mitmproxy_script" if module in ("addon", "run") else "proxy"
    return BREAK.format(package=package, module=module, owner=owner, hook=hook)


def test_every_hook_is_broken_here() -> None:
    # A failing answer to a look-up lets nothing out: `proxy/test_dns.py`.
    look_up = ("replay_addon", "ReplayAddon", "dns_request")
    assert set(_hooks()) == {
        *RECORDING_HOOKS,
        *REPLAY_HOOKS,
        look_up,
        *SCRIPT_HOOKS,
        *GUARDS,
        *PROXY_HOOKS,
        *CONSTANT_HOOKS,
    }


def post(player: httpx.Client, url: str, number: int) -> int:
    return player.post(url + EVENTS, content=event_of(number), headers={"Content-Type": "application/json"}).status_code


def player_of(proxy: Command, trust: ssl.SSLContext) -> httpx.Client:
    return httpx.Client(proxy=proxy.url, verify=trust)


def assert_goes_on(player: httpx.Client, plain: Upstream, secured: Upstream) -> None:
    """Calls over http and https are answered, and one to nobody is told so; other traffic passes."""
    assert [post(player, server.url, number) for number, server in enumerate((plain, secured))] == [204, 204]
    assert player.get(f"{plain.url}/other").content == b"hello " * 1000
    assert post(player, f"http://127.0.0.1:{free_port()}", 2) == 502
    assert [each.body for each in plain.received] == [event_of(0), b""]
    assert [each.body for each in secured.received] == [event_of(1)]


def assert_told_once(proxy: Command, hook: str) -> None:
    (told,) = (line for line in proxy.lines if "tapehead failed in" in line)
    assert f"failed in {hook};" in told


@pytest.mark.parametrize("hook", RECORDING_HOOKS, ids=".".join)
def test_a_bug_in_recording_leaves_the_traffic_as_it_is(
    hook: tuple[str, str, str], tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    _module, owner, name = hook
    out, broken = tmp_path / "a.jsonl", plant(*hook)
    options = ["--mode", "regular", "--endpoint", "127.0.0.1", "--out", out, *proxy_options(tmp_path, authority)]
    with upstream() as plain, upstream(tls) as secured, running("record", *options, broken=broken) as proxy:
        with player_of(proxy, trust_both(tmp_path, authority)) as player:
            assert_goes_on(player, plain, secured)
        with httpx.Client(proxy=proxy.url) as distrustful, pytest.raises(httpx.ConnectError):
            distrustful.get(secured.url)
        assert proxy.stop() == 1

    stored = out.read_bytes().splitlines() if out.exists() else []
    assert len(stored) == 3 - RECORDING_HOOKS[hook]
    assert_told_once(proxy, f"{owner}.{name}")
    (summary,) = (line for line in proxy.lines if line.startswith("recorded "))
    assert "internal error" in summary
    assert ", see the log" in summary


@pytest.mark.parametrize("hook", REPLAY_HOOKS, ids=".".join)
def test_a_bug_in_replay_lets_nothing_out(
    hook: tuple[str, str, str], tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    module, owner, name = hook
    broken = plant(module, owner, WITHIN.get(name, name))
    options = ["--mode", "regular", "--endpoint", "127.0.0.1", "--allow", "localhost"]
    options += proxy_options(tmp_path, authority)
    with upstream() as plain, upstream(tls) as secured, running("replay", RECORDING, *options, broken=broken) as proxy:
        with player_of(proxy, trust_both(tmp_path, authority)) as player:
            answered = [post(player, server.url, 1) for server in (plain, secured)]
            allowed = player.get(f"https://localhost:{secured.port}/other")
        with player_of(proxy, trust_both(tmp_path, authority)) as stranger, pytest.raises(httpx.TransportError):
            stranger.get(f"https://nowhere.invalid:{secured.port}/other")
        assert proxy.stop() == 1

    # A ping takes no customMetadata.
    assert answered == ([500, 500] if name == "request" else [400, 400])
    assert allowed.content == b"hello " * 1000
    assert [each.path for each in (*plain.received, *secured.received)] == ["/other"]
    assert_told_once(proxy, "answering a call" if name == "request" else f"{owner}.{name}")


@pytest.mark.parametrize("hook", PROXY_HOOKS, ids=".".join)
def test_a_bug_on_the_way_to_a_proxy_leaves_the_answers_as_they_are(hook: tuple[str, str, str], tmp_path: Path) -> None:
    """A call is answered, by the endpoint or with a 502, and recorded."""
    _module, owner, name = hook
    broken, out = plant(*hook), tmp_path / "a.jsonl"
    with upstream() as server, forward_proxy(None, server.port) as company:
        options = ["--to", server.url, "--out", out, "--upstream-proxy", f"http://127.0.0.1:{company.port}"]
        with running("record", *options, broken=broken) as command:
            statuses = [httpx.post(command.url + EVENTS, content=event_of(number)).status_code for number in range(2)]
            command.stop()
    assert statuses == [204, 204]
    assert len(out.read_bytes().splitlines()) == len(statuses)
    if name in {"next_layer", "requestheaders", "request", "response"}:
        assert_told_once(command, f"{owner}.{name}")


@pytest.mark.parametrize("hook", [*SCRIPT_HOOKS, *SCRIPT_PARTS], ids=".".join)
@pytest.mark.parametrize(
    "option", ["tapehead_record={folder}/a.jsonl", f"tapehead_replay={RECORDING}"], ids=["record", "replay"]
)
def test_a_bug_in_the_script_leaves_the_traffic_as_it_is(
    option: str, hook: tuple[str, str, str], tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    module, owner, name = hook
    broken = plant(*hook)
    options = ["tapehead_endpoint=127.0.0.1", option.format(folder=tmp_path), "flow_detail=3"]
    with upstream() as plain, upstream(tls) as secured, mitmdump(tmp_path, authority, *options, broken=broken) as tool:
        with player_of(tool, trust_both(tmp_path, authority)) as player:
            assert player.get(f"{plain.url}/other").content == b"hello " * 1000
            assert post(player, secured.url, 1) in (204, 400)
            assert player.get(f"http://127.0.0.1:{free_port()}/other").status_code == 502
        tool.stop()

    assert_told_once(tool, SCRIPT_PARTS.get(hook, f"{owner}.{name}"))
    if module in ONLY_SHOWN and option.startswith("tapehead_record"):
        assert len((tmp_path / "a.jsonl").read_bytes().splitlines()) == 1


SLOW_START = """
import asyncio
from mitmproxy.master import Master
running = Master.running
async def slow(self):
    await asyncio.sleep(1)
    await running(self)
Master.running = slow
"""


def test_a_bug_that_shows_while_mitmdump_starts_does_not_end_it(
    tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    broken = plant("addon", "OptionsAddon", "requestheaders") + SLOW_START
    with upstream(tls) as server, mitmdump(tmp_path, authority, broken=broken) as tool:
        with player_of(tool, trust_both(tmp_path, authority)) as player:
            assert post(player, server.url, 1) == 204
            time.sleep(2)
            assert post(player, server.url, 2) == 204
        assert tool.stop() == 0

    assert_told_once(tool, "OptionsAddon.requestheaders")
