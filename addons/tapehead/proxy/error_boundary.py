"""Shields for mitmproxy's hooks: whatever fails in one of ours is told and counted, and the flow goes on untouched."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Protocol

from mitmproxy import http

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.messages import Request, Response
from tapehead.proxy.flows import request_of, response_of


class Contained(Protocol):
    """An addon whose hooks are shielded."""

    failures: InternalErrors


def contained[S: Contained, **P](hook: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """A hook whose failure is told, counted, and never reaches the flow."""

    @functools.wraps(hook)
    def shield(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the player's traffic goes on, whatever it is
            self.failures.record(hook.__qualname__, error, lambda: messages_of(args))

    return shield


def contained_async[S: Contained, **P](
    hook: Callable[Concatenate[S, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, None]]:
    """The same for a hook that waits."""

    @functools.wraps(hook)
    async def shield(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await hook(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the player's traffic goes on, whatever it is
            self.failures.record(hook.__qualname__, error, lambda: messages_of(args))

    return shield


def messages_of(args: tuple[object, ...]) -> tuple[Request | None, Response | None]:
    """The request and the response of the flow that a hook was called with."""
    flow = next((each for each in args if isinstance(each, http.HTTPFlow)), None)
    if flow is None:
        return None, None
    return request_of(flow.request), response_of(flow.response) if flow.response else None
