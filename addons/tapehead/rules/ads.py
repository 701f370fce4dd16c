"""Rules on ad breaks and ads: what opens and closes them, their positions in the pod, how long they last."""

from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Severity
from tapehead.protocol.session_machine import Step, is_refused
from tapehead.protocol.transitions import AdBreak, Part, ViolationKind
from tapehead.rules.support.break_progress import BreakProgress
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_check import Report, RowPings, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView
from tapehead.rules.support.thresholds import Thresholds
from tapehead.rules.support.violations import ViolationRule, check_violations
from tapehead.text import format_number

_POSITION, _LENGTH = keys.AD_POSITION, keys.AD_LENGTH


AD_OUTSIDE_BREAK = Rule(
    id="ad-outside-break",
    severity=Severity.ERROR,
    when="An adStart came with no open break.",
    why="The ad is ignored, and its time counts as main content.",
    fix="Send adBreakStart before the first ad of a break, and adBreakComplete after the last, even for one ad.",
    bad="play, adStart, adComplete, play",
    good="play, adBreakStart, adStart, adComplete, adBreakComplete, play",
    source="Reference: ad break start",
)


AD_BREAK_NOT_OPEN = Rule(
    id="ad-break-not-open",
    severity=Severity.ERROR,
    when="An adBreakComplete came with no open break.",
    why="It closes nothing; most often its adBreakStart is missing, and the ads between are ignored.",
    fix="Send one adBreakComplete for each adBreakStart.",
    bad="play, adBreakComplete",
    good="play, adBreakStart, adStart, adComplete, adBreakComplete",
    source="Reference: ad break start; ad break complete",
)


AD_BREAK_NESTED = Rule(
    id="ad-break-nested",
    severity=Severity.ERROR,
    when="An adBreakStart came inside an open break.",
    why="Breaks do not nest: the pod of the ads that follow, and their positions, are wrong.",
    fix="Close a break before the next one opens.",
    bad="adBreakStart, adStart, adComplete, adBreakStart",
    good="adBreakStart, adStart, adComplete, adBreakComplete, adBreakStart",
    source="Reference: ad break start; ad break complete",
)


AD_BREAK_EMPTY = Rule(
    id="ad-break-empty",
    severity=Severity.WARNING,
    when="A break closed without an ad.",
    why="It reports no ad, and the time in it counts as nothing or as main content.",
    fix="Send adBreakStart when the first ad is there, not when it is asked for.",
    bad="adBreakStart, adBreakComplete",
    good="adBreakStart, adStart, adComplete, adBreakComplete",
    source="Reference: ads, overview",
    contradictions="What time inside a break but outside an ad counts as is not stated.",
)


AD_BREAK_LEFT_OPEN = Rule(
    id="ad-break-left-open",
    severity=Severity.ERROR,
    when=(
        "The session ended or went silent with a break open: an error if content went on in the break, an "
        "information if the viewer left within an ad, else a warning."
    ),
    why=(
        "The back end has to guess where the break ended. If content goes on, the break's ads are ignored, and their "
        "time is content."
    ),
    fix="Send adBreakComplete before the content goes on, and before sessionEnd if the break is over.",
    bad="adBreakStart, adStart, adComplete, play, ping, sessionEnd",
    good="adBreakStart, adStart, adComplete, adBreakComplete, play, ping, sessionEnd",
    source="Reference: ad break complete; ads, overview",
    contradictions=(
        "The reference's second timeline ends within an ad: its viewer leaves. After 24 hours, or 30 minutes without "
        "movement, sessionEnd may leave a break open: the vendor's SDKs repeat it in the next session."
    ),
    options=("playhead-slack-seconds", "ad-duration-seconds", "ping-gap-seconds"),
)


AD_NOT_OPEN = Rule(
    id="ad-not-open",
    severity=Severity.ERROR,
    when="An adComplete or adSkip came with no open ad.",
    why="It closes nothing, so no ad complete is counted.",
    fix="Send one adComplete or one adSkip for each adStart, before adBreakComplete.",
    bad="adBreakStart, adComplete",
    good="adBreakStart, adStart, adComplete",
    source="Reference: ad complete; ad skip",
)


