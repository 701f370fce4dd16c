"""The view of a collection call in mitmproxy's tools: its findings, and the JSON below."""

import textwrap
from collections import Counter

from mitmproxy import http
from mitmproxy.contentviews import Contentview, Metadata, SyntaxHighlight, registry

from tapehead.protocol.events import events_of
from tapehead.protocol.exchange import Exchange, Severity
from tapehead.proxy.flow_findings import FlowFinding, FlowFindings
from tapehead.proxy.flows import capture, route_of
from tapehead.recording.capture import build_exchange
from tapehead.text import count_of, escape_controls, format_number, shorten_value

NAME = "Media Collection"
# Above the view of JSON.
_PRIORITY = 2
_WIDTH = 80
_NO_FINDINGS = "no findings so far"


class CollectionView(Contentview):
    """The view of a collection call.

    Args:
        findings: the findings on flows.
    """

    name = NAME
    # JSON with comments, as far as YAML is concerned.
    syntax_highlight: SyntaxHighlight = "yaml"

    def __init__(self, findings: FlowFindings) -> None:
        self._findings = findings

    def render_priority(self, data: bytes, metadata: Metadata) -> float:
        """Return a priority above that of JSON for collection calls; a negative one for anything else."""
        try:
            return self._rank(data, metadata)
        except Exception as error:  # noqa: BLE001 - another view shows it
            self._findings.internal_errors.record("choosing the view of a call", error)
            return -1

    def _rank(self, data: bytes, metadata: Metadata) -> float:
        flow, message = metadata.flow, metadata.http_message
        if not isinstance(flow, http.HTTPFlow) or message is None or route_of(flow) is None:
            return -1
        return _PRIORITY if data or message is flow.request else -1

    def prettify(self, data: bytes, metadata: Metadata) -> str:
        """Return a body as text below its title and the findings."""
        flow = metadata.flow
        if not isinstance(flow, http.HTTPFlow) or route_of(flow) is None:
            raise ValueError("not a Media Collection call")
        try:
            lines = self._head(flow)
        except Exception as error:  # noqa: BLE001 - the body is shown without them
            self._findings.internal_errors.record("showing a call", error)
            lines = []
        return "\n".join([*(f"# {line}" for line in lines), "", body_text(data, metadata)])

    def _head(self, flow: http.HTTPFlow) -> list[str]:
        found = self._findings.of(flow)
        exchange = build_exchange(capture(flow, flow.error.msg if flow.error else None))
        return [title_of(exchange, found), *(line for finding in found for line in wrap(finding.line))]


def wrap(line: str) -> list[str]:
    """Return a line in lines that fit beside a list of flows."""
    return textwrap.wrap(line, _WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def title_of(exchange: Exchange, found: list[FlowFinding]) -> str:
    """Return a title such as `Media Collection: adStart at 1.0 s, 3 errors`."""
    events = list(events_of(exchange, 0.0))
    name = f"({exchange.call})"
    if len(events) == 1 and (event_type := events[0].key.event_type):
        playhead = events[0].playhead
        name = shorten_value(event_type) + ("" if playhead is None else f" at {seconds(playhead)} s")
    elif len(events) > 1:
        name = count_of(len(events), "event")
    counts = Counter(finding.severity for finding in found)
    words = [count_of(counts[each], each) for each in Severity if counts[each]] or [_NO_FINDINGS]
    return escape_controls(f"{NAME}: {', '.join((name, *words))}")


def seconds(playhead: float) -> str:
    """Return a playhead with at least one decimal."""
    text = format_number(float(playhead))
    return text if "." in text or not text.lstrip("-").isdigit() else f"{text}.0"


def body_text(data: bytes, metadata: Metadata) -> str:
    """Return a body as JSON with a line for each value, or as it is where it is none."""
    try:
        return registry["json"].prettify(data, metadata) if data else ""
    except ValueError:
        return data.decode("utf-8", "replace")
