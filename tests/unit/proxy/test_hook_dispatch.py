"""Dispatch to prepared hooks: what it calls, in which order, and what it logs is what mitmproxy's own does."""

import asyncio
import contextlib
import logging
import traceback
import types
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from mitmproxy import addonmanager, command, exceptions, hooks, options
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.proxy.server_hooks import ClientConnectedHook
from mitmproxy.test import tflow

from tapehead.proxy.hook_dispatch import PreparedHooks

# What a hook does, and what kind of attribute it is; most are methods, with which mitmproxy itself is not asked.
ACTIONS = ("pass", "fail", "halt", "option", "wait", "wait_fail", "wait_halt", "wait_option", "later", "text")
KINDS = ("own", "static", "property", "none", "module", "number", "callable")
Hooks = dict[str, tuple[str, str] | None]
Spec = tuple[Hooks, str, list[Any]]
Calls = list[tuple[str, str, int]]

hook_kinds = st.tuples(st.sampled_from(ACTIONS), st.sampled_from(["method"] * 80 + list(KINDS)))
updates = st.sampled_from([None] * 15 + [("pass", "method"), ("wait", "method")])
hook_tables: st.SearchStrategy[Hooks] = st.fixed_dictionaries(
    {"request": hook_kinds, "client_connected": hook_kinds, "running": hook_kinds | st.none(), "update": updates}
)
shapes = st.sampled_from(["plain"] * 25 + ["dynamic", "class"])
inner_specs = st.lists(st.tuples(hook_tables, shapes, st.just(list[Any]())), min_size=1, max_size=2)
addon_specs: st.SearchStrategy[Spec] = st.tuples(
    hook_tables,
    shapes,
    st.sampled_from([False] * 15 + [True]).flatmap(lambda nested: inner_specs if nested else st.just([])),
)
events = st.sampled_from(["request", "connected", "running", "request_only"])
steps = st.one_of(events, events, events, st.sampled_from(["options", "remove", "remove", "clear"]), addon_specs)


def hook_of(action: str, told: Callable[[], None]) -> Callable[..., Any]:
    """A hook that tells of its call, and then does something."""
    errors = {"fail": KeyError, "halt": exceptions.AddonHalt, "option": exceptions.OptionsError}

    def now(*_: object) -> object:
        told()
        if action in errors:
            raise errors[action]("planted")
        return "no awaitable" if action == "text" else None

    async def wait(*_: object) -> None:
        told()
        await asyncio.sleep(0)
        told()
        if error := errors.get(action.removeprefix("wait_")):
            raise error("planted")

    def later(*_: object) -> object:
        told()
        return wait()

    return later if action == "later" else wait if action.startswith("wait") else now


def tell(calls: Calls, name: str, event: str) -> None:
    calls.append((name, event, len(calls)))


def return_hook(hook: Callable[..., Any], _addon: object) -> Callable[..., Any]:
    return hook


def make_addon(spec: Spec, calls: Calls, name: str = "a") -> Any:
    """An addon as `spec` says, which appends its calls to `calls`."""
    table, shape, inner = spec
    of_class: dict[str, Any] = {"name": name, "__repr__": lambda _: name}
    own: dict[str, Any] = {"addons": [make_addon(each, calls, f"{name}{i}") for i, each in enumerate(inner)]}
    if not inner:
        own = {}
    for event, hook_kind in table.items():
        if hook_kind is None:
            continue
        action, kind = hook_kind
        hook = hook_of(action, partial(tell, calls, name, event))
        kinds = {
            "method": hook,
            "static": staticmethod(hook),
            "property": property(partial(return_hook, hook)),
            "none": None,
            "module": types,
            "number": 1,
            "callable": SimpleNamespace,
        }
        if kind == "own":
            own[event] = hook
        elif kind == "callable":
            of_class[event] = type("Hook", (), {"__call__": hook})()
        else:
            of_class[event] = kinds[kind]
    if shape == "dynamic":
        hook = hook_of("pass", partial(tell, calls, name, "dynamic"))
        of_class["__getattr__"] = lambda _, event: hook if event in ("request", "running") else _missing(event)
    kind_of = type("Addon", (), {**of_class, **(own if shape == "class" else {})})
    if shape == "class":
        return kind_of
    addon = kind_of()
    vars(addon).update(own)
    return addon


