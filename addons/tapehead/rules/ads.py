"""What is inside breaks: the ads' places in their pod, and how long they last."""

from collections.abc import Iterator

from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import Step
from tapehead.protocol.transitions import AdBreak
from tapehead.rules.support.session_view import RuleHit, SessionView

_POSITION, _LENGTH = "media.ad.podPosition", "media.ad.length"


def check_positions(case: SessionView) -> Iterator[RuleHit]:
    """ad-position: from 0 or 1 on, up by 1."""
    last: float | None = None
    resuming = case.resumed
    for step in case.steps:
        resuming = resuming and step.event.type != "play"
        if step.event.type == "adBreakStart":
            last = None
        elif step.event.type == "adStart" and step.before.in_break:
            position = step.event.number(_POSITION)
            if position is None:
                continue
            # A break that goes on from the session before, or an ad without a position, leaves the count open.
            first = step.before.ad_break is AdBreak.OPEN and not resuming
            allowed = (0, 1) if first else () if last is None else (last + 1,)
            last = position
            if allowed and position not in allowed:
                yield _misplaced(step.event, position, allowed)


def _misplaced(event: Event, position: float, allowed: tuple[float, ...]) -> RuleHit:
    wanted = " or ".join(f"{each:g}" for each in allowed)
    why = "at the break's first ad" if len(allowed) > 1 else "after the ad before it"
    message = f"adStart: params.{_POSITION} is {position:g}; expected {wanted} {why}"
    return RuleHit("ad-position", event, message, f"params.{_POSITION}")


def check_durations(case: SessionView) -> Iterator[RuleHit]:
    """ad-duration: adComplete as long after adStart as the ad is, pauses and buffers left out."""
    ad: Event | None = None
    played_ms, last_ts, held = 0, None, False
    for step in case.steps:
        event = step.event
        if event.ts is not None and last_ts is not None and not held:
            played_ms += max(0, event.ts - last_ts)
        last_ts = last_ts if event.ts is None else event.ts
        if event.type == "adStart":
            ad, played_ms, held = event, 0, False
        elif event.type in ("pauseStart", "bufferStart"):
            held = True
        elif event.type == "play":
            held = False
        elif event.type == "adComplete" and ad is not None and step.before.in_ad:
            yield from _check_duration(case, ad, step, played_ms)
            ad = None


def _check_duration(case: SessionView, ad: Event, step: Step, played_ms: int) -> Iterator[RuleHit]:
    length, slack = ad.number(_LENGTH), case.thresholds.ad_duration_seconds
    if length is None or ad.ts is None or step.event.ts is None or abs(played_ms / 1000 - length) <= slack:
        return
    message = (
        f"adComplete: {played_ms / 1000:.1f} s after the adStart of event {ad.index}, whose params.{_LENGTH} is "
        f"{length:g}; expected {length:g} s, {slack:g} s more or less"
    )
    yield RuleHit("ad-duration", step.event, message)


CHECKS = (check_positions, check_durations)
