"""Rules on delivery: to which call events go, with which id and flag, after which answers, how often."""

from collections.abc import Iterator

from tapehead.protocol import keys, routes
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Severity
from tapehead.protocol.routes import SESSION_GONE, Call
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_check import (
    EventCheck,
    Report,
    RetryCheck,
    StepCheck,
    arrival_check,
    report_all,
    retry_check,
    start_check,
    step_check,
)
from tapehead.rules.support.session_view import SessionView, name_of

SESSION_START_MISPLACED = Rule(
    id="session-start-misplaced",
    severity=Severity.ERROR,
    when="A sessionStart came to the events endpoint, or another event to the sessions endpoint.",
    why="No session opens: there is no id to send events to, and nothing of the playback is reported.",
    fix="POST the sessionStart alone to /api/v1/sessions, everything else to /api/v1/sessions/{sid}/events.",
    bad='POST /api/v1/sessions {"eventType": "play", ...}',
    good='POST /api/v1/sessions {"eventType": "sessionStart", ...}',
    source="Reference: sessions request; events request",
)


@start_check(SESSION_START_MISPLACED)
def check_opening(session: SessionView, report: Report) -> None:
    """Report another event than a sessionStart by a call that opens sessions."""
    event = session.start
    if event and event.type in EVENT_TYPES and event.type != "sessionStart":
        where = "the array begins with it" if event.in_array else "it came to the sessions endpoint"
        report(SESSION_START_MISPLACED.hit(event, f"{event.type}: {where}; expected a sessionStart"))


@step_check(SESSION_START_MISPLACED, types=("sessionStart",))
def check_starts(session: SessionView, report: Report) -> StepCheck:
    """Report a sessionStart that is not the first, or came by the call for other events."""
    while step := (yield):
        event = step.event
        if event.index or not session.start:
            where = "inside the array" if event.in_array else "to the events endpoint"
            message = f"sessionStart came {where}; expected it alone and first"
            report(SESSION_START_MISPLACED.hit(event, message))


UNKNOWN_SESSION = Rule(
    id="unknown-session",
    severity=Severity.WARNING,
    when="Events came for a session id that no recorded response issued.",
    why="If the player made the id up, every one of its events is lost; else the recording began too late to tell.",
    fix="Take the id from the Location of the 201; start recording before the player starts.",
    bad="POST /api/v1/sessions/my-own-id/events",
    good="201 with Location: /api/v1/sessions/bbc582e1, then POST /api/v1/sessions/bbc582e1/events",
    source="Reference: obtaining the session id",
)


@start_check(UNKNOWN_SESSION)
def check_id(session: SessionView, report: Report) -> None:
    """Report a session id that no recorded answer issued."""
    if session.start is None:
        first = session.first
        message = f"{name_of(first)}: no recorded response issued the session id {first.sid}; expected a 201 before it"
        report(UNKNOWN_SESSION.hit(first, message))


KEPT_SENDING = Rule(
    id="kept-sending",
    severity=Severity.WARNING,
    when="Three or more events were sent to a session after it was answered 404 or 410.",
    why="All of them are lost, and so is the rest of the playback.",
    fix="After a 404 or 410 open a new session, and send the refused event there.",
    bad="ping 204, ping 410, ping 410, ping 410, ping 410",
    good="ping 204, ping 410, then sessionStart 201",
    source="Reference: events request. Observed: SDK 3.1.0 goes on with the same session id",
    options=("kept-sending",),
)


@arrival_check(KEPT_SENDING, once_gone=True)
def check_refused(session: SessionView, report: Report) -> EventCheck:
    """Report events that were sent when the answer 404 or 410 was already there."""
    least = session.thresholds.kept_sending
    first: Event | None = None
    later: list[Event] = []

    def hits_so_far() -> Iterator[RuleHit]:
        if first and len(later) >= least:
            event = later[least - 1]
            message = (
                f"{name_of(event)}: {len(later)} events were sent after event {first.index} was answered "
                f"{first.status}; expected a new session"
            )
            yield KEPT_SENDING.hit(event, message)

    session.pending.append(hits_so_far)
    while event := (yield):
        if event.status in SESSION_GONE and (first is None or event.answered_ms < first.answered_ms):
            first, answered_ms = event, event.answered_ms
            later = [each for each in session.arrived if each.arrived_ms >= answered_ms and each is not event]
        elif first and event.arrived_ms >= first.answered_ms:
            later.append(event)
    report_all(hits_so_far(), report)


REPEATED_EVENT = Rule(
    id="repeated-event",
    severity=Severity.INFO,
    when="The same body came twice.",
    why="A retry may count twice: two starts, two pauses, two errors.",
    fix="Send an event once; send again only what has no answer, with the timestamp that it had.",
    bad="pauseStart ts 9000 answered 204, pauseStart ts 9000 answered 204",
    good="pauseStart ts 9000 answered 204, play ts 9400 answered 204",
    source="Observed: SDK 3.1.0 sends a session start up to three times, an event once",
)


@retry_check(REPEATED_EVENT)
def check_repeats(_session: SessionView, report: Report) -> RetryCheck:
    """Report bodies that came before."""
    while retry := (yield):
        event, first = retry
        message = f"{name_of(event)}: the same body as event {first.index} (ts {first.ts}); expected it once"
        report(REPEATED_EVENT.hit(event, message))


DOWNLOADED_FLAG = Rule(
    id="downloaded-flag",
    severity=Severity.ERROR,
    when="media.downloaded is true on a live session, or the old array form to /api/v1/sessions lacks it.",
    why="The endpoint answers 400, and the session, or the whole array, is discarded.",
    fix="Set media.downloaded true only for downloaded content; send that as an array to /api/v1/downloaded.",
    bad='POST /api/v1/sessions {"eventType": "sessionStart", "params": {"media.downloaded": true, ...}, ...}',
    good='POST /api/v1/downloaded [{"eventType": "sessionStart", ...}, ...]',
    source="Reference: downloaded content",
    contradictions=(
        "The flag is mandatory on one page and superfluous with /api/v1/downloaded on the same one; "
        "the page on the flag shows it on an ordinary sessionStart. false is fine anywhere."
    ),
)


@start_check(DOWNLOADED_FLAG)
def check_downloaded(session: SessionView, report: Report) -> None:
    """Report the flag where content is live, or its lack where an array went to the sessions endpoint."""
    start = session.start
    if start is None or start.call is not Call.SESSION:
        return
    path, flag = f"params.{keys.MEDIA_DOWNLOADED}", start.params.get(keys.MEDIA_DOWNLOADED)
    if session.downloaded and flag is not True:
        shown = "missing" if flag is None else "not true"
        message = f"{name_of(start)}: an array came to the sessions endpoint, and {keys.MEDIA_DOWNLOADED} is {shown}"
        report(DOWNLOADED_FLAG.hit(start, f"{message}; expected true, or {routes.DOWNLOADED_PATH}", path))
    elif not session.downloaded and flag is True:
        message = f"{name_of(start)}: {keys.MEDIA_DOWNLOADED} is true on a live session; expected false, or no such key"
        report(DOWNLOADED_FLAG.hit(start, message, path))
