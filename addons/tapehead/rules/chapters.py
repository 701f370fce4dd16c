"""Rules on chapters: what opens and closes them."""

from tapehead.protocol.exchange import Severity
from tapehead.protocol.transitions import ViolationKind
from tapehead.rules.support.rule import Rule
from tapehead.rules.support.session_check import Report, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView
from tapehead.rules.support.violations import ViolationRule, check_violations

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
