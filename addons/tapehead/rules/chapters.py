"""Rules on chapters: what opens and closes them, and where in the content they are."""

from typing import NamedTuple

from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Severity
from tapehead.protocol.transitions import ViolationKind
from tapehead.rules.playhead_motion import jumps
from tapehead.rules.support.rule import Rule
from tapehead.rules.support.session_check import Report, RowPings, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView
from tapehead.rules.support.tally import Tally
from tapehead.rules.support.violations import ViolationRule, check_violations
from tapehead.rules.units import is_chapter_length, is_recorded, is_thousandfold
from tapehead.text import format_number

# The chapters of a session that are remembered.
_MOST_CHAPTERS = 1000
_STILL_OPEN = "the chapter of {opened} is still open; expected chapterComplete or chapterSkip before it"


CHAPTER_OVERLAP = Rule(
    id="chapter-overlap",
    severity=Severity.ERROR,
    when="A chapterStart came while a chapter was open.",
    why="Chapters cannot overlap: the first one is not completed, and its time is wrong.",
    fix="Send chapterComplete or chapterSkip before the next chapterStart.",
    bad="chapterStart 1, chapterStart 2",
    good="chapterStart 1, chapterComplete, chapterStart 2",
    source="Reference: chapter start",
)


CHAPTER_NOT_OPEN = Rule(
    id="chapter-not-open",
    severity=Severity.ERROR,
    when="A chapterComplete or chapterSkip came with no open chapter.",
    why="It closes nothing, so no chapter complete is counted.",
    fix="Send one of them for each chapterStart.",
    bad="play, chapterComplete",
    good="play, chapterStart, chapterComplete",
    source="Reference: chapter complete; chapter skip",
)


CHAPTER_LEFT_OPEN = Rule(
    id="chapter-left-open",
    severity=Severity.WARNING,
    when="The session ended with a chapter open.",
    why="The chapter does not count as completed.",
    fix="Send chapterComplete at its end, or chapterSkip when the viewer leaves it, before the session ends.",
    bad="chapterStart, sessionEnd",
    good="chapterStart, chapterSkip, sessionEnd",
    source="Reference: chapter complete; chapter skip",
    contradictions=(
        "After 24 hours, or 30 minutes without movement, sessionEnd may leave a chapter open: the "
        "vendor's SDKs repeat it in the next session."
    ),
)

VIOLATIONS = {
    ViolationKind.CHAPTER_OVERLAP: ViolationRule(CHAPTER_OVERLAP, _STILL_OPEN, "chapterStart"),
    ViolationKind.CHAPTER_NOT_OPEN: ViolationRule(
        CHAPTER_NOT_OPEN, "no chapter is open; expected chapterStart before it"
    ),
    ViolationKind.CHAPTER_LEFT_OPEN: ViolationRule(CHAPTER_LEFT_OPEN, _STILL_OPEN, "chapterStart", left_open=True),
}


@step_check(*(row.rule for row in VIOLATIONS.values()), types=("chapterStart", "sessionEnd"), violations=True)
def check_chapters(session: SessionView, report: Report) -> StepCheck:
    """Report chapters that are opened or closed where they cannot be."""
    return check_violations(session, report, VIOLATIONS)


CHAPTER_MISMATCH = Rule(
    id="chapter-mismatch",
    severity=Severity.INFO,
    when=(
        "A chapter's offset or length is more than 2 seconds from where the playhead was at its start and end, or its "
        "index came twice."
    ),
    why="Chapters are told apart by index, offset and length: the reports mix them up, or show one as two.",
    fix="Send the chapter's own index, its first second in the content as offset, and its length in seconds.",
    bad="chapterStart playhead 300 offset 0 length 60",
    good="chapterStart playhead 300 offset 300 length 60",
    source="Reference: variables, chapters",
    contradictions="A chapter that a seek enters begins at the playhead, its offset lies before: that is fine.",
    options=("position-slack-seconds",),
)


