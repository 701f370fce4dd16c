"""How a session's events are delivered: to which call, with which id and flag, after which answers, how often."""

from collections.abc import Iterator

from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.routes import Call
from tapehead.rules.support.session_view import RuleHit, SessionView, name_of

_REFUSED = (404, 410)


def check_opening(case: SessionView) -> Iterator[RuleHit]:
    """session-start-misplaced: the sessionStart and the others, each at its own call."""
    for event in case.once:
        opens = event.call is not Call.EVENT and event.index == 0
        if opens and event.type in EVENT_TYPES and event.type != "sessionStart":
            where = "the array begins with it" if event.in_array else "it came to the sessions endpoint"
            yield RuleHit("session-start-misplaced", event, f"{event.type}: {where}; expected a sessionStart")
        elif not opens and event.type == "sessionStart":
            where = "inside the array" if event.in_array else "to the events endpoint"
            message = f"sessionStart came {where}; expected it alone and first"
            yield RuleHit("session-start-misplaced", event, message)


def check_known(case: SessionView) -> Iterator[RuleHit]:
    """unknown-session: a session id that no recorded answer issued."""
    if case.start is None:
        first = case.arrived[0]
        message = f"{name_of(first)}: no recorded response issued the session id {first.sid}; expected a 201 before it"
        yield RuleHit("unknown-session", first, message)


def check_downloaded(case: SessionView) -> Iterator[RuleHit]:
    """downloaded-flag: true where content is live, or missing where an array goes to the sessions endpoint."""
    start = case.start
    if start is None or start.call is not Call.SESSION:
        return
    path, flag = "params.media.downloaded", start.params.get("media.downloaded")
    if case.downloaded and flag is not True:
        shown = "missing" if flag is None else "not true"
        message = f"{name_of(start)}: an array came to the sessions endpoint, and media.downloaded is {shown}"
        yield RuleHit("downloaded-flag", start, f"{message}; expected true, or /api/v1/downloaded", path)
    elif not case.downloaded and flag is True:
        message = f"{name_of(start)}: media.downloaded is true on a live session; expected false, or no such key"
        yield RuleHit("downloaded-flag", start, message, path)


def check_repeats(case: SessionView) -> Iterator[RuleHit]:
    """repeated-event: the same body once more."""
    for event, original in case.repeats:
        message = f"{name_of(event)}: the same body as event {original.index} (ts {original.ts}); expected it once"
        yield RuleHit("repeated-event", event, message)


def check_refused(case: SessionView) -> Iterator[RuleHit]:
    """kept-sending: events that were sent when the answer 404 or 410 was already there."""
    refused = [event for event in case.arrived if event.status in _REFUSED]
    if not refused:
        return
    first = min(refused, key=lambda event: event.answered_ms)
    later = [event for event in case.arrived if event.arrived_ms >= first.answered_ms and event is not first]
    least = case.thresholds.kept_sending
    if len(later) >= least:
        event = later[least - 1]
        message = (
            f"{name_of(event)}: {len(later)} events were sent after event {first.index} was answered {first.status}; "
            "expected a new session"
        )
        yield RuleHit("kept-sending", event, message)


CHECKS = (check_opening, check_known, check_downloaded, check_repeats, check_refused)
