"""Rules on the motion of the playhead while main content plays: jumps, and another speed than the clock's."""

from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Severity
from tapehead.rules.support.motion import Stretch
from tapehead.rules.support.rule import Rule
from tapehead.rules.support.session_check import Report, RowPings, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.text import format_number

_PATH = keys.PLAYHEAD_PATH
# Speeds that differ by less are the same one, measured twice.
_SAME_RATE = 0.25
# So that sums of fractions that make a limit do not exceed it.
_TOLERANCE = 1e-6


PLAYHEAD_JUMP = Rule(
    id="playhead-jump",
    severity=Severity.WARNING,
    when="Main content plays on, and the playhead moves more than twice the clock plus 2 seconds, or back.",
    why=(
        "The back end cannot tell a seek from viewing: content that was jumped over may count as viewed in unique time "
        "and progress markers, and the seek itself counts as content time."
    ),
    fix="Send pauseStart when a seek begins, and play at the new place when it ends.",
    bad="ping playhead 10, then 10 s later ping playhead 400",
    good="ping playhead 10, pauseStart playhead 15, play playhead 395, ping playhead 400",
    source="Reference: legacy validation, test 1; timeline 1. Observed: media-sdks issue 45",
    contradictions="Of a jump forward one sentence counts the progress markers in between, six do not.",
    options=("jump-seconds", "playhead-slack-seconds"),
)


@step_check(PLAYHEAD_JUMP, row_pings=RowPings.LAST)
def check_jumps(session: SessionView, report: Report) -> StepCheck:
    """Report each jump; a high speed only once.

    It is none where playback has just resumed with an old playhead, nor the way back from one event that is off.
    """
    jump: Stretch | None = None
    while step := (yield):
        event, stretch = step.event, session.motion.stretch
        if stretch is None:
            jump = jump if session.motion.goes_on else None
            continue
        earlier, jump = jump, None
        if not jumps(session, stretch) or stretch.resumed or _is_fine(event):
            continue
        if earlier and not jumps(session, _joined(earlier, stretch)):
            continue
        jump = stretch
        if earlier is None or not _is_same_speed(earlier, stretch):
            direction = "forward" if stretch.moved > 0 else "back"
            message = f"{name_of(event)}: {_PATH} is {format_number(event.playhead or 0)}"
            message += f", {format_number(abs(stretch.moved))} s {direction} in {stretch.seconds:.1f} s of playing"
            message += f" since event {stretch.earlier.index}; expected pauseStart and play around a seek"
            report(PLAYHEAD_JUMP.hit(event, message, _PATH))


def _is_fine(event: Event) -> bool:
    """Return whether an event may be far from the one before it: where a seek begins, or a player is reset."""
    return event.type in ("pauseStart", "bufferStart") or (
        event.type in ("sessionComplete", "sessionEnd") and event.playhead == 0
    )


def jumps(session: SessionView, stretch: Stretch) -> bool:
    """Return whether the playhead moves in a stretch as it cannot by playing."""
    thresholds = session.thresholds
    most = 2 * stretch.seconds + thresholds.jump_seconds
    return stretch.moved > most + _TOLERANCE or stretch.moved < -thresholds.playhead_slack_seconds - _TOLERANCE


def _joined(first: Stretch, second: Stretch) -> Stretch:
    return Stretch(first.earlier, first.seconds + second.seconds, first.moved + second.moved)


def _is_same_speed(first: Stretch, second: Stretch) -> bool:
    return first.rate > 0 and abs(second.rate / first.rate - 1) < _SAME_RATE


PLAYHEAD_DRIFT = Rule(
    id="playhead-drift",
    severity=Severity.WARNING,
    when="Over a minute of play the playhead runs at less than 0.8 or more than 1.25 of the clock's speed.",
    why=(
        "Content time is counted by the clock, progress and unique time by the playhead: the two contradict each other."
    ),
    fix=(
        "Send the player's position in seconds, read when the event happens, and bufferStart when playback stands "
        "still. If the viewer chose another playback speed, nothing is wrong."
    ),
    bad="play playhead 0, and a minute later ping playhead 40",
    good="play playhead 0, and a minute later ping playhead 60",
    source="Reference: legacy validation, test 1. Observed: acp-sdks issue 464",
    contradictions="The reference says nothing of playback at another speed.",
    options=("slow-rate", "fast-rate"),
)


@step_check(PLAYHEAD_DRIFT, row_pings=RowPings.NONE)
def check_drift(session: SessionView, report: Report) -> StepCheck:
    """Report the first minute of play in which the playhead is too slow, and the first in which it is too fast."""
    limits = session.thresholds
    silence = limits.downloaded_ping_gap_seconds if session.downloaded else limits.ping_gap_seconds
    minute = session.minute
    reported: set[str] = set()
    while step := (yield):
        stretch = session.motion.stretch
        if stretch is None:
            continue
        # A jump and a stall are other mistakes, and nobody knows what happened in a long silence.
        stalled = stretch.moved <= 0 and stretch.seconds > limits.playhead_slack_seconds
        silent = stretch.seconds > silence and stretch.rate < limits.slow_rate
        if stalled or silent or jumps(session, stretch):
            minute.begin()
            continue
        if not minute.add(stretch):
            continue
        rate, side = minute.moved / minute.seconds, ""
        # Most of the minute, so that one stall that was not reported is no drift.
        if rate < limits.slow_rate - _TOLERANCE and minute.slow > minute.seconds / 2:
            side, wanted = "slow", f"at least {format_number(limits.slow_rate)}"
        elif rate > limits.fast_rate + _TOLERANCE and minute.fast > minute.seconds / 2:
            side, wanted = "fast", f"at most {format_number(limits.fast_rate)}"
        if side and side not in reported:
            reported.add(side)
            message = f"{name_of(step.event)}: {_PATH} moved by {format_number(minute.moved)} s"
            message += f" in the last {minute.seconds:.1f} s"
            message += f" of playing main content; expected {wanted} times the clock, unless the playback speed is"
            report(PLAYHEAD_DRIFT.hit(step.event, f"{message} {format_number(rate)}", _PATH))
        minute.begin()
