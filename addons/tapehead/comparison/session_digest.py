"""A digest of what a comparison looks at in a session, so that equal sessions need not be compared.

It covers more than the comparison does: sessions that are the same, such as those of another day with pings a little
earlier, may have different digests. Of equal digests the comparison finds neither a difference nor a note.
"""

import marshal
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from tapehead.auditor.results import SessionResult
from tapehead.comparison.payload_comparison import PERSONS
from tapehead.comparison.ping_cadence import phase_of
from tapehead.protocol.session_machine import State
from tapehead.text import json_type

_DIGEST_BYTES = 16


def digest_of(session: SessionResult, *, is_late: bool = False) -> bytes | None:
    """Return the digest of a session's events, findings, metrics and outcome; None if it has none.

    Times count from the first one; of a person's identifiers only the type counts.

    Args:
        session: the session.
        is_late: whether its metrics are not calculated yet, and follow from its events.
    """
    first: int | None = None
    state: State | None = None
    phase = ""
    rows = []
    for step in session.steps:
        event, after = step.event, step.after
        if after is not state:
            state, phase = after, phase_of(after).value
        ts = event.ts
        if ts is not None:
            first = ts if first is None else first
            ts -= first
        params = event.params
        rows.append(
            (
                event.type,
                event.other_type,
                ts,
                event.playhead,
                event.status,
                phase,
                params if PERSONS.isdisjoint(params) else _without_values(params),
                event.quality,
                event.metadata,
                event.call.value,
                event.in_array,
                event.saved,
            )
        )
    findings = sorted({(finding.rule, finding.path) for finding in session.findings})
    try:
        # In this version, what is written depends on values alone, and not on which of them are one object.
        content = marshal.dumps((rows, findings, is_late or session.metrics, session.outcome.value), 2)
    except ValueError:  # nested too deep
        return None
    return blake2b(content, digest_size=_DIGEST_BYTES).digest()


def _without_values(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: json_type(value) if key in PERSONS else value for key, value in params.items()}
