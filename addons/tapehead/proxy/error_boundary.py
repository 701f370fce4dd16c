"""Error boundaries for mitmproxy's hooks: a failure is logged and counted, and the flow continues unchanged."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Protocol

from mitmproxy import exceptions, http

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.messages import Request, Response
from tapehead.proxy.flows import request_of, response_of


class HasInternalErrors(Protocol):
    """An addon that records failures of its hooks."""

    internal_errors: InternalErrors


def contained[S: HasInternalErrors, **P](
    hook: Callable[Concatenate[S, P], None],
) -> Callable[Concatenate[S, P], None]:
    """Return a hook whose failures are logged and counted, and never reach the flow."""

    @functools.wraps(hook)
    def run_contained(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the player's traffic continues in any case
            self.internal_errors.record(hook.__qualname__, error, lambda: messages_of(args))

    return run_contained


def contained_async[S: HasInternalErrors, **P](
    hook: Callable[Concatenate[S, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, None]]:
    """Return the same for a hook that is a coroutine function."""

    @functools.wraps(hook)
    async def run_contained(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await hook(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the player's traffic continues in any case
            self.internal_errors.record(hook.__qualname__, error, lambda: messages_of(args))

    return run_contained


def contained_command[S: HasInternalErrors, **P, R](
    command: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[S, P], R]:
    """Return a command whose failures are logged and counted, and told as an error; others would end mitmproxy."""

    @functools.wraps(command)
    def run_contained(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(self, *args, **kwargs)
        except exceptions.CommandError:
            raise
        except Exception as error:
            self.internal_errors.record(command.__qualname__, error)
            raise exceptions.CommandError("tapehead failed in this command; the event log has the reason") from error

    return run_contained


def messages_of(args: tuple[object, ...]) -> tuple[Request | None, Response | None]:
    """Return the request and the response of the flow among a hook's arguments."""
    flow = next((arg for arg in args if isinstance(arg, http.HTTPFlow)), None)
    if flow is None:
        return None, None
    return request_of(flow.request), response_of(flow.response) if flow.response else None
