"""Rules on units and origins: playheads and lengths in milliseconds, live playheads that are no second of the day."""

from tapehead.protocol import keys
from tapehead.protocol.events import LIVE_LENGTH, TEN_YEARS_MS, Event
from tapehead.protocol.exchange import Severity
from tapehead.rules.support.rule import Rule
from tapehead.rules.support.session_check import Report, RowPings, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.text import format_number

_PATH = keys.PLAYHEAD_PATH
_QUARTER_S = 900
_NEARLY_S = 60
# The minutes of the time zones next to UTC.
_LEAST_ZONE = 60
# The speed of a playhead in milliseconds, give or take playback at another speed than the clock's.
_LEAST_RATE, _MOST_RATE = 500, 2000
# A speed that a playhead in seconds has; one in milliseconds is faster, if it moves at all.
_MOST_SECONDS_RATE = 20
# How many times the seconds that were played a length in milliseconds is.
_LEAST_FACTOR, _MOST_FACTOR = 800, 1250
# How many times the content's length is no position in seconds, whatever is wrong with the length.
_FAR_BEYOND = 100
# The shortest stretch that tells a unit.
_LEAST_SECONDS = 0.5


PLAYHEAD_UNIT = Rule(
    id="playhead-unit",
    severity=Severity.ERROR,
    when="The playhead looks like milliseconds or Unix time.",
    why="Progress markers, segments and unique time come out of playheads: all of them are wrong, or nothing is left.",
    fix="Send seconds into the content, with decimals if you have them; for live content the second of the day.",
    bad="play playhead 0, and 10 s later ping playhead 10000",
    good="play playhead 0, and 10 s later ping playhead 10",
    source="Reference: sessions request. Observed: acp-sdks issue 464",
)


@step_check(PLAYHEAD_UNIT, row_pings=RowPings.LAST)
def check_playhead_unit(session: SessionView, report: Report) -> StepCheck:
    """Report the first playhead that shows another unit than seconds."""
    wanted = "the second of the day" if is_all_day(session) else "seconds into the content"
    quick = 0
    while step := (yield):
        event = step.event
        if event.playhead is None:
            continue
        unit, stretch = _unit_of(session, event.playhead, event), session.motion.stretch
        if not unit and stretch and stretch.seconds >= _LEAST_SECONDS:
            quick = quick + 1 if _LEAST_RATE <= stretch.rate <= _MOST_RATE else 0
            # One such step could be a seek, where the content is long enough.
            if quick > 1 or (quick and _is_out_of_range(session, event.playhead)):
                unit = f"milliseconds: it moved by {format_number(stretch.moved)} in {stretch.seconds:.1f} s"
        if unit:
            message = f"{name_of(event)}: {_PATH} is {format_number(event.playhead)}, which looks like {unit}"
            report(PLAYHEAD_UNIT.hit(event, f"{message}; expected {wanted}", _PATH))
            return


def _unit_of(session: SessionView, playhead: float, event: Event) -> str:
    """Return the unit that a playhead alone shows; empty if it may be seconds."""
    if abs(playhead * 1000 - event.arrived_ms) <= TEN_YEARS_MS:
        return "Unix seconds"
    if abs(playhead - event.arrived_ms) <= TEN_YEARS_MS:
        return "Unix milliseconds"
    in_seconds = playhead / 1000
    if is_all_day(session):
        in_range = playhead >= LIVE_LENGTH and in_seconds < LIVE_LENGTH
        fits = in_range and abs(_day_offset(event, in_seconds)) <= session.thresholds.live_offset_minutes * 60
        return "milliseconds of the day" if fits else ""
    length = content_length(session)
    stretch = session.motion.stretch
    in_step = stretch is not None and stretch.seconds >= _LEAST_SECONDS and 0 < stretch.rate < _MOST_SECONDS_RATE
    if length and playhead > _FAR_BEYOND * length and not in_step and not _is_out_of_range(session, in_seconds):
        return "milliseconds"
    return ""