AD_OVERLAP = Rule(
    id="ad-overlap",
    severity=Severity.ERROR,
    when="An adStart came while an ad was open.",
    why="The first ad gets no complete, and its time goes to the second.",
    fix="Close each ad with adComplete or adSkip before the next one starts.",
    bad="adBreakStart, adStart, adStart, adComplete",
    good="adBreakStart, adStart, adComplete, adStart, adComplete",
    source="Reference: ad start; ad complete",
)


AD_LEFT_OPEN = Rule(
    id="ad-left-open",
    severity=Severity.ERROR,
    when=(
        "The break or the session ended with an ad open: an error if content went on, an information if the viewer "
        "left within the ad, else a warning."
    ),
    why="The ad does not count as completed, and its time is a guess.",
    fix="Send adComplete or adSkip before adBreakComplete, and before sessionEnd if the ad is over.",
    bad="adBreakStart, adStart, adBreakComplete",
    good="adBreakStart, adStart, adSkip, adBreakComplete",
    source="Reference: ad complete; ad skip",
    options=("playhead-slack-seconds", "ad-duration-seconds"),
)

VIOLATIONS = {
    ViolationKind.AD_OUTSIDE_BREAK: ViolationRule(
        AD_OUTSIDE_BREAK, "no break is open; expected adBreakStart before it"
    ),
    ViolationKind.AD_BREAK_NOT_OPEN: ViolationRule(
        AD_BREAK_NOT_OPEN, "no break is open; expected adBreakStart before it"
    ),
    ViolationKind.AD_BREAK_NESTED: ViolationRule(
        AD_BREAK_NESTED, "the break of {opened} is still open; expected adBreakComplete before it", "adBreakStart"
    ),
    ViolationKind.AD_BREAK_EMPTY: ViolationRule(
        AD_BREAK_EMPTY, "the break of {opened} had no ad; expected an adStart in it", "adBreakStart"
    ),
    ViolationKind.AD_BREAK_LEFT_OPEN: ViolationRule(
        AD_BREAK_LEFT_OPEN,
        "the break of {opened} is still open; expected adBreakComplete before the session's end",
        "adBreakStart",
        left_open=True,
    ),
    ViolationKind.AD_NOT_OPEN: ViolationRule(AD_NOT_OPEN, "no ad is open; expected adStart before it"),
    ViolationKind.AD_OVERLAP: ViolationRule(
        AD_OVERLAP, "the ad of {opened} is still open; expected adComplete or adSkip before it", "adStart"
    ),
    ViolationKind.AD_LEFT_OPEN: ViolationRule(
        AD_LEFT_OPEN,
        "the ad of {opened} is still open; expected adComplete or adSkip before it",
        "adStart",
        left_open=True,
    ),
}


@step_check(*(row.rule for row in VIOLATIONS.values()), row_pings=RowPings.LAST)
def check_nesting(session: SessionView, report: Report) -> StepCheck:
    """Report ads and breaks that are opened or closed where they cannot be."""
    progress = BreakProgress(session.thresholds)
    # Whether the break has the end of an ad whose start is missing or late: it is not empty, and that ad has its end.
    lacks_start = False

    def report_graded(hit: RuleHit) -> None:
        nonlocal lacks_start
        if hit.rule in (AD_BREAK_EMPTY, AD_LEFT_OPEN) and lacks_start:
            return
        lacks_start = lacks_start or hit.rule is AD_NOT_OPEN
        if hit.rule is AD_LEFT_OPEN and hit.event.type == "adBreakComplete":
            hit = hit._replace(severity=Severity.WARNING)
        elif hit.rule in (AD_BREAK_LEFT_OPEN, AD_LEFT_OPEN):
            hit = hit._replace(severity=progress.grade())
        report(hit)

    violations = check_violations(session, report_graded, VIOLATIONS)
    next(violations)
    while step := (yield):
        progress.add(step)
        violations.send(step)
        lacks_start = lacks_start and step.event.type != "adBreakStart"
    yield from violations


