"""The keys of tests in mitmproxy's flows: taken out before the request is recorded, answered or sent on."""

import logging
from collections.abc import Mapping

from mitmproxy import http

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.cors import allow_key_header
from tapehead.protocol.messages import Request
from tapehead.protocol.request_key import KEY_HEADER, NO_KEY, RequestKey, may_name_key, strip_key
from tapehead.protocol.routes import Call
from tapehead.proxy.error_boundary import contained
from tapehead.proxy.flows import route_of
from tapehead.proxy.request_fields import header_of
from tapehead.recording.capture import decode_headers

logger = logging.getLogger(__name__)

_KEY = "tapehead.key"
_HEADER = KEY_HEADER.lower().encode()


def take_key(flow: http.HTTPFlow) -> None:
    """Take the key out of a request to the endpoint; `key_of` gives it from now on."""
    request = flow.request
    if not (
        header_of(request.headers, _HEADER) is not None or request.method == "OPTIONS" or may_name_key(request.path)
    ):
        return
    head = Request(method=request.method, url=request.path, headers=decode_headers(request.headers.fields))
    stripped, key = strip_key(head)
    if stripped is head:
        return
    flow.metadata[_KEY] = key
    request.path = stripped.url
    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in stripped.headers]
    request.headers = http.Headers(fields)


def key_of(flow: http.HTTPFlow) -> RequestKey:
    """Return the key that was taken out of a flow's request."""
    key: RequestKey = flow.metadata.get(_KEY, NO_KEY)
    return key


def is_of(flow: http.HTTPFlow, keys: Mapping[str, str], key: str | None, sid: str | None) -> bool:
    """Return whether a call is one of a key, and of a session (None for any), and no preflight.

    Args:
        flow: the call.
        keys: the keys of sessions.
        key: the key of a test.
        sid: the id of a session.
    """
    route = route_of(flow)
    if route is None or route.call is Call.PREFLIGHT:
        return False
    own = route.sid or ""
    return sid in (None, own) and key in (None, key_of(flow).key or keys.get(own, ""))


class KeyPermission:
    """An addon that lets pages send the header with a key, which the endpoint does not know; behind those that record.

    Args:
        internal_errors: records failures of the hook.
    """

    def __init__(self, internal_errors: InternalErrors) -> None:
        self.internal_errors = internal_errors
        self._has_warned = False

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Warn once of invalid keys: the call goes on without one."""
        problem = key_of(flow).problem
        if problem and not self._has_warned:
            self._has_warned = True
            logger.warning("%s; such calls are recorded without a key", problem)

    @contained
    def response(self, flow: http.HTTPFlow) -> None:
        """Add the permission to the answer to a preflight for a call with the header."""
        if flow.response and route_of(flow) and key_of(flow).asks:
            allowed = allow_key_header(decode_headers(flow.response.headers.fields))
            flow.response.headers = http.Headers([(n.encode("latin-1"), v.encode("latin-1")) for n, v in allowed])
