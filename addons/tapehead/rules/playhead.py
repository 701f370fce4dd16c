"""Rules on playheads: their range, and when they move and stand still."""

import math

from tapehead.protocol import keys
from tapehead.protocol.events import LIVE_LENGTH, Event, counts_day
from tapehead.protocol.exchange import Severity
from tapehead.protocol.session_machine import is_refused, is_unknown
from tapehead.protocol.transitions import Life, Playback
from tapehead.rules.support.motion import plays_content
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_check import Report, RowPings, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.rules.units import is_all_day
from tapehead.text import format_number

_PATH = keys.PLAYHEAD_PATH
_FROZEN_EVENTS = 3
_SECOND_OF_DAY = (
    "Of a channel the reference wants the second of the day: one that goes on with the clock is an information."
)
# What ends a buffering, or says nothing of where playback is.
_ENDS_BUFFER = ("play", "pauseStart", "sessionComplete", "sessionEnd")


PLAYHEAD_RANGE = Rule(
    id="playhead-range",
    severity=Severity.ERROR,
    when=(
        "A playhead is below 0, over media.length by more than a second (in a live programme: a warning), or, in live "
        "content of unknown length, 86400 and more."
    ),
    why="Progress markers, segments and unique time come out of playheads: all of them are wrong.",
    fix="Send seconds into the content or the live programme; for a channel that never ends the second of the day.",
    bad="media.length 60, playhead 75",
    good="media.length 60, playhead 60",
    source="Reference: sessions request",
    contradictions="Strictly below the length on one page; a sample has 128 of 128. The length itself is fine.",
    options=("playhead-slack-seconds",),
)


@step_check(PLAYHEAD_RANGE, row_pings=RowPings.LAST)
def check_range(session: SessionView, report: Report) -> StepCheck:
    """Report the first of each row of events that are out of range on the same side."""
    is_programme = session.live and session.start is not None and not counts_day(session.start.params)
    is_day = session.live and not is_programme
    if is_day:
        most, wanted_most = float(LIVE_LENGTH), f"less than {LIVE_LENGTH}, the seconds of a day"
    elif session.length is not None:
        most = session.length + session.thresholds.playhead_slack_seconds
        wanted_most = f"{format_number(session.length)} at most, which is {keys.MEDIA_LENGTH}"
    else:
        most, wanted_most = math.inf, ""
    side = 0
    while step := (yield):
        playhead = step.event.playhead
        if playhead is None:
            continue
        over = playhead >= most if is_day else playhead > most
        before, side = side, -1 if playhead < 0 else int(over)
        if side and side != before:
            wanted = "0 or more" if side < 0 else wanted_most
            message = f"{name_of(step.event)}: {_PATH} is {format_number(playhead)}; expected {wanted}"
            # A live programme may run over.
            severity = Severity.WARNING if is_programme and side > 0 else None
            report(PLAYHEAD_RANGE.hit(step.event, message, _PATH, severity))


PLAYHEAD_FROZEN = Rule(
    id="playhead-frozen",
    severity=Severity.WARNING,
    when="Three or more events in a row while main content plays, over more than 10 seconds, have the same playhead.",
    why="The back end takes it for a stall: the time does not count as content time, markers are never reached.",
    fix="Read the playhead when the event happens; send bufferStart when playback stands still.",
    bad="play playhead 0, ping playhead 0, ping playhead 0",
    good="play playhead 0, ping playhead 10, ping playhead 20",
    source="Reference: metrics, stall-events",
    contradictions="Whether three events are the first and two repeats, or three repeats, is not stated.",
    options=("frozen-seconds",),
)


@step_check(PLAYHEAD_FROZEN, row_pings=RowPings.LAST)
def check_frozen(session: SessionView, report: Report) -> StepCheck:
    """Report once each time that the playhead stands still while main content plays."""
    limit_ms = session.thresholds.frozen_seconds * 1000
    first: Event | None = None
    number, reported = 0, False
    while step := (yield):
        event = step.event
        if event.playhead is None or event.ts is None:
            continue
        if first is None or first.playhead != event.playhead or not plays_content(step.before):
            first, number, reported = event, 0, False
        number += 1
        stood_ms = event.ts - (first.ts or 0)
        if number >= _FROZEN_EVENTS and stood_ms > limit_ms and not reported:
            reported = True
            message = f"{name_of(event)}: {_PATH} is {_playhead_of(event)} in {number} events"
            message += f" over {stood_ms / 1000:.1f} s of playing main content; expected it to move"
            report(PLAYHEAD_FROZEN.hit(event, message, _PATH))


PLAYHEAD_IN_AD = Rule(
    id="playhead-in-ad",
    severity=Severity.WARNING,
    when="The playhead moves by more than a second while an ad is open.",
    why="Ad time shows up as viewed content: unique time and progress markers run ahead.",
    fix="Keep the position of the main content as the playhead while an ad plays.",
    bad="adStart playhead 21, ping playhead 26",
    good="adStart playhead 21, ping playhead 21",
    source="Reference: ads, overview",
    contradictions=(f"The samples of adComplete and adSkip have playheads that ran with the ad. {_SECOND_OF_DAY}"),
    options=("playhead-slack-seconds",),
)