def _is_out_of_range(session: SessionView, playhead: float) -> bool:
    most = LIVE_LENGTH if session.live or session.length is None else session.length
    return playhead > most + session.thresholds.playhead_slack_seconds


LENGTH_UNIT = Rule(
    id="length-unit",
    severity=Severity.WARNING,
    when=(
        "media.length of recorded content is 0 or over 86400, an ad's length over 600, a chapter's over the content's, "
        "or a length is a thousand times what was played."
    ),
    why="Progress markers and average minute audience divide by the length: they come out a thousand times too small.",
    fix="Send lengths in seconds; of live content without an end 86400.",
    bad='"media.length": 3600000',
    good='"media.length": 3600',
    source="Reference: metrics, content-length. Observed: changelog of a player vendor's connector",
    options=("longest-ad-seconds", "playhead-slack-seconds"),
)


@step_check(LENGTH_UNIT, types=("adStart", "sessionComplete"))
def check_lengths(session: SessionView, report: Report) -> StepCheck:
    """Report the content's length and the first length of an ad that are no number of seconds."""
    start, longest, has_ad = session.start, session.thresholds.longest_ad_seconds, False
    length = None if start is None or session.live else start.number(keys.MEDIA_LENGTH)
    if start and length is not None and (length == 0 or length > LIVE_LENGTH):
        most = "more than 0" if length == 0 else f"{LIVE_LENGTH} at most"
        _report_length(report, start, keys.MEDIA_LENGTH, most, LIVE_LENGTH)
    while step := (yield):
        event = step.event
        if event.type == "sessionComplete":
            if start and is_thousandfold(content_length(session), event.playhead):
                played = format_number(event.playhead or 0)
                _report_length(report, start, keys.MEDIA_LENGTH, f"about the {played} at sessionComplete")
        elif not has_ad and (event.number(keys.AD_LENGTH) or 0) > longest:
            has_ad = True
            _report_length(report, event, keys.AD_LENGTH, f"{format_number(longest)} at most", longest)


@step_check(LENGTH_UNIT, types=("chapterStart", "chapterComplete"))
def check_chapter_lengths(session: SessionView, report: Report) -> StepCheck:
    """Report the first length of a chapter that is beyond the content's or a thousand times what it played."""
    chapter: Event | None = None
    while step := (yield):
        event = step.event
        if event.type == "chapterStart":
            chapter = event
            if not is_chapter_length(session, event.number(keys.CHAPTER_LENGTH)):
                most = content_length(session) or LIVE_LENGTH
                _report_length(report, event, keys.CHAPTER_LENGTH, f"{format_number(most)} at most", most)
                return
        elif step.before.in_chapter and chapter and chapter.playhead is not None and event.playhead is not None:
            played = event.playhead - chapter.playhead
            if is_thousandfold(chapter.number(keys.CHAPTER_LENGTH), played):
                _report_length(
                    report, chapter, keys.CHAPTER_LENGTH, f"about the {format_number(played)} that it played"
                )
                return


def _report_length(report: Report, event: Event, key: str, wanted: str, most: float | None = None) -> None:
    length, path = event.number(key) or 0, f"{keys.PARAMS}.{key}"
    is_thousands = length >= _LEAST_FACTOR and (most is None or length / 1000 <= most)
    guess = ", which looks like milliseconds" if is_thousands else ""
    message = f"{name_of(event)}: {path} is {format_number(length)}{guess}; expected seconds, {wanted}"
    report(LENGTH_UNIT.hit(event, message, path))


def is_recorded(session: SessionView) -> bool:
    """Return whether the content is known to be recorded, so that playheads are seconds into it."""
    return session.start is not None and session.start.saved and not session.live


def content_length(session: SessionView) -> float | None:
    """Return the length of recorded content in seconds, if it is plausible."""
    return None if session.live or session.length is None or session.length > LIVE_LENGTH else session.length


def is_chapter_length(session: SessionView, length: float | None) -> bool:
    """Return whether a chapter's length is not beyond the content's."""
    most = content_length(session) or LIVE_LENGTH
    return length is None or length <= most + session.thresholds.playhead_slack_seconds


