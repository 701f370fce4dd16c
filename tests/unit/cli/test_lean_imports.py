"""Imports of libraries without what a command does not use: everything else is still there, whoever asks for it."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.paths import RECORDINGS_FOLDER
from support.processes import running
from tapehead.cli.lean_imports import OF_INSPECT, cleandoc

RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"

LAZY = """
import sys
from tapehead.cli.lean_imports import GROUPS, MODULES, LazyName, import_proxy_lazily, import_server_lazily
import_proxy_lazily()
import_server_lazily()
"""
CODE = {
    "the package works as ever": """
import mitmproxy.addons
names = {type(addon).__name__ for addon in mitmproxy.addons.default_addons()}
assert {"Core", "ScriptLoader", "Browser"} <= names, names
assert mitmproxy.addons.browser.Browser
""",
    "mitmproxy's tools work": """
import asyncio
from mitmproxy import options
from mitmproxy.tools.dump import DumpMaster
async def run():
    master = DumpMaster(options.Options())
    assert master.addons.get("scriptloader")
    master.commands.execute("set anticache true")
    assert master.options.anticache
asyncio.run(run())
""",
    "a module is an attribute": """
import mitmproxy.addons
assert mitmproxy.addons.block.Block
assert "mitmproxy.addons.browser" not in sys.modules
""",
    "there is nothing else": """
import mitmproxy.addons
for _ in range(2):
    try:
        mitmproxy.addons.other
    except AttributeError as error:
        assert "other" in str(error)
    else:
        raise AssertionError
""",
    "a package that is imported already is left alone": """
del sys.modules["mitmproxy.addons"]
import mitmproxy.addons
import_proxy_lazily()
assert mitmproxy.addons is sys.modules["mitmproxy.addons"]
assert "__getattr__" not in vars(mitmproxy.addons)
""",
    "the server's package works as ever": """
import uvicorn
assert uvicorn.__version__
assert uvicorn.Config(app=None) and uvicorn.Server and uvicorn.run
""",
    "the server's modules are imported one by one": """
from uvicorn import Config, Server
from uvicorn.lifespan.off import LifespanOff
import uvicorn.config, uvicorn.server
assert Config is uvicorn.config.Config and Server is uvicorn.server.Server
assert not sys.modules.keys() & {"uvicorn.main", "uvicorn.supervisors", "multiprocessing"}
""",
    "every name that mitmproxy imports is there": """
import tapehead.cli.record_run
import tapehead.proxy.login
from mitmproxy import flowfilter
lazy = [(module.__name__, name, value) for module in list(sys.modules.values())
        if module.__name__.partition(".")[0] in ("mitmproxy", "tapehead", "aioquic")
        for name, value in vars(module).items() if isinstance(value, LazyName)]
assert len(lazy) > 10, lazy
for module, name, value in lazy:
    assert value.resolve() is not None, (module, name)
for group in GROUPS:
    for name in group:
        assert type(sys.modules[name]) is type(sys), name
""",
    "a name stands for a class in all that is done with classes": """
from mitmproxy.proxy.layers.http._http2 import Http2Server
assert isinstance(Http2Server, LazyName)
assert not isinstance(1, Http2Server)
assert "h2.connection" not in sys.modules
class Own(Http2Server):
    pass
assert "h2.connection" in sys.modules
from mitmproxy.proxy.layers.http._http2 import Http2Server as Real
assert isinstance(Real, type) and Own.__mro__[1] is Real
assert isinstance(object.__new__(Own), Http2Server) and not isinstance(1, Http2Server)
assert Http2Server.__name__ != "LazyName" or Http2Server.h2_conf is Real.h2_conf
""",
    "constants are there": """
from mitmproxy.addons import tlsconfig
assert isinstance(tlsconfig.H3_ALPN, LazyName)
assert list(tlsconfig.H3_ALPN)[0] == "h3"
assert tlsconfig.CipherSuite["AES_128_GCM_SHA256"].name == "AES_128_GCM_SHA256"
""",
    "files of options are read": """
from mitmproxy import optmanager
assert "ruamel.yaml.main" not in sys.modules
assert optmanager.parse("a: 1") == {"a": 1}
import ruamel.yaml.comments
""",
    "filters are parsed": """
from mitmproxy import flowfilter
assert flowfilter.parse("~u collection & ~m POST")
""",
    "WebSocket messages have their kind": """
from mitmproxy.websocket import WebSocketMessage
assert WebSocketMessage(1, True, b"a").is_text
""",
    "libraries of all commands work as ever": """
for name in ("inspect", "textwrap", "typing_extensions", "msgspec"):
    sys.modules.pop(name, None)
from tapehead.cli.lean_imports import import_libraries_lazily
import_libraries_lazily()
import inspect, msgspec, textwrap
assert "typing_extensions" not in sys.modules
assert inspect.__spec__ is textwrap.__spec__ is None
assert textwrap.dedent("  a") == "a"
assert str(inspect.signature(lambda a, b=1: a)) == "(a, b=1)"
from inspect import Parameter
import typing_extensions
assert sys.modules["inspect"].Parameter is Parameter is inspect.Parameter
assert all(sys.modules[name].__spec__ for name in ("inspect", "textwrap"))
""",
    "what is imported already stays": """
for name in [*MODULES, *(name for group in GROUPS for name in group)]:
    sys.modules.pop(name, None)
import mitmproxy.proxy.layers
import mitmproxy.command
before = {name: sys.modules[name] for group in GROUPS for name in group}
import_proxy_lazily()
assert all(sys.modules[name] is module for name, module in before.items())
""",
}


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"{LAZY}\n{code}"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
def test_what_is_asked_of_the_package_is_there(code: str) -> None:
    run(code)


@pytest.mark.parametrize("command", ["record", "replay"])
def test_a_proxy_imports_only_the_addons_that_it_uses(command: str) -> None:
    run(f"""
import tapehead.cli.{command}_run
loaded = {{name.rpartition(".")[2] for name in sys.modules if name.startswith("mitmproxy.addons.")}}
assert loaded == {{"core", "next_layer", "proxyserver", "tlsconfig", "termlog"}}, loaded
heavy = {{"aioquic.quic", "h2", "wsproto.connection", "pyparsing.core", "ruamel.yaml.main", "service_identity"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
""")


SHOW_AT_EXIT = """
import atexit, sys
imported = lambda: sorted(name for name in sys.modules if name.startswith("mitmproxy.addons.b"))
atexit.register(lambda: print("tool addons:", imported()))
"""


@pytest.mark.parametrize("arguments", [("record", "--to", "http://127.0.0.1:9"), ("replay", RECORDING)])
def test_a_command_imports_no_addon_of_mitmproxys_tools(arguments: tuple[object, ...], tmp_path: Path) -> None:
    with running(*arguments, cwd=tmp_path, broken=SHOW_AT_EXIT, cold=True) as proxy:
        assert proxy.stop() == 0

    assert "tool addons: []" in proxy.lines


async def asynchronous() -> None:
    """Do nothing."""


def generating() -> object:
    yield


VALUES: list[object] = [setattr, asynchronous, generating, generating(), OF_INSPECT, print, iter(()), None, 1]


@given(st.text("a \t\n"))
def test_texts_are_unindented_as_by_inspect(text: str) -> None:
    assert cleandoc(text) == inspect.cleandoc(text)


@pytest.mark.parametrize("name", ["iscoroutinefunction", "isgenerator"])
def test_kinds_of_functions_are_told_as_by_inspect(name: str) -> None:
    assert [OF_INSPECT[name](each) for each in VALUES] == [getattr(inspect, name)(each) for each in VALUES]