@step_check(PLAYHEAD_IN_AD, skips_pings=True)
def check_ads(session: SessionView, report: Report) -> StepCheck:
    """Report once each ad in which the playhead moves."""
    ad: Event | None = None
    seek: RuleHit | None = None
    while step := (yield):
        event = step.event
        # Observed: when a viewer seeks out of an ad, the vendor's SDKs send play at the new place, then adSkip.
        if seek and event.type != "adSkip":
            report(seek)
        seek = None
        if event.type == "adStart":
            ad = event
        elif ad and step.before.in_ad and _has_moved(session, ad, event):
            message = f"{name_of(event)}: {_PATH} is {_playhead_of(event)} while the ad of event {ad.index} is open"
            message += f"; expected {_playhead_of(ad)} as at its start"
            hit = PLAYHEAD_IN_AD.hit(event, message, _PATH, _grade(session, ad, event))
            if event.type == "play" and step.before.playback is Playback.PAUSED:
                seek = hit
            else:
                report(hit)
            ad = None
    if seek:
        report(seek)


PLAYHEAD_PAUSED = Rule(
    id="playhead-paused",
    severity=Severity.WARNING,
    when="A ping between pauseStart and the next play has a playhead more than a second from the pause's.",
    why="Either the pause goes on in the reports while the viewer watches, or the playhead is made up.",
    fix="Send play as soon as playback goes on; a seek is pauseStart, then play.",
    bad="pauseStart playhead 30, ping playhead 40",
    good="pauseStart playhead 30, ping playhead 30, play playhead 30, ping playhead 40",
    source="Reference: pause start; metrics, pause-events",
    contradictions=_SECOND_OF_DAY,
    options=("playhead-slack-seconds",),
)


@step_check(PLAYHEAD_PAUSED, skips_pings=True)
def check_pauses(session: SessionView, report: Report) -> StepCheck:
    """Report once each pause in which a ping has another playhead."""
    pause: Event | None = None
    while step := (yield):
        event = step.event
        if event.type == "pauseStart":
            pause = None if is_refused(event) else event
        elif event.type == "play" or is_unknown(event) or step.before.life is Life.ENDED:
            pause = None
        elif event.type == "ping" and pause and _has_moved(session, pause, event):
            message = f"ping: {_PATH} is {_playhead_of(event)} in the pause of event {pause.index}"
            message += f"; expected {_playhead_of(pause)}, or a play before it"
            report(PLAYHEAD_PAUSED.hit(event, message, _PATH, _grade(session, pause, event)))
            pause = None


BUFFER_NOT_ENDED = Rule(
    id="buffer-not-ended",
    severity=Severity.WARNING,
    when="After bufferStart the playhead moves on as it does in playing, and no play came.",
    why="The buffering goes on in the reports while the viewer watches: content time is lost.",
    fix="Send play as soon as playback goes on after buffering.",
    bad="bufferStart playhead 12, ping playhead 22",
    good="bufferStart playhead 12, play playhead 12, ping playhead 22",
    source="Reference: track playback; metrics, total-buffer-duration",
    contradictions=_SECOND_OF_DAY,
    options=("playhead-slack-seconds", "jump-seconds"),
)


@step_check(BUFFER_NOT_ENDED, skips_pings=True)
def check_buffers(session: SessionView, report: Report) -> StepCheck:
    """Report once each buffering in which the playhead moves on; a jump is a seek that buffers on."""
    thresholds = session.thresholds
    buffer: Event | None = None
    playhead, elapsed_ms = 0.0, 0
    while step := (yield):
        event = step.event
        elapsed_ms += session.intervals.gap_ms or 0
        if event.type in _ENDS_BUFFER or is_unknown(event) or step.before.life is Life.ENDED:
            buffer = None
        elif event.playhead is None or not (event.type == "bufferStart" or (buffer and step.before.in_main_content)):
            continue
        elif event.type == "bufferStart":
            buffer, playhead, elapsed_ms = None if is_refused(event) else event, event.playhead, 0
        else:
            moved = event.playhead - playhead
            most = 2 * elapsed_ms / 1000 + thresholds.jump_seconds
            if buffer and thresholds.playhead_slack_seconds < moved <= most:
                message = f"{name_of(event)}: {_PATH} is {_playhead_of(event)} in the buffering of event {buffer.index}"
                message += f"; expected {format_number(playhead)}, or a play before it"
                report(BUFFER_NOT_ENDED.hit(event, message, _PATH, _grade(session, buffer, event)))
                buffer = None
            playhead, elapsed_ms = event.playhead, 0


def _grade(session: SessionView, earlier: Event, later: Event) -> Severity | None:
    """Return the grade of a playhead that moved between two events; None for that of its rule.

    Observed: players that take the second of the day for the position of a channel send it in pauses and ads, too.
    """
    if not is_all_day(session) or None in (earlier.playhead, later.playhead, earlier.ts, later.ts):
        return None
    moved = ((later.playhead or 0) - (earlier.playhead or 0)) % LIVE_LENGTH
    off = abs(moved - ((later.ts or 0) - (earlier.ts or 0)) / 1000)
    return Severity.INFO if off <= session.thresholds.playhead_slack_seconds else None


def _has_moved(session: SessionView, earlier: Event, later: Event) -> bool:
    if earlier.playhead is None or later.playhead is None:
        return False
    return abs(later.playhead - earlier.playhead) > session.thresholds.playhead_slack_seconds


def _playhead_of(event: Event) -> str:
    return "unknown" if event.playhead is None else format_number(event.playhead)
