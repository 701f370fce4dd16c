"""A baseline: the findings that are known, so that only new ones count.

A finding is known by its rule, content, player, event type and path, and by the event's number among those of its type
where the content decides that number (sessions, ads, chapters, states). How many pings, plays or buffers come before
it depends on the network; of findings alike in the rest, the baseline has the count. Lines, session ids, times and
wording do not matter.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from tapehead.protocol.event_types import event_type_of
from tapehead.protocol.exchange import Severity
from tapehead.reports.audit.json_report import Report, enumerate_by_time
from tapehead.reports.audit.stored_sessions import StoredSessions

VERSION = 1


class KnownFinding(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """The identity of findings that a baseline has.

    Attributes:
        rule: the rule's id.
        content: the media.id, or the name of content without one.
        player: the player's name.
        event: the event's type, and its number where it has a fixed one; empty for an exchange without events.
        path: the place in the body; empty for the event as a whole.
    """

    rule: str
    content: str
    player: str
    event: str = ""
    path: str = ""


class BaselineRow(KnownFinding, frozen=True, forbid_unknown_fields=True):
    """A row of a baseline: an identity, and how many findings have it."""

    count: Annotated[int, msgspec.Meta(ge=1)] = 1


class Baseline(msgspec.Struct, forbid_unknown_fields=True):
    """A baseline as its file has it; `tapehead_baseline` is the format's version."""

    tapehead_baseline: int
    findings: list[BaselineRow]


def identify(session: Mapping[str, Any], finding: Mapping[str, Any]) -> KnownFinding:
    """Return what makes a finding the same in another run."""
    event = finding["event"]
    event_type = (event["type"] or "event") if event else ""
    row = event_type_of(event_type)
    path = finding["path"]
    return KnownFinding(
        rule=finding["rule"],
        content=session["media_id"] or session["media_name"],
        player=session["player"],
        event=f"{event_type} {event['ordinal']}" if row.opens or row.closes else event_type,
        path=path.rpartition("].")[2] if path.startswith("[") else path,
    )


def count_known(report: Report) -> Counter[KnownFinding]:
    """Return the identities of all findings of a report."""
    sessions = report["sessions"]
    return Counter(identify(session, finding) for session in sessions for finding in session["findings"])


def parse_baseline(text: str | bytes) -> Counter[KnownFinding]:
    """Parse a baseline.

    Raises:
        ValueError: it is none, or a later version wrote it.
    """
    baseline = msgspec.json.decode(text, type=Baseline)
    if baseline.tapehead_baseline != VERSION:
        raise ValueError(f"format {baseline.tapehead_baseline} is newer than this tapehead reads")
    known: Counter[KnownFinding] = Counter()
    for row in baseline.findings:
        known[KnownFinding(row.rule, row.content, row.player, row.event, row.path)] += row.count
    return known


def render_baseline(known: Mapping[KnownFinding, int]) -> str:
    """Render a baseline as JSON with a line for each identity, sorted, so that a diff shows what came and went."""
    rows = (
        msgspec.json.encode(msgspec.to_builtins(identity) | {"count": count}).decode()
        for identity, count in sorted(known.items())
    )
    listed = ",\n".join(f"    {row}" for row in rows)
    findings = f"[\n{listed}\n  ]" if listed else "[]"
    return f'{{\n  "tapehead_baseline": {VERSION},\n  "findings": {findings}\n}}\n'


def mark_new(report: Report, known: Mapping[KnownFinding, int]) -> None:
    """Mark each finding of a report as new or known, and add the counts as `baseline`.

    Of findings alike, more than the baseline has, the last ones are new. `gone` counts the findings of the baseline
    that the report has no more.
    """
    left = Counter(known)
    new: Counter[str] = Counter()
    sessions = report["sessions"]
    for number, session in enumerate_by_time(sessions):
        marks = []
        for finding in session["findings"]:
            identity = identify(session, finding)
            marks.append(left[identity] <= 0)
            left[identity] -= not marks[-1]
            new[finding["severity"]] += marks[-1]
        if isinstance(sessions, StoredSessions):
            sessions.mark(number, marks)
        else:
            for finding, is_new in zip(session["findings"], marks, strict=True):
                finding["new"] = is_new
    report["baseline"] = {
        **{f"new_{severity}s": new[severity] for severity in Severity},
        "known": Counter(known).total() - left.total(),
        "gone": left.total(),
    }