class _Chapter(NamedTuple):
    """A chapterStart with its offset and length, and whether they fit so far."""

    event: Event
    offset: float | None
    length: float | None
    fits: bool


@step_check(CHAPTER_MISMATCH, row_pings=RowPings.LAST)
def check_places(session: SessionView, report: Report) -> StepCheck:
    """Report chapters in another place or of another length than they say, and indexes of other chapters."""
    recorded, slack = is_recorded(session), session.thresholds.position_slack_seconds
    elsewhere, twice = Tally(session, "chapters"), Tally(session, "chapters")
    chapters: dict[object, _Chapter] = {}
    chapter: _Chapter | None = None
    # The playhead from which content played on without a seek.
    origin: float | None = None
    while step := (yield):
        event, stretch = step.event, session.motion.stretch
        if stretch is None or jumps(session, stretch):
            origin = event.playhead if event.playhead is not None else origin
        if event.type == "chapterStart":
            index, offset, length = map(event.number, (keys.CHAPTER_INDEX, keys.CHAPTER_OFFSET, keys.CHAPTER_LENGTH))
            known = None if index is None else chapters.get(index)
            wrong = (
                "" if not recorded or step.before.in_chapter else _start_message(event, offset, length, origin, slack)
            )
            twice_named = known is not None and known.offset != offset
            if known and twice_named:
                message = f"chapterStart: params.{keys.CHAPTER_INDEX} is {format_number(index or 0)}, as that of event"
                message += f" {known.event.index} with another offset; expected another for each chapter"
                twice.add(CHAPTER_MISMATCH.hit(event, message, f"params.{keys.CHAPTER_INDEX}"))
            elif wrong:
                elsewhere.add(CHAPTER_MISMATCH.hit(event, wrong, f"params.{keys.CHAPTER_OFFSET}"))
            fits = recorded and not (wrong or twice_named) and is_chapter_length(session, length)
            chapter = _Chapter(event, offset, length, fits)
            if len(chapters) < _MOST_CHAPTERS:
                chapters.setdefault(index, chapter)
        elif event.type in ("chapterComplete", "chapterSkip"):
            ended = chapter if event.type == "chapterComplete" and step.before.in_chapter else None
            if ended and (wrong := _end_message(ended, event, slack)):
                elsewhere.add(CHAPTER_MISMATCH.hit(event, wrong, keys.PLAYHEAD_PATH))
            chapter = None
    twice.report(report)
    elsewhere.report(report)


def _start_message(event: Event, offset: float | None, length: float | None, origin: float | None, slack: float) -> str:
    """Return what is wrong with a chapter's offset; empty if it fits."""
    playhead = event.playhead
    if playhead is None or offset is None:
        return ""
    entered = origin is not None and origin > offset + slack
    latest = offset + slack + ((length or 0) if entered else 0)
    if offset - slack <= playhead <= latest:
        return ""
    message = f"chapterStart: params.{keys.CHAPTER_OFFSET} is {format_number(offset)}, and the playhead is"
    return f"{message} {format_number(playhead)}; expected the same, {format_number(slack)} s more or less"


def _end_message(chapter: _Chapter, event: Event, slack: float) -> str:
    """Return what is wrong with a chapter's length at its end; empty if it fits."""
    began, ended, offset, length = chapter.event.playhead, event.playhead, chapter.offset, chapter.length
    if not chapter.fits or began is None or ended is None or offset is None or length is None:
        return ""
    # A seek enters a chapter behind its offset.
    wanted = (offset if began > offset + slack else began) + length
    # A playhead that went back and a length of milliseconds are other mistakes.
    if abs(ended - wanted) <= slack or ended < began or is_thousandfold(length, ended - began):
        return ""
    message = f"chapterComplete: the chapter of event {chapter.event.index} ends at playhead {format_number(ended)}"
    return f"{message}; expected {format_number(wanted)} after its length, or chapterSkip"
