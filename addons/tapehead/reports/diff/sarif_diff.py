"""The diff as SARIF 2.1.0: a result for each difference, at the event in the new recording, or else in the base.

A fingerprint covers content, player, kind and name of a difference, but neither its values nor recordings.
"""

from collections.abc import Iterator
from typing import Any

from tapehead.auditor.results import SessionResult
from tapehead.comparison.differences import Change, Diff, Difference, Verdict
from tapehead.reports.diff.difference_lines import title_of
from tapehead.reports.sarif_log import Fingerprints, location_of, render_log

DESCRIPTIONS = {
    "session-missing": "A session of the base has no counterpart.",
    "session-added": "A session of the new recording has no counterpart.",
    Change.EVENT_MISSING: "An event of the base is not there any more.",
    Change.EVENT_ADDED: "An event came that the base does not have.",
    Change.EVENT_MOVED: "An event comes at another playhead or in another order.",
    Change.PARAMETER_ADDED: "A parameter came that the base does not have.",
    Change.PARAMETER_REMOVED: "A parameter of the base is not there any more.",
    Change.PARAMETER_CHANGED: "A parameter has another value.",
    Change.PARAMETER_RETYPED: "A parameter has a value of another type.",
    Change.STATUS_CHANGED: "A call was answered otherwise.",
    Change.PING_RHYTHM: "Pings come at another interval.",
    Change.PINGS_MISSING: "Pings of the base stay away.",
    Change.PINGS_ADDED: "Pings come where the base has none.",
    Change.METRIC_CHANGED: "Adobe would report another value.",
    Change.FINDING_NEW: "A rule is broken that the base keeps.",
    Change.FINDING_GONE: "A rule is kept that the base breaks.",
}
INDEXES = {name: index for index, name in enumerate(DESCRIPTIONS)}


def render_sarif(diff: Diff) -> Iterator[str]:
    """Yield the parts of the diff as a SARIF log."""
    rules = [{"id": str(name), "shortDescription": {"text": text}} for name, text in DESCRIPTIONS.items()]
    return render_log(rules, results_of(diff), {"same": diff.same})


def results_of(diff: Diff) -> Iterator[dict[str, Any]]:
    """Yield a result for each difference, and for each session without a counterpart."""
    fingerprints = Fingerprints("tapeheadDifference/v1")
    for pair in diff.sessions:
        session = pair.session
        identity = session.media_id, session.player
        if pair.verdict in (Verdict.MISSING, Verdict.ADDED):
            rule = f"session-{pair.verdict}"
            mark = fingerprints.next_of(rule, *identity, "")
            yield result(rule, f"{title_of(pair)}: {DESCRIPTIONS[rule]}", place_in(session, None), mark)
        for each in pair.differences:
            mark = fingerprints.next_of(each.change, *identity, each.name)
            yield result(each.change, f"{title_of(pair)}: {each.name}: {each.message}", place_in(session, each), mark)
    for each in diff.outside:
        mark = fingerprints.next_of(each.change, "", "", each.name)
        yield result(each.change, f"outside any session: {each.name}: {each.message}", None, mark)


def result(rule: str, message: str, place: dict[str, Any] | None, fingerprint: dict[str, str]) -> dict[str, Any]:
    """Return a result; all are warnings, since only people know which change was meant."""
    return {
        "ruleId": str(rule),
        "ruleIndex": INDEXES[rule],
        "level": "warning",
        "message": {"text": message},
        "locations": [place] if place else [],
        "partialFingerprints": fingerprint,
    }


def place_in(session: SessionResult, difference: Difference | None) -> dict[str, Any]:
    """Return the place of a difference's event, or of the session's begin."""
    event = difference and (difference.new_event or difference.base_event)
    if event:
        return location_of(event.recording, event.line, event.sid, event.type)
    return location_of(session.recording, session.line, session.id, None)
