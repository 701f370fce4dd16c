"""Rules on how far a session gets: one that only begins, and one that is complete before its content ends."""

from itertools import islice

from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Severity
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_check import EventCheck, Report, StepCheck, event_check, step_check
from tapehead.rules.support.session_view import SessionView
from tapehead.rules.units import content_length, is_thousandfold
from tapehead.text import format_number

COMPLETE_EARLY = Rule(
    id="complete-early",
    severity=Severity.WARNING,
    when="sessionComplete came more than 10 seconds and more than 5 % of the length before media.length.",
    why="The content counts as completed though its end was not played, and progress markers are missing.",
    fix="Send sessionComplete at the end of the content, sessionEnd when the viewer leaves; send the real length.",
    bad="media.length 3600, sessionComplete playhead 900",
    good="media.length 3600, sessionComplete playhead 3600",
    source="Reference: metrics, content-completes",
    contradictions=(
        "One sentence wants the playhead at the end, another counts any sessionComplete. The reference's first and "
        "third timelines complete at 45 of 60 seconds."
    ),
    options=("early-seconds", "early-percent"),
)


@step_check(COMPLETE_EARLY, types=("sessionComplete",))
def check_completion(session: SessionView, report: Report) -> StepCheck:
    """Report a sessionComplete that comes before the content's end."""
    length, limits = content_length(session), session.thresholds
    while step := (yield):
        event = step.event
        # A player may be reset already when it says that it is done.
        earlier = (each.event.playhead for each in islice(reversed(session.steps), 1, None))
        before = next((each for each in earlier if each is not None), None)
        played = max((each for each in (before, event.playhead) if each is not None), default=None)
        if length is None or played is None or is_thousandfold(length, played):
            return
        if length - played > max(limits.early_seconds, length * limits.early_percent / 100):
            message = f"sessionComplete: {keys.PLAYHEAD_PATH} is {format_number(played)}, and {keys.MEDIA_LENGTH} is"
            message += f" {format_number(length)}; expected sessionComplete at the end, or sessionEnd"
            report(COMPLETE_EARLY.hit(event, message, keys.PLAYHEAD_PATH))
        return


NOTHING_FOLLOWED = Rule(
    id="nothing-followed",
    severity=Severity.WARNING,
    when="The session has a sessionStart and nothing else.",
    why="A media start is counted, and a drop before start, without a second of content.",
    fix="Take the session id from the Location of the answer, and send play, pings and sessionEnd to that session.",
    bad="sessionStart",
    good="sessionStart, play, ping, sessionEnd",
    source="Reference: obtaining the session id. Observed: media-sdks issue 34",
    contradictions="A recording that ends right after the start looks the same.",
)


@event_check(NOTHING_FOLLOWED)
def check_silence(session: SessionView, report: Report) -> EventCheck:
    """Report a session that opened, and got no event but its sessionStart."""
    first = yield
    if first and first.type == "sessionStart" and session.start and session.opened and not (yield):
        report(nothing_followed(first))


def nothing_followed(first: Event) -> RuleHit:
    """Return the hit at a sessionStart that nothing followed."""
    message = "sessionStart: nothing followed; expected play, pings and an end of the session"
    return NOTHING_FOLLOWED.hit(first, message)
