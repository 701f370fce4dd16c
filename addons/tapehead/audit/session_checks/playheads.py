"""Playheads: their range, and when they move and stand still."""

from collections.abc import Iterator

from tapehead.audit.case import Case, Found, name_of
from tapehead.audit.session_checks.times import gaps, rests
from tapehead.event import LIVE_LENGTH, Event
from tapehead.session import Life, Playback, State

_PATH = "playerTime.playhead"
_FROZEN_EVENTS = 3
_MINUTE_MS = 60_000


def check_range(case: Case) -> Iterator[Found]:
    """playhead-range: one finding for each row of events that are out of range on the same side."""
    side = ""
    for step in case.steps:
        playhead = step.event.playhead
        if playhead is None:
            continue
        before, (side, wanted) = side, _judge(case, playhead)
        if side and side != before:
            message = f"{name_of(step.event)}: {_PATH} is {playhead:g}; expected {wanted}"
            yield Found("playhead-range", step.event, message, _PATH)


def _judge(case: Case, playhead: float) -> tuple[str, str]:
    """On which side a playhead is out of range, and what is expected; empty if it is fine."""
    if playhead < 0:
        return "below", "0 or more"
    if case.live:
        return ("over", f"less than {LIVE_LENGTH}, the seconds of a day") if playhead >= LIVE_LENGTH else ("", "")
    if case.length is not None and playhead > case.length + case.thresholds.playhead_slack_seconds:
        return "over", f"{case.length:g} at most, which is media.length"
    return "", ""


def check_frozen(case: Case) -> Iterator[Found]:
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
            message = f"{name_of(event)}: {_PATH} is {event.playhead:g} in {len(row)} events over {span / 1000:.1f} s"
            message += " of playing main content; expected it to move"
            yield Found("playhead-frozen", event, message, _PATH)


def _plays(state: State) -> bool:
    return state.life is Life.OPEN and state.playback is Playback.PLAYING and state.in_main_content


def check_ads(case: Case) -> Iterator[Found]:
    """playhead-in-ad: once for each ad in which it moves."""
    ad: Event | None = None
    for step in case.steps:
        event = step.event
        if ad and ad.playhead is not None and step.before.in_ad and event.type != "adStart" and _moved(case, ad, event):
            message = f"{name_of(event)}: {_PATH} is {event.playhead:g} while the ad of event {ad.index} is open"
            yield Found("playhead-in-ad", event, f"{message}; expected {ad.playhead:g} as at its start", _PATH)
            ad = None
        if event.type == "adStart":
            ad = event


def check_pauses(case: Case) -> Iterator[Found]:
    """playhead-paused: once for each pause in which a ping has another playhead."""
    pause: Event | None = None
    for step in case.steps:
        event = step.event
        if event.type == "pauseStart":
            pause = event
        elif event.type == "play" or step.before.life is Life.ENDED:
            pause = None
        elif event.type == "ping" and pause and pause.playhead is not None and _moved(case, pause, event):
            message = f"ping: {_PATH} is {event.playhead:g} in the pause of event {pause.index}"
            yield Found("playhead-paused", event, f"{message}; expected {pause.playhead:g}, or a play before it", _PATH)
            pause = None


def _moved(case: Case, earlier: Event, later: Event) -> bool:
    if earlier.playhead is None or later.playhead is None:
        return False
    return abs(later.playhead - earlier.playhead) > case.thresholds.playhead_slack_seconds


def check_stalled(case: Case) -> Iterator[Found]:
    """expired-stalled: the first event after the timeout without movement; the sessionEnd that ends it is in time."""
    thresholds = case.thresholds
    limit = thresholds.stalled_minutes
    idle_ms = thresholds.idle_minutes * _MINUTE_MS
    for gap, rest in zip(gaps(case), rests(case), strict=True):
        event = rest.step.event
        if rest.step.before.life is Life.ENDED or gap.ms > idle_ms:
            return
        if rest.ms > limit * _MINUTE_MS and event.type != "sessionEnd":
            message = f"{name_of(event)}: {_PATH} has not moved for {rest.ms / _MINUTE_MS:.1f} minutes"
            yield Found(
                "expired-stalled", event, f"{message}; expected {limit:g} at most: the session had expired", _PATH
            )
            return


CHECKS = (check_range, check_frozen, check_ads, check_pauses, check_stalled)
