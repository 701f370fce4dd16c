"""Rules on quality data over a session: totals that go down, and a time to start that does not stay."""

from tapehead.protocol import keys
from tapehead.protocol.events import Event, as_number
from tapehead.protocol.exchange import Severity
from tapehead.rules.support.rule import Rule
from tapehead.rules.support.session_check import Report, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.rules.support.tally import Tally
from tapehead.text import format_number

DROPPED_FRAMES_TOTAL = Rule(
    id="dropped-frames-total",
    severity=Severity.WARNING,
    when="media.qoe.droppedFrames goes down.",
    why="The last value is reported as the session's total: of frames per interval all but the last are lost.",
    fix="Send the number of frames dropped since the session began, also when the player begins to count anew.",
    bad="droppedFrames 12, then 0",
    good="droppedFrames 12, then 12",
    source="Reference: variables, quality/dropped-frames (IMPORTANT)",
)


@step_check(DROPPED_FRAMES_TOTAL, values=True)
def check_dropped_frames(session: SessionView, report: Report) -> StepCheck:
    """Report the first total below the one before, and how many there are."""
    tally = Tally(session, "events")
    before: float | None = None
    while step := (yield):
        frames, path = _read(step.event, keys.DROPPED_FRAMES)
        if frames is None:
            continue
        if before is not None and frames < before:
            message = f"{name_of(step.event)}: {path} is {format_number(frames)} after {format_number(before)}"
            tally.add(DROPPED_FRAMES_TOTAL.hit(step.event, f"{message}; expected the total of the session", path))
        before = frames
    tally.report(report)


TIME_TO_START_GROWS = Rule(
    id="time-to-start-grows",
    severity=Severity.WARNING,
    when=(
        "media.qoe.timeToStart changes after the first play of main content. A value under 50 is an information: it "
        "looks like seconds."
    ),
    why="Which of several values is reported is not stated; a clock that runs on makes every start look slow.",
    fix="Stop the clock at the first frame of the main content, and send that value, in milliseconds, from then on.",
    bad="play timeToStart 1200, ping timeToStart 11200",
    good="play timeToStart 1200, ping timeToStart 1200",
    source="Reference: variables, quality/time-to-start",
    contradictions="Set before the sessionStart on one page, measured up to the first frame on others.",
    options=("startup-milliseconds",),
)


@step_check(TIME_TO_START_GROWS, types=("play",), values=True)
def check_time_to_start(session: SessionView, report: Report) -> StepCheck:
    """Report the first change after main content began, and a first value that looks like seconds."""
    playing = False
    first: float | None = None
    while step := (yield):
        event = step.event
        playing = playing or (event.type == "play" and step.before.in_main_content)
        value, path = _read(event, keys.TIME_TO_START)
        if value is None or not playing:
            continue
        shown = f"{name_of(event)}: {path} is {format_number(value)}"
        if first is None:
            first = value
            if 0 < value < session.thresholds.startup_milliseconds:
                message = f"{shown}, which looks like seconds; expected milliseconds"
                report(TIME_TO_START_GROWS.hit(event, message, path, Severity.INFO))
        elif value != first:
            message = f"{shown}, and was {format_number(first)} when the main content began; expected the first value"
            report(TIME_TO_START_GROWS.hit(event, message, path))
            return


def _read(event: Event, key: str) -> tuple[float | None, str]:
    """Return a quality value and its path; it may stand in `params`, too."""
    for section, values in ((keys.QUALITY, event.quality), (keys.PARAMS, event.params)):
        if (value := as_number(values.get(key))) is not None:
            return value, f"{section}.{key}"
    return None, ""
