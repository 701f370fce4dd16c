"""Dispatch of mitmproxy's events to hooks that are looked up once, and not for every event.

mitmproxy asks every addon for every event whether it has a hook, and guards each answer with a context manager: a third
of the time of a call. Here the hooks of an event are a list. It is made anew when addons or options change. What is
called, in which order, what ends a dispatch, and what is logged are mitmproxy's own: where an addon is not a plain
object whose hooks are methods of its class, mitmproxy itself dispatches.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import fields
from typing import Any

from mitmproxy import addonmanager, exceptions, flow, hooks, master, options

Hook = Callable[..., Any]
_NONE = object()


class PreparedEvent:
    """The hooks of one kind of event.

    Attributes:
        hooks: the hooks in their order; None where mitmproxy has to dispatch.
        names: the names of the event's arguments.
    """

    __slots__ = ("hooks", "names")

    def __init__(self, prepared: tuple[Hook, ...] | None, kind: type[hooks.Hook]) -> None:
        self.hooks = prepared
        self.names = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]


class PreparedHooks(addonmanager.AddonManager):
    """An addon manager that looks up the hooks of each kind of event once.

    An addon that is added in the middle of an event gets the next one.
    """

    def __init__(self, proxy: master.Master) -> None:
        super().__init__(proxy)  # type: ignore[no-untyped-call]
        self._prepared: dict[type[hooks.Hook], PreparedEvent] = {}

    def _prepared_event(self, kind: type[hooks.Hook]) -> PreparedEvent:
        """Return the hooks of a kind of event."""
        found = self._prepared.get(kind)
        if found is None:
            found = self._prepared[kind] = PreparedEvent(prepare(self.chain, kind.name), kind)
        return found

    async def trigger_event(self, event: hooks.Hook) -> None:
        """Call the hooks of an event."""
        if rest := self._start(event):
            await rest

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        """Call the hooks of an event, and those of `update` if it is about a flow."""
        if rest := self.start_lifecycle(event):
            await rest

    def start_lifecycle(self, event: hooks.Hook) -> Coroutine[Any, Any, None] | None:
        """Call the hooks of an event up to the first that has to be awaited; return the rest, None if that is all."""
        if self._prepared_event(hooks.UpdateHook).hooks != () and self.flow_of(event):
            return super().handle_lifecycle(event)
        return self._start(event)

    def flow_of(self, event: hooks.Hook) -> flow.Flow | None:
        """Return the flow that an event is about; None if it is about something else."""
        message = getattr(event, self._prepared_event(type(event)).names[0])
        return message if isinstance(message, flow.Flow) else None

    def _start(self, event: hooks.Hook) -> Coroutine[Any, Any, None] | None:
        prepared = self._prepared_event(type(event))
        if prepared.hooks is None:
            return super().trigger_event(event)
        if not prepared.hooks:
            return None
        return self._call(iter(prepared.hooks), [getattr(event, name) for name in prepared.names])

    def _call(self, remaining: Iterator[Hook], arguments: list[object]) -> Coroutine[Any, Any, None] | None:
        for hook in remaining:
            try:
                result = hook(*arguments)
            except exceptions.AddonHalt:
                return None
            except exceptions.OptionsError as error:
                return _raise(error)
            except Exception as error:  # noqa: BLE001 - as mitmproxy has it
                log_failure(error)
                continue
            if result is not None and inspect.isawaitable(result):
                return self._go_on(result, remaining, arguments)
        return None

    async def _go_on(self, result: Awaitable[object], remaining: Iterator[Hook], arguments: list[object]) -> None:
        try:
            await result
        except exceptions.AddonHalt:
            return
        except exceptions.OptionsError:
            raise
        except Exception as error:  # noqa: BLE001 - as mitmproxy has it
            log_failure(error)
        if rest := self._call(remaining, arguments):
            await rest

    def add(self, *addons: object) -> None:
        """Add addons."""
        try:
            super().add(*addons)  # type: ignore[no-untyped-call]
        finally:
            self._prepared.clear()

    def remove(self, addon: object) -> None:
        """Remove an addon."""
        try:
            super().remove(addon)  # type: ignore[no-untyped-call]
        finally:
            self._prepared.clear()

    def clear(self) -> None:
        """Remove all addons."""
        super().clear()  # type: ignore[no-untyped-call]
        self._prepared.clear()

    def _configure_all(self, updated: set[str]) -> None:
        super()._configure_all(updated)  # type: ignore[no-untyped-call]
        self._prepared.clear()


class LeanMaster(master.Master):
    """mitmproxy's master with prepared hooks."""

    addons: PreparedHooks

    def __init__(self, opts: options.Options) -> None:
        super().__init__(opts)
        self.addons = PreparedHooks(self)


def prepare(addons: Iterable[object], name: str) -> tuple[Hook, ...] | None:
    """Return the hooks of a name in order; None if they may change, and mitmproxy has to look them up."""
    found: list[Hook] = []
    for addon in addons:
        kind, hook = type(addon), inspect.getattr_static(addon, name, _NONE)
        is_plain = kind.__getattribute__ is object.__getattribute__ and not hasattr(kind, "__getattr__")
        if not is_plain or hasattr(addon, "addons"):
            return None
        if hook is _NONE:
            continue
        if not inspect.isfunction(hook) or hook is not inspect.getattr_static(kind, name, _NONE):
            return None  # it is no method of the class
        found.append(getattr(addon, name))
    return tuple(found)


def log_failure(error: Exception) -> None:
    """Log the failure of a hook as mitmproxy does, with the traceback from the hook on."""
    traceback = error.__traceback__ and error.__traceback__.tb_next  # without the frame of the call
    addonmanager.logger.error(f"Addon error: {error}", exc_info=(type(error), error, traceback or error.__traceback__))


async def _raise(error: Exception) -> None:
    raise error