def _missing(name: str) -> Any:
    raise AttributeError(name)


class Log(logging.Handler):
    """What mitmproxy logs about addons: messages, and from the hook on the functions that failed."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, object, list[str]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        kind, _, trace = record.exc_info or (None, None, None)
        # A hook that cannot be called has no frame of its own: the dispatch is shown, which differs.
        frames = traceback.extract_tb(trace)
        is_called = any(each.filename == __file__ for each in frames)
        self.lines.append((record.getMessage(), kind, [each.name for each in frames] if is_called else []))


@contextlib.contextmanager
def logged_to(log: Log) -> Iterator[None]:
    """Have what mitmproxy logs about addons in `log`, and nowhere else."""
    addonmanager.logger.addHandler(log)
    addonmanager.logger.propagate = False
    try:
        yield
    finally:
        addonmanager.logger.removeHandler(log)
        addonmanager.logger.propagate = True


def play(kind: type[addonmanager.AddonManager], played: list[Any]) -> tuple[Calls, list[Any], list[str]]:
    """What is called, logged and raised in the steps of a test."""
    calls: Calls = []
    raised: list[str] = []
    proxy: Any = SimpleNamespace(options=options.Options())
    proxy.commands = command.CommandManager(proxy)
    manager = kind(proxy)
    events: dict[str, Callable[[], Any]] = {
        "request": lambda: manager.handle_lifecycle(HttpRequestHook(tflow.tflow())),
        "request_only": lambda: manager.trigger_event(HttpRequestHook(tflow.tflow())),
        "connected": lambda: manager.handle_lifecycle(ClientConnectedHook(tflow.tclient_conn())),
        "running": lambda: manager.trigger_event(hooks.RunningHook()),
    }
    log = Log()
    with logged_to(log), asyncio.Runner() as runner:
        for number, step in enumerate(played):
            try:
                if step == "options":
                    proxy.options.update(listen_port=number + 1)
                elif step == "clear":
                    manager.clear()
                elif step == "remove":
                    manager.remove(manager.chain[0])
                elif step == "replace":
                    vars(manager.chain[0])["request"] = partial(tell, calls, "replaced", "request")
                elif isinstance(step, str):
                    runner.run(events[step]())
                else:
                    manager.add(make_addon(step, calls, f"a{number}"))
            except Exception as error:  # noqa: BLE001 - they are compared
                raised.append(f"{number} {type(error).__name__}")
    return calls, log.lines, raised


def one_of(kind: str = "method", shape: str = "plain") -> Spec:
    return {"request": ("pass", kind), "client_connected": ("wait", kind), "running": None, "update": None}, shape, []


@example([one_of(), one_of()], ["request", "connected", "remove", "request", "connected"])
@example([one_of(), one_of()], ["request", "clear", "request"])
@example([one_of(shape="dynamic")], ["running", "request"])
@example([one_of("own")], ["request", "replace", "request"])
@settings(deadline=None)
@given(st.lists(addon_specs, min_size=1, max_size=4), st.lists(steps, min_size=2, max_size=8))
def test_hooks_are_called_as_mitmproxy_calls_them(addons: list[Spec], then: list[Any]) -> None:
    played = [*addons, *then]
    assert play(PreparedHooks, played) == play(addonmanager.AddonManager, played)


def test_a_hook_that_cannot_be_called_with_its_event_is_logged_and_the_others_are_called() -> None:
    calls: Calls = []
    narrow = type("Narrow", (), {"request": lambda _self: None})()
    played: list[Spec] = [
        ({"request": ("fail", "method")}, "plain", []),
        ({"request": ("pass", "method")}, "plain", []),
    ]

    async def run(kind: type[addonmanager.AddonManager]) -> list[Any]:
        proxy: Any = SimpleNamespace(options=options.Options())
        proxy.commands = command.CommandManager(proxy)
        manager = kind(proxy)
        manager.add(narrow, *(make_addon(each, calls, f"a{i}") for i, each in enumerate(played)))
        log = Log()
        with logged_to(log):
            await manager.handle_lifecycle(HttpRequestHook(tflow.tflow()))
        return log.lines

    assert asyncio.run(run(PreparedHooks)) == asyncio.run(run(addonmanager.AddonManager))
    assert [name for name, *_ in calls] == ["a0", "a1"] * 2
