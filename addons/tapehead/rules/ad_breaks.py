"""Rules on ad breaks within the content: what plays before and between ads, and where in the content a break is."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Severity
from tapehead.protocol.session_machine import Step, is_refused, is_unknown
from tapehead.protocol.transitions import AdBreak, Life, Playback
from tapehead.rules.support.motion import plays_content
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_check import Report, RowPings, StepCheck, report_all, step_check
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.rules.support.tally import Tally
from tapehead.rules.units import is_all_day, is_recorded
from tapehead.text import count_of, format_number

_INDEX, _SECOND = keys.AD_BREAK_INDEX, keys.AD_BREAK_SECOND
# The pods of a session that are remembered.
_MOST_PODS = 1000
# Playheads are read a moment apart.
_MOMENT_S = 0.1


AD_WHILE_PAUSED = Rule(
    id="ad-while-paused",
    severity=Severity.WARNING,
    when=(
        "An ad ran while the content was paused or buffering, and no play came in the ad; also where the pause began "
        "in the ad, which was complete in its time."
    ),
    why="The ad's time counts as pause or buffer time: ad time spent is 0.",
    fix="Send play when the ad plays, after adStart; or send no pauseStart when an ad takes the content's place.",
    bad="pauseStart, adBreakStart, adStart, adComplete, adBreakComplete, play",
    good="pauseStart, adBreakStart, adStart, play, adComplete, adBreakComplete, play",
    source="Reference: metrics, ad-time-spent. Observed: media-sdks issue 13",
    options=("ad-duration-seconds",),
)


@step_check(AD_WHILE_PAUSED, row_pings=RowPings.LAST)
def check_paused_ads(session: SessionView, report: Report) -> StepCheck:
    """Report once each pause or buffer in which ads ran, and what they lose."""
    hold: Event | None = None
    first: Event | None = None
    number = lost_ms = 0
    # When an ad began in the pause, by the time that elapsed in the session.
    began_ms: int | None = None
    late, intervals = _LatePause(session), session.intervals

    def hits_so_far() -> Iterator[RuleHit]:
        running_ms = 0 if began_ms is None else intervals.elapsed_ms - began_ms
        return _paused_hits(first, hold, number + (began_ms is not None), lost_ms + running_ms)

    session.pending.append(hits_so_far)
    while step := (yield):
        event, before = step.event, step.before
        if before.life is Life.ENDED:
            continue
        plays = event.type == "play" or is_unknown(event)
        if began_ms is not None and not plays and (event.type == "adStart" or not step.after.in_ad):
            number, lost_ms, began_ms = number + 1, lost_ms + intervals.elapsed_ms - began_ms, None
        if lost := late.add(event, plays=plays):
            first, number, lost_ms = first or late.ad, number + 1, lost_ms + lost
        if plays:
            report_all(_paused_hits(first, hold, number, lost_ms), report)
            hold, first, number, lost_ms, began_ms = None, None, 0, 0, None
        elif event.type in ("pauseStart", "bufferStart"):
            hold = hold or (None if is_refused(event) else event)
        elif event.type == "adStart" and hold and before.playback in (Playback.PAUSED, Playback.BUFFERING):
            # Where content went on, it is the play before the ad that is missing.
            moved = abs((event.playhead or 0) - (hold.playhead or 0)) > session.thresholds.playhead_slack_seconds
            first, began_ms = (first, began_ms) if moved else (first or event, intervals.elapsed_ms)
    report_all(hits_so_far(), report)


class _LatePause:
    """The pause of content that is sent after the start of the ad which takes its place.

    A viewer may pause an ad: then it is complete after a play, and later than its length.
    """

    def __init__(self, session: SessionView) -> None:
        self._session = session
        # When the ad began and the pause in it, by the time that elapsed in the session.
        self._began_ms = 0
        self._held_ms: int | None = None
        self._plays = True
        self.ad: Event | None = None

    def add(self, event: Event, *, plays: bool) -> int:
        """Take the next event; return the milliseconds that the ad which it completes in time has lost."""
        now_ms, slack_ms = self._session.intervals.elapsed_ms, self._session.thresholds.ad_duration_seconds * 1000
        self._held_ms = None if plays else self._held_ms
        if event.type == "adStart":
            self.ad, self._began_ms, self._held_ms = event, now_ms, None
        elif event.type in ("pauseStart", "bufferStart"):
            self._held_ms = now_ms if self._plays else self._held_ms
            self._plays = False
        elif event.type == "adComplete" and self.ad and self._held_ms is not None and now_ms - self._held_ms > slack_ms:
            length = self.ad.number(keys.AD_LENGTH)
            is_in_time = length and abs(now_ms - self._began_ms - length * 1000) <= slack_ms
            return now_ms - self._held_ms if is_in_time else 0
        self._plays = self._plays or plays
        return 0


def _paused_hits(first: Event | None, hold: Event | None, number: int, lost_ms: int) -> Iterator[RuleHit]:
    """Yield the hit of the ads of a pause or buffer, if they lost time."""
    if first and hold and lost_ms:
        name = "pause" if hold.type == "pauseStart" else "buffer"
        which = "the ad" if number == 1 else f"it and {count_of(number - 1, 'more ad')}"
        message = f"adStart: {which} ran in the {name} of event {hold.index} without a play, so {lost_ms / 1000:.1f} s"
        message += f" of ad time count as {name} time; expected play after adStart"
        yield AD_WHILE_PAUSED.hit(first, message)


PLAY_BEFORE_PREROLL = Rule(
    id="play-before-preroll",
    severity=Severity.WARNING,
    when=(
        "The first play came at most 2 seconds before an adBreakStart, and the playhead did not move in between; in a "
        "channel that never ends: before one with podSecond 0."
    ),
    why=(
        "The content counts as started before its pre-roll: viewers who leave in the ad are content starts and no "
        "drops before start."
    ),
    fix="Send adBreakStart and adStart first, play when the first frame of the main content appears.",
    bad="sessionStart, play playhead 0, adBreakStart playhead 0",
    good="sessionStart, adBreakStart, adStart, adComplete, adBreakComplete, play",
    source="Reference: ads, overview (IMPORTANT). Observed: media-sdks issue 19",
    options=("preroll-seconds",),
)


@step_check(PLAY_BEFORE_PREROLL, types=("play", "adBreakStart"))
def check_preroll(session: SessionView, report: Report) -> StepCheck:
    """Report a play directly before the first break, at the place where the content began."""
    first: Event | None = None
    last: Event | None = None
    while step := (yield):
        event = step.event
        if event.type == "play":
            first, last = first or event, event
            continue
        if first and last and last.ts is not None and event.ts is not None and not step.before.blind:
            seconds = (event.ts - last.ts) / 1000
            rests = _distance(first, event) <= _MOMENT_S and _distance(last, event) <= _MOMENT_S
            # The second of the day moves on in any case.
            rests = rests or (is_all_day(session) and event.number(_SECOND) == 0)
            if 0 <= seconds <= session.thresholds.preroll_seconds and rests:
                message = f"play: it came {seconds:.1f} s before the adBreakStart of event {event.index}, at the same"
                message += " playhead; expected it after the pre-roll, with the first frame of the main content"
                report(PLAY_BEFORE_PREROLL.hit(last, message))
        return


def _distance(one: Event, other: Event) -> float:
    return math.inf if one.playhead is None or other.playhead is None else abs(one.playhead - other.playhead)


CONTENT_IN_BREAK = Rule(
    id="content-in-break",
    severity=Severity.INFO,
    when="Between two ads of a break lies a gap of more than 250 milliseconds, with play of main content or without.",
    why="The time between the ads counts as main content.",
    fix="Start the next ad when the one before it ends; send play after adBreakComplete only.",
    bad="adStart, adComplete, play, 1 s later adStart",
    good="adStart, adComplete, adStart, adComplete, adBreakComplete, play",
    source="Reference: ads, overview. Observed: media-sdks issue 11",
    contradictions="The vendor's SDK sends a play between two ads that follow at once: that costs nothing.",
    options=("ad-gap-seconds",),
)


@step_check(
    CONTENT_IN_BREAK, types=("play", "adStart", "adComplete", "adSkip", "adBreakStart", "adBreakComplete", "sessionEnd")
)
def check_gaps_between_ads(session: SessionView, report: Report) -> StepCheck:
    """Report each break with gaps between its ads, at the ad after the first gap."""
    closed: Event | None = None
    play: Event | None = None
    first: RuleHit | None = None
    gaps, total = 0, 0.0

    session.pending.append(lambda: _gap_hits(first, gaps, total))
    while True:
        step = yield
        if step is None or step.event.type in ("adBreakStart", "adBreakComplete", "sessionEnd"):
            report_all(_gap_hits(first, gaps, total), report)
            closed, first, gaps, total = None, None, 0, 0.0
            if step is None:
                return
        elif step.event.type == "play":
            play = step.event
        elif step.event.type != "adStart":
            closed, play = step.event if step.before.in_break else None, None
        elif closed and closed.ts is not None and step.event.ts is not None and step.before.in_break:
            seconds = (step.event.ts - closed.ts) / 1000
            if seconds > session.thresholds.ad_gap_seconds:
                first = first or _gap_hit(step.event, closed, play, seconds, session.thresholds.ad_gap_seconds)
                gaps, total = gaps + 1, total + seconds
            closed = None


def _gap_hits(first: RuleHit | None, gaps: int, total: float) -> Iterator[RuleHit]:
    """Yield the hit at the first of the gaps of a break, with their number."""
    if first:
        more = f" ({gaps} such gaps in the break, {total:.1f} s in all)" if gaps > 1 else ""
        yield first._replace(message=f"{first.message}{more}")


def _gap_hit(event: Event, closed: Event, play: Event | None, seconds: float, most: float) -> RuleHit:
    content = f", with the play of event {play.index} in between" if play else ""
    message = f"adStart: {format_number(seconds)} s after the {closed.type} of event {closed.index}{content}"
    return CONTENT_IN_BREAK.hit(event, f"{message}; expected {format_number(most)} s at most between ads of a break")


EVENT_BEFORE_AD = Rule(
    id="event-before-ad",
    severity=Severity.INFO,
    when="A play, ping, pauseStart or bufferStart came between adBreakStart and the break's first adStart.",
    why="The time before the first ad is neither ad nor content: it is not stated where it is counted.",
    fix="Send adBreakStart together with the first adStart, when the ad is there.",
    bad="adBreakStart, ping, adStart",
    good="adBreakStart, adStart, ping",
    source="Reference: timeline 1, action 4",
)


@step_check(
    EVENT_BEFORE_AD, types=("play", "ping", "pauseStart", "bufferStart", "adStart", "adBreakStart"), skips_pings=True
)
def check_before_ads(_session: SessionView, report: Report) -> StepCheck:
    """Report the first event between the start of a break and its first ad; a break without one is another mistake."""
    waiting: Event | None = None
    first: Event | None = None
    while step := (yield):
        event = step.event
        if event.type == "adBreakStart":
            waiting, first = None if step.before.in_break else event, None
        elif waiting and event.type == "adStart":
            if first and step.before.ad_break is AdBreak.OPEN:
                message = f"{name_of(first)}: it came after the adBreakStart of event {waiting.index} and before the"
                report(
                    EVENT_BEFORE_AD.hit(first, f"{message} adStart of event {event.index}; expected nothing between")
                )
            waiting = None
        elif waiting and step.before.ad_break is AdBreak.OPEN:
            first = first or event


POD_MISMATCH = Rule(
    id="pod-mismatch",
    severity=Severity.WARNING,
    when=(
        "A podIndex came twice in a session, or the podSecond of recorded content is more than 2 seconds from the "
        "playhead at adBreakStart."
    ),
    why="Breaks are told apart by index and second: ads are reported in the wrong break, or two breaks as one.",
    fix="Count the breaks of a session; send the second of the content at which the break begins.",
    bad="adBreakStart playhead 600 podIndex 1 podSecond 0",
    good="adBreakStart playhead 600 podIndex 1 podSecond 600",
    source="Reference: dimensions, ad-pod",
    contradictions=(
        "Of a pre-roll before resumed content podSecond is 0: that is fine. Some pages count breaks from 1. Players "
        "send -1 of a post-roll, which is a bad-value."
    ),
    options=("position-slack-seconds",),
)


@step_check(POD_MISMATCH, row_pings=RowPings.LAST)
def check_pods(session: SessionView, report: Report) -> StepCheck:
    """Report breaks with the index of another one, and breaks in another place than they say."""
    recorded, slack = is_recorded(session), session.thresholds.position_slack_seconds
    twice, elsewhere = Tally(session, "breaks"), Tally(session, "breaks")
    pods: dict[float, _Pod] = {}
    way = _Way()
    while step := (yield):
        way.add(step)
        event = step.event
        if event.type != "adBreakStart" or step.before.in_break:
            continue
        index, second = event.number(_INDEX), event.number(_SECOND)
        pod = pods.get(index) if index is not None else None
        # Who goes back sees the same break again.
        if pod and not (way.returns > pod.returns and pod.second == second):
            message = (
                f"adBreakStart: params.{_INDEX} is {format_number(index or 0)}, as that of event {pod.event.index}"
            )
            twice.add(POD_MISMATCH.hit(event, f"{message}; expected another for each break", f"params.{_INDEX}"))
        elif recorded and second is not None and second >= 0 and event.playhead is not None:
            is_preroll = second == 0 and not way.has_played
            if not (is_preroll or way.lowest - slack <= second <= way.highest + slack):
                message = f"adBreakStart: params.{_SECOND} is {format_number(second)}, and the playhead is"
                message += f" {format_number(event.playhead)}; expected the same, {format_number(slack)} s more or less"
                elsewhere.add(POD_MISMATCH.hit(event, message, f"params.{_SECOND}"))
        if index is not None and len(pods) < _MOST_PODS:
            pods[index] = _Pod(event, second, way.returns)
    twice.report(report)
    elsewhere.report(report)


class _Pod(NamedTuple):
    """A break, its second, and how often the playhead had gone back when it began."""

    event: Event
    second: float | None
    returns: int


class _Way:
    """The way of the playhead to the current event.

    Attributes:
        lowest, highest: where it was since it rested last; at the event alone, if content played on to it. A break
            that a seek jumped over is shown after the seek.
        has_played: whether main content played.
        returns: how often it went back.
    """

    def __init__(self) -> None:
        self.lowest = self.highest = 0.0
        self.has_played = False
        self.returns = 0
        self._rested = False
        self._last: float | None = None

    def add(self, step: Step) -> None:
        """Take the session's next step."""
        event, played = step.event, plays_content(step.before)
        self.has_played = self.has_played or played
        if event.playhead is None:
            return
        if self._last is not None and event.playhead < self._last - 1:
            self.returns += 1
        if event.type in ("pauseStart", "bufferStart"):
            if not self._rested and self._last is not None:
                self.lowest = self.highest = self._last
            self._rested = True
        elif played and event.type not in ("play", "adBreakStart"):
            self._rested = False
        if not self._rested:
            self.lowest = self.highest = event.playhead
        self.lowest, self.highest = min(self.lowest, event.playhead), max(self.highest, event.playhead)
        self._last = event.playhead
