"""Playheads: their range, and when they move and stand still."""

from collections.abc import Iterator

from tapehead.protocol.events import LIVE_LENGTH, Event
from tapehead.protocol.session_machine import State
from tapehead.protocol.transitions import Life, Playback
from tapehead.rules.support.session_view import RuleHit, SessionView, name_of

PATH = "playerTime.playhead"
_FROZEN_EVENTS = 3


def check_range(case: SessionView) -> Iterator[RuleHit]:
    """playhead-range: one finding for each row of events that are out of range on the same side."""
    side = ""
    for step in case.steps:
        playhead = step.event.playhead
        if playhead is None:
            continue
        before, (side, wanted) = side, _judge(case, playhead)
        if side and side != before:
            message = f"{name_of(step.event)}: {PATH} is {playhead:g}; expected {wanted}"
            yield RuleHit("playhead-range", step.event, message, PATH)


def _judge(case: SessionView, playhead: float) -> tuple[str, str]:
    """On which side a playhead is out of range, and what is expected; empty if it is fine."""
    if playhead < 0:
        return "below", "0 or more"
    if case.live:
        return ("over", f"less than {LIVE_LENGTH}, the seconds of a day") if playhead >= LIVE_LENGTH else ("", "")
    if case.length is not None and playhead > case.length + case.thresholds.playhead_slack_seconds:
        return "over", f"{case.length:g} at most, which is media.length"
    return "", ""


def check_frozen(case: SessionView) -> Iterator[RuleHit]:
    """playhead-frozen: once for each time that it stands still while main content plays."""
    limit_ms, row, told = case.thresholds.frozen_seconds * 1000, list[Event](), False
    for step in case.steps:
        event = step.event
        if event.playhead is None or event.ts is None:
            continue
        if not (row and _plays(step.before) and row[0].playhead == event.playhead):
            row, told = [], False
        row.append(event)
        span = event.ts - (row[0].ts or 0)
        if len(row) >= _FROZEN_EVENTS and span > limit_ms and not told:
            told = True
            message = f"{name_of(event)}: {PATH} is {event.playhead:g} in {len(row)} events over {span / 1000:.1f} s"
            message += " of playing main content; expected it to move"
            yield RuleHit("playhead-frozen", event, message, PATH)


def _plays(state: State) -> bool:
    return state.life is Life.OPEN and state.playback is Playback.PLAYING and state.in_main_content


def check_ads(case: SessionView) -> Iterator[RuleHit]:
    """playhead-in-ad: once for each ad in which it moves."""
    ad: Event | None = None
    for step in case.steps:
        event = step.event
        if ad and ad.playhead is not None and step.before.in_ad and event.type != "adStart" and _moved(case, ad, event):
            message = f"{name_of(event)}: {PATH} is {event.playhead:g} while the ad of event {ad.index} is open"
            yield RuleHit("playhead-in-ad", event, f"{message}; expected {ad.playhead:g} as at its start", PATH)
            ad = None
        if event.type == "adStart":
            ad = event


def check_pauses(case: SessionView) -> Iterator[RuleHit]:
    """playhead-paused: once for each pause in which a ping has another playhead."""
    pause: Event | None = None
    for step in case.steps:
        event = step.event
        if event.type == "pauseStart":
            pause = event
        elif event.type == "play" or step.before.life is Life.ENDED:
            pause = None
        elif event.type == "ping" and pause and pause.playhead is not None and _moved(case, pause, event):
            message = f"ping: {PATH} is {event.playhead:g} in the pause of event {pause.index}"
            yield RuleHit(
                "playhead-paused", event, f"{message}; expected {pause.playhead:g}, or a play before it", PATH
            )
            pause = None


def _moved(case: SessionView, earlier: Event, later: Event) -> bool:
    if earlier.playhead is None or later.playhead is None:
        return False
    return abs(later.playhead - earlier.playhead) > case.thresholds.playhead_slack_seconds


CHECKS = (check_range, check_frozen, check_ads, check_pauses)