AD_POSITION = Rule(
    id="ad-position",
    severity=Severity.WARNING,
    when="podPosition in a break does not start at 0 or 1, or does not go up by 1.",
    why="The report of ads by their place in the pod mixes them up.",
    fix="Count the ads of each break from 1 (or from 0), and begin anew in the next break.",
    bad="adBreakStart, adStart podPosition 1, adComplete, adStart podPosition 1",
    good="adBreakStart, adStart podPosition 1, adComplete, adStart podPosition 2",
    source="Reference: request parameters; variables, ads/ad-in-pod-position",
    contradictions=(
        "Some pages count from 0, others from 1: both are fine. The documented timelines repeat "
        "position 1 within a break, and begin the next one with 2."
    ),
)


@step_check(AD_POSITION, types=("play", "adBreakStart", "adStart", "adComplete", "adSkip"))
def check_positions(session: SessionView, report: Report) -> StepCheck:
    """Report positions in a pod that do not go up by 1, from 0 or 1 on."""
    last: float | None = None
    resuming, counts = session.resumed, True
    while step := (yield):
        resuming = resuming and step.event.type != "play"
        if step.event.type == "adBreakStart":
            last, counts = None, True
        elif step.event.type in ("adComplete", "adSkip") and not step.before.in_ad:
            last, counts = None, False
        elif step.event.type == "adStart" and step.before.in_break:
            position = step.event.number(_POSITION)
            if position is None:
                continue
            # A break that goes on from the session before, or an ad without start or position, leaves the count open.
            first = step.before.ad_break is AdBreak.OPEN and counts and not resuming
            allowed = (0, 1) if first else () if last is None else (last + 1,)
            last = position
            if allowed and position not in allowed:
                wanted = " or ".join(map(format_number, allowed))
                why = "at the break's first ad" if first else "after the ad before it"
                message = f"adStart: params.{_POSITION} is {format_number(position)}; expected {wanted} {why}"
                report(AD_POSITION.hit(step.event, message, f"params.{_POSITION}"))


AD_DURATION = Rule(
    id="ad-duration",
    severity=Severity.INFO,
    when="adComplete came more than 2 seconds from media.ad.length after adStart, pauses and buffers left out.",
    why="Ad time spent and the ad's length contradict each other in the reports.",
    fix="Send the length of the ad that plays, and adComplete when it ends; adSkip if it is cut short.",
    bad="adStart media.ad.length 7 at 0 s, adComplete at 12 s",
    good="adStart media.ad.length 12 at 0 s, adComplete at 12 s",
    source="Reference: ad start; metrics, ad-time-spent",
    contradictions="The second timeline has length 7 for an ad that plays for 12 seconds.",
    options=("ad-duration-seconds",),
)


@step_check(AD_DURATION, skips_pings=True)
def check_durations(session: SessionView, report: Report) -> StepCheck:
    """Report ads that take longer or shorter than their length, pauses and buffers left out."""
    ad: Event | None = None
    played_ms, held = 0, False
    last_ts: int | None = None
    while step := (yield):
        event = step.event
        if ad is None and event.type != "adStart":
            continue
        if event.ts is not None:
            if last_ts is not None and not held:
                played_ms += max(0, event.ts - last_ts)
            last_ts = event.ts
        if event.type == "adStart":
            ad, played_ms, held, last_ts = event, 0, False, event.ts
        elif event.type in ("pauseStart", "bufferStart"):
            held, ad = True, None if is_refused(event) else ad
        elif event.type == "play":
            held = False
        elif event.type == "adComplete" and ad is not None and step.before.in_ad:
            message = _duration_message(ad, step, played_ms, session.thresholds)
            if message and step.before.ad is Part.OPEN:  # of two ads that overlap, either may end
                report(AD_DURATION.hit(event, message))
            ad = None


def _duration_message(ad: Event, step: Step, played_ms: int, limits: Thresholds) -> str:
    length, slack = ad.number(_LENGTH), limits.ad_duration_seconds
    # A length in another unit, or below 0, is another mistake.
    if length is None or not 0 <= length <= limits.longest_ad_seconds or ad.ts is None or step.event.ts is None:
        return ""
    if abs(played_ms / 1000 - length) <= slack:
        return ""
    return (
        f"adComplete: {played_ms / 1000:.1f} s after the adStart of event {ad.index}, whose params.{_LENGTH} is "
        f"{format_number(length)}; expected {format_number(length)} s, {format_number(slack)} s more or less"
    )
