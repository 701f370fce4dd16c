"""A recording as JSON, for `show --json`: its sessions, or their calls with findings and bodies."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
import orjson

from tapehead.auditor.results import SessionResult
from tapehead.protocol.exchange import Severity
from tapehead.reports.show.recorded_calls import ShownCall

_FIELDS = ("id", "recordings", "sources", "media_id", "media_name", "player", "channel", "started", "outcome", "events")


def session_object(result: SessionResult) -> dict[str, Any]:
    """Return a session with its counts of findings."""
    counts = Counter(finding.severity for finding in result.findings)
    fields = {name: getattr(result, name) for name in _FIELDS} | {"outcome": str(result.outcome)}
    return fields | {f"{severity}s": counts[severity] for severity in Severity}


def calls_object(session: str | None, calls: Iterable[ShownCall], *, with_bodies: bool) -> dict[str, Any]:
    """Return the calls of a session."""
    return {"id": session, "calls": [call_object(call, with_bodies=with_bodies) for call in calls]}


def call_object(call: ShownCall, *, with_bodies: bool) -> dict[str, Any]:
    """Return a call; bodies are null where nothing was sent, or it was not saved."""
    exchange = call.entry.exchange
    findings = ("rule", "severity", "message", "path")
    shown = {
        "number": call.number,
        "type": call.type or None,
        "call": exchange.call,
        "started": exchange.started,
        "seconds": call.seconds,
        "playhead": call.playhead,
        "status": exchange.response.status if exchange.response else None,
        "error": exchange.error,
        "closed_by": exchange.closed_by,
        "answered": msgspec.to_builtins(exchange.answered),
        "elapsed_ms": exchange.elapsed_ms,
        "source": exchange.source,
        "recording": call.entry.recording,
        "line": call.entry.line,
        "findings": [{name: getattr(finding, name) for name in findings} for finding in call.findings],
    }
    if with_bodies:
        answered = exchange.response.content() if exchange.response else b""
        shown |= {"body": body_object(call.body), "body_saved": exchange.request.saved, "answer": body_object(answered)}
    return shown


def body_object(content: bytes) -> Any:
    """Return a body: JSON as it was sent, anything else as text."""
    if not content:
        return None
    try:
        msgspec.json.decode(content)
        content.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return content.decode("utf-8", "replace")
    return orjson.Fragment(content)