def is_thousandfold(length: float | None, played: float | None) -> bool:
    """Return whether a length looks like the milliseconds of the seconds that were played."""
    return bool(length and played and played >= 1 and _LEAST_FACTOR * played <= length <= _MOST_FACTOR * played)


LIVE_PLAYHEAD = Rule(
    id="live-playhead",
    severity=Severity.WARNING,
    when=(
        "Live content with length 86400 has a playhead that is not the UTC second of the day, or a live programme with "
        "a length below that one that is. The second of the day in local time is an information."
    ),
    why=(
        "Viewers of one moment of the programme have different playheads: segments and the audience of a minute cannot "
        "be compared between them."
    ),
    fix="Send the UTC second of the day for a channel that never ends, seconds since its start for a live programme.",
    bad="media.length 86400, at 10:00 UTC playhead 0",
    good="media.length 86400, at 10:00 UTC playhead 36000",
    source="Reference: sessions request. Observed: media-sdks issue 72",
    contradictions=(
        "The sessions request wants the second of the day, the page on segments counts from the first playhead. "
        "A player vendor's connector takes the second of the day in local time."
    ),
    options=("live-offset-minutes",),
)


@step_check(LIVE_PLAYHEAD, row_pings=RowPings.LAST)
def check_live_playhead(session: SessionView, report: Report) -> StepCheck:
    """Report the playhead of the first play or of the event after it, unless one of them fits."""
    if session.start is None or not session.live:
        return
    seen: list[Event] = []
    while len(seen) < 2 and (step := (yield)):
        opens = step.event.type == "play" and step.before.in_main_content
        if step.event.playhead is not None and 0 <= step.event.playhead < LIVE_LENGTH and (seen or opens):
            seen.append(step.event)
    if not seen:
        return
    event, most = seen[-1], session.thresholds.live_offset_minutes * 60
    offsets = [_day_offset(each, each.playhead or 0) for each in seen]
    playhead = event.playhead or 0
    shown = f"{name_of(event)}: {_PATH} is {format_number(playhead)}"
    if not is_all_day(session):
        beyond = playhead > (session.length or 0) + session.thresholds.playhead_slack_seconds
        if beyond and max(map(abs, offsets)) <= most:
            message = f"{shown}, the second of the day, and {keys.MEDIA_LENGTH} is {format_number(session.length or 0)}"
            report(LIVE_PLAYHEAD.hit(event, f"{message}; expected seconds since the start of the programme", _PATH))
    elif min(map(abs, offsets)) > most:
        wanted = f"expected the UTC second of the day, {format_number(round(playhead - offsets[-1], 3) % LIVE_LENGTH)}"
        begun, guess, severity = session.start.arrived_ms, "", Severity.WARNING
        if playhead <= (event.arrived_ms - begun) / 1000 + _NEARLY_S:
            guess = ", which looks like the time since the session's start"
        elif (minutes := _zone_of(offsets[-1])) is not None:
            zone = f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
            guess, severity = f", which looks like the second of the day of {zone}", Severity.INFO
        report(LIVE_PLAYHEAD.hit(event, f"{shown}{guess}; {wanted}", _PATH, severity))


def _zone_of(offset: float) -> int | None:
    """Return the minutes of the time zone that an offset from UTC looks like; None if it looks like none."""
    minutes = round(offset / _QUARTER_S) * 15
    return minutes if abs(minutes) >= _LEAST_ZONE and abs(offset - minutes * 60) <= _NEARLY_S else None


def is_all_day(session: SessionView) -> bool:
    """Return whether the playhead of a session is to be the second of the day."""
    return session.live and (session.length is None or session.length >= LIVE_LENGTH)


def _day_offset(event: Event, playhead: float) -> float:
    """Return how far a playhead is from the UTC second of the day, in seconds up to half a day."""
    second = (event.arrived_ms if event.ts is None else event.ts) / 1000 % LIVE_LENGTH
    return (playhead - second + LIVE_LENGTH / 2) % LIVE_LENGTH - LIVE_LENGTH / 2
