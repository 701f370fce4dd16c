"""Flow files, as mitmproxy writes them: the collection calls in them. Older versions go through its own converter."""

import io
import re
from collections.abc import Callable

from mitmproxy import flow, http
from mitmproxy.io import FlowReader
from mitmproxy.proxy import mode_specs

from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector, MalformedEntryError
from tapehead.interop.tnetstrings import LARGEST, NetstringError, Source, check_netstring, split_netstrings
from tapehead.proxy.flows import capture, mark
from tapehead.recording.capture import CapturedCall

_VERSION = re.compile(r"flow format version [\w(), ]{1,12}")
_MOST_SEARCHED = 200
NO_ANSWER = "no answer is in the flow file"


def read_flow_file(name: str, source: Source, sieve: CallCollector, warn: Callable[[str], None]) -> None:
    """Put what a flow file holds through a sieve; damage hides no other flow, and a cut none of those before it.

    Args:
        name: what the file is called in messages.
        source: the file.
        sieve: what takes the calls.
        warn: takes a line about what is wrong with the file.

    Raises:
        RecordingError: there is no flow in it.
    """
    number = 0
    try:
        for number, value in enumerate(split_netstrings(source), start=1):
            sieve.look()
            _read(name, number, value, sieve)
    except NetstringError as error:
        if not number:
            raise RecordingError(f"{name} is no flow file: {error}; save it again with mitmdump -w") from error
        warn(f"{name}: {error} after flow {number}; what stands before is imported")


def _read(name: str, number: int, value: bytes | None, sieve: CallCollector) -> None:
    try:
        _sift(_flow_of(value), sieve)
    except (NetstringError, MalformedEntryError) as error:
        sieve.damage(name, f"flow {number}", str(error))
    except Exception as error:  # noqa: BLE001 - mitmproxy raises anything where a flow is not as it writes them
        # Its message may quote what is in the flow.
        version = _VERSION.search(str(error)[:_MOST_SEARCHED])
        reason = f"is of {version[0]}" if version else f"says {type(error).__name__}"
        sieve.damage(name, f"flow {number}", f"mitmproxy cannot read it, which {reason}")


def _flow_of(value: bytes | None) -> flow.Flow:
    """The flow that a value of the file is.

    Raises:
        DamageError: it is larger than any that is looked into.
        Exception: it is none.
    """
    if value is None:
        raise MalformedEntryError(f"it is larger than {LARGEST:,} bytes")
    check_netstring(value)
    (found,) = FlowReader(io.BytesIO(value)).stream()
    return found


def _sift(found: flow.Flow, sieve: CallCollector) -> None:
    """Put a flow through the sieve.

    Raises:
        Exception: something in it is not what it should be.
    """
    if not isinstance(found, http.HTTPFlow) or found.websocket:
        sieve.leave_out()
        return
    asked = found.request
    is_reverse = isinstance(found.client_conn.proxy_mode, mode_specs.ReverseMode)
    route = sieve.pick(asked.method, asked.path, (asked.pretty_host, asked.host), asked.port, counts=is_reverse)
    if route:
        mark(found, route)
        seen = _see(found)
        sieve.take(seen)
        if asked.raw_content is None:
            sieve.miss_body(seen)


def _see(found: http.HTTPFlow) -> CapturedCall:
    error = found.error.msg if found.error else None if found.response else NO_ANSWER
    ended = found.error.timestamp if found.error else found.request.timestamp_end
    return capture(found, error, ended or found.request.timestamp_start)
