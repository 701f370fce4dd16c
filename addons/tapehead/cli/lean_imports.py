"""Imports without what a command does not use, which takes a third of the time until a proxy listens.

Packages of libraries import all of their modules, and mitmproxy all protocols that it speaks. Here a package is made
without running it; its modules can be imported one by one, and whoever asks it for anything else gets that: the
package runs then. And names of modules are placeholders, such as those for QUIC and HTTP/2: the first use of one
imports its module, as with the first connection that speaks it.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from types import BuiltinFunctionType, GeneratorType, ModuleType
from typing import Any, Self

# Packages that import more than their modules need.
ADDONS, SERVER = "mitmproxy.addons", "uvicorn"
# Names of the server's package that its modules use, by the modules that have them.
SERVER_NAMES = {"Config": "uvicorn.config", "Server": "uvicorn.server"}
# Modules of QUIC, HTTP/2, WebSockets and typed commands whose names are imported from them. What is in a group is
# imported at once.
GROUPS = (
    (
        "mitmproxy.proxy.layers.quic._client_hello_parser",
        "mitmproxy.proxy.layers.quic._raw_layers",
        "mitmproxy.proxy.layers.quic._stream_layers",
        "mitmproxy.proxy.layers.http._http3",
        "aioquic.h3.connection",
        "aioquic.tls",
    ),
    ("mitmproxy.proxy.layers.http._http2",),
    ("mitmproxy.proxy.layers.websocket", "wsproto.frame_protocol"),
    ("mitmproxy.command_lexer",),
)
# Modules that are imported as a whole, and used in functions.
PACKAGES = ("pyparsing", "ruamel.yaml", "wsproto")
MODULES = (*PACKAGES, "wsproto.handshake")
# Such modules of each command's libraries, and of the server: for inspection, wrapped texts, and files of log settings.
INSPECT, COMMAND_MODULES = "inspect", ("textwrap",)
SERVER_MODULES = ("logging.config",)


def import_libraries_lazily() -> None:
    """Have what the libraries of all commands import be imported when it is used."""
    if INSPECT not in sys.modules:
        _make_modules((INSPECT,))
        vars(sys.modules[INSPECT]).update(OF_INSPECT)
    _make_modules(COMMAND_MODULES)
    # From there, msgspec takes what `typing` has, too.
    name = "typing_extensions"
    if name not in sys.modules:
        sys.modules[name] = None  # type: ignore[assignment]
        try:
            import msgspec  # noqa: F401
        finally:
            del sys.modules[name]


def cleandoc(text: str) -> str:
    """Return a text without its indentation, as `inspect.cleandoc`: click asks for that of each option's help."""
    is_line = not ("\n" in text or "\t" in text)
    return text.lstrip(" ") if is_line else import_fully(INSPECT).cleandoc(text)


def iscoroutinefunction(function: object) -> bool:
    """Return what `inspect.iscoroutinefunction` does: event loops ask for that of each handler of a signal."""
    return type(function) is not BuiltinFunctionType and import_fully(INSPECT).iscoroutinefunction(function)


def isgenerator(value: object) -> bool:
    """Return what `inspect.isgenerator` does, which uvloop takes at its import."""
    return isinstance(value, GeneratorType)


# What is asked at each start, and needs no more.
OF_INSPECT: dict[str, Callable[[Any], Any]] = {
    each.__name__: each for each in (cleandoc, iscoroutinefunction, isgenerator)
}


def import_server_lazily() -> None:
    """Have the parts of the HTTP server imported when they are used, unless it is imported already."""
    _make_package(SERVER, SERVER_NAMES)
    _make_modules(SERVER_MODULES)


def import_proxy_lazily() -> None:
    """Have the parts of the proxy imported when they are used, but for those that are imported already."""
    _make_package(ADDONS, {})
    for group in GROUPS:
        if sys.modules.keys().isdisjoint(group):
            sys.modules.update({name: _Names(name, group) for name in group})
    _make_modules(MODULES)


class _LazyModule(ModuleType):
    """A module that is imported when an attribute of it is used."""

    def __init__(self, name: str, group: Sequence[str]) -> None:
        super().__init__(name)
        self._group = group

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and (name != "__path__" or self.__name__ not in PACKAGES):
            raise AttributeError(name)
        return getattr(_import(self.__name__, self._group), name)


class _Names(_LazyModule):
    """A module with names that stand for those of the module, which is imported when one of them is used."""

    def __getattr__(self, name: str) -> "LazyName":
        if name.startswith("__"):
            raise AttributeError(name)
        return LazyName(self.__name__, name, self._group)


class LazyName:
    """A class, function or constant of a module that is imported when it is used.

    Args:
        module: the module.
        name: its name there.
        group: the modules that are imported with that one.
    """

    def __init__(self, module: str, name: str, group: Sequence[str]) -> None:
        self._module, self._name, self._group = module, name, group

    def resolve(self) -> Any:
        """Return what it stands for."""
        return getattr(_import(self._module, self._group), self._name)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of what it stands for."""
        return getattr(self.resolve(), name)

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Call what it stands for."""
        return self.resolve()(*args, **named)

    def __iter__(self) -> Iterator[Any]:
        """Iterate over what it stands for."""
        return iter(self.resolve())

    def __getitem__(self, key: Any) -> Any:
        """Return an item of what it stands for."""
        return self.resolve()[key]

    def __instancecheck__(self, instance: object) -> bool:
        """Return whether it is the class of an object, as nothing is of a class that is not imported."""
        return not isinstance(sys.modules[self._module], _LazyModule) and isinstance(instance, self.resolve())

    def __mro_entries__(self, _bases: tuple[object, ...]) -> tuple[Any, ...]:
        """Return the base class that it stands for."""
        return (self.resolve(),)

    def __ror__(self, _other: object) -> Self:
        """Stand for a union in an annotation."""
        return self


def import_fully(name: str) -> ModuleType:
    """Import a module, also where a placeholder stands for it, and return it."""
    return _import(name, (name,))


def _import(name: str, group: Iterable[str]) -> ModuleType:
    for each in group:
        if isinstance(sys.modules.get(each), _LazyModule):
            del sys.modules[each]
    return import_module(name)


def _make_modules(names: Sequence[str]) -> None:
    for name in names:
        if name not in sys.modules:
            sys.modules[name] = module = _LazyModule(name, (name,))
            package, _, child = name.rpartition(".")
            if package and package not in names:
                setattr(import_module(package), child, module)


def _make_package(name: str, homes: Mapping[str, str]) -> None:
    from importlib.util import find_spec, module_from_spec

    spec = None if name in sys.modules else find_spec(name)
    if spec is None or spec.loader is None:
        return
    loader, package = spec.loader, module_from_spec(spec)

    def find(attribute: str) -> Any:
        if attribute.startswith("__") and attribute != "__version__":
            raise AttributeError(attribute)
        if attribute in homes:
            return getattr(import_module(homes[attribute]), attribute)
        if find_spec(f"{name}.{attribute}"):
            return import_module(f"{name}.{attribute}")
        if "__getattr__" in vars(package):
            del vars(package)["__getattr__"]
            loader.exec_module(package)
        return getattr(package, attribute)

    vars(package)["__getattr__"] = find
    sys.modules[name] = package
    if parent := name.rpartition(".")[0]:
        vars(sys.modules[parent])[name.rpartition(".")[2]] = package
