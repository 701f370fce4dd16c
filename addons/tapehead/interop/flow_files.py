"""Import of mitmproxy's flow files. Older versions go through mitmproxy's own converter."""

import io
import re
from collections.abc import Callable

from mitmproxy import http
from mitmproxy.io import FlowReader
from mitmproxy.proxy import mode_specs

from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector, MalformedEntryError
from tapehead.interop.tnetstrings import LARGEST, NetstringError, Source, check_netstring, split_netstrings
from tapehead.proxy.flows import capture, mark

_VERSION = re.compile(r"flow format version [\w(), ]{1,12}")
_MOST_SEARCHED = 200
NO_ANSWER = "the flow file has no response"


def read_flow_file(name: str, source: Source, collector: CallCollector, warn: Callable[[str], None]) -> None:
    """Collect the calls of a flow file. Malformed flows are skipped, and one that is cut short ends the file.

    Args:
        name: what the file is called in messages.
        source: the file.
        collector: takes the calls.
        warn: called with one line if the file is cut short.

    Raises:
        RecordingError: there is no flow in it, or its calls take too much memory.
    """
    number = 0
    try:
        for number, value in enumerate(split_netstrings(source), start=1):
            collector.count_entry()
            try:
                collect_flow(value, collector)
            except (NetstringError, MalformedEntryError) as error:
                collector.skip_malformed(name, f"flow {number}", str(error))
            except RecordingError:
                raise
            except Exception as error:  # noqa: BLE001 - mitmproxy raises anything where a flow is not as it writes them
                # Its message may quote the flow.
                version = _VERSION.search(str(error)[:_MOST_SEARCHED])
                reason = version[0] if version else type(error).__name__
                collector.skip_malformed(name, f"flow {number}", f"mitmproxy cannot read it ({reason})")
    except NetstringError as error:
        if not number:
            raise RecordingError(f"'{name}' is not a flow file: {error}; save it again with mitmdump -w") from error
        warn(f"{name}: {error} after flow {number}; the flows before it are imported")


def collect_flow(value: bytes | None, collector: CallCollector) -> None:
    """Collect the call that a value of a flow file holds, if it holds one; None is a value that is too large.

    Raises:
        Exception: something in the value is not as it should be.
    """
    if value is None:
        raise MalformedEntryError(f"it is larger than {LARGEST:,} bytes")
    check_netstring(value)
    (flow,) = FlowReader(io.BytesIO(value)).stream()
    if not isinstance(flow, http.HTTPFlow) or flow.websocket:
        collector.count_other()
        return
    request = flow.request
    is_reverse = isinstance(flow.client_conn.proxy_mode, mode_specs.ReverseMode)
    hosts = (request.pretty_host, request.host)
    route = collector.find_route(request.method, request.path, hosts, request.port, counts=is_reverse)
    if route:
        mark(flow, route)
        error = flow.error.msg if flow.error else None if flow.response else NO_ANSWER
        ended = flow.error.timestamp if flow.error else request.timestamp_end
        collector.add(capture(flow, error, ended or request.timestamp_start))
