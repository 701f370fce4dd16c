"""Rules on several sessions of one visitor and player: sessions that restart, go on too long, or run in parallel.

The same visitor is known by its ids, or by their pseudonyms, which are the same for the same id. A session without
any is compared with no other.
"""

from tapehead.protocol import keys
from tapehead.protocol.exchange import Severity
from tapehead.rules.support.intervals import HOUR_MS, MINUTE_MS
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_trace import GRACE_MS, Overlap
from tapehead.rules.support.session_view import name_of
from tapehead.rules.support.thresholds import Thresholds
from tapehead.text import format_number

# Of two sessions that one tracker feeds twice, events come together; two players do not keep that up.
_TOGETHER_MS = 2000
_LEAST_TOGETHER = 3
_LEAST_STRAY = 2
_ENDINGS = ("sessionComplete", "sessionEnd")

SESSION_RESTARTED = Rule(
    id="session-restarted",
    severity=Severity.WARNING,
    when=(
        "A sessionStart came while a session of the same visitor, player and content was open, without media.resume; "
        "or two such sessions run side by side, event for event."
    ),
    why=(
        "One view counts as several media starts, each with a part of its time; if the tracker is bound twice, "
        "everything counts twice."
    ),
    fix=(
        "Send sessionEnd before a new sessionStart, or media.resume true with it; open a session once for each load "
        "of the content."
    ),
    bad="sessionStart, play, ping, then sessionStart of the same content",
    good="sessionStart, play, ping, sessionEnd, then sessionStart of the same content",
    source="Reference: events, session, overview (note)",
    contradictions=(
        "Two tabs with the same content look alike. A session counts as open until sessionComplete, sessionEnd, a 404 "
        "or 410, or a timeout of the back end."
    ),
    options=("idle-minutes", "stalled-minutes", "session-hours"),
)

STRAY_PINGS = Rule(
    id="stray-pings",
    severity=Severity.WARNING,
    when=(
        "A session's pings, and nothing else of it, go on after the same player opened another session and plays it; "
        "an information if it was paused."
    ),
    why="The first session goes on in the reports while nobody watches it: its time spent and its end are wrong.",
    fix="Send sessionEnd and stop the timer of the pings before the next sessionStart.",
    bad="sessionStart of A, play, sessionStart of B, play in B, ping in A, ping in A",
    good="sessionStart of A, play, sessionEnd of A, sessionStart of B, play in B",
    source="Reference: validation, test 2. Observed: video-heartbeat issue 15",
    contradictions=(
        "A viewer with two tabs looks alike as long as nothing but pings comes from one of them. So a session that was "
        "paused is an information only."
    ),
)


def check_restart(overlap: Overlap, limits: Thresholds) -> RuleHit | None:
    """Return the hit at the later session's start if it begins anew what is open, or what runs beside it."""
    earlier, later, began_ms = overlap.earlier, overlap.later, overlap.later.start.arrived_ms
    if not overlap.same_content or later.resumes or began_ms > earlier.next_ms or _was_closed(overlap, limits):
        return None
    if not earlier.opening:
        # That nothing followed its start is its finding.
        return None
    together = count_together(overlap)
    apart = format_number(abs(began_ms - earlier.start.arrived_ms) / 1000)
    if together:
        message = (
            f"{earlier.name} began {apart} s before, and both run side by side: their first {together} events after "
            "the start are the same; expected one tracker, and one session"
        )
    else:
        silent = format_number(max(0.0, began_ms - overlap.last_ms) / 1000)
        message = (
            f"{earlier.name} has the same visitor, player and content and is still open, its last call {silent} s "
            f"before; expected a sessionEnd there first, or {keys.MEDIA_RESUME} true here"
        )
    return SESSION_RESTARTED.hit(later.start, f"{name_of(later.start)}: {message}")


def check_stray(overlap: Overlap) -> RuleHit | None:
    """Return the hit at the earlier session's first ping that came although its player plays the later one."""
    earlier, later = overlap.earlier, overlap.later
    if earlier.strays or later.played_ms is None or count_together(overlap):
        return None
    went_on = [event for event in overlap.went_on(later.played_ms) if event.type not in _ENDINGS]
    if len(went_on) < _LEAST_STRAY or any(event.type != "ping" for event in went_on):
        return None
    first = went_on[0]
    if earlier.ended_ms is not None and earlier.ended_ms < first.arrived_ms:
        return None
    since = format_number((first.arrived_ms - later.played_ms) / 1000)
    paused = ", which was paused or buffering," if earlier.holds else ""
    message = (
        f"ping: the player has been playing {later.name} for {since} s, yet pings of this session{paused} go on, "
        f"{len(went_on)} within a minute; expected sessionEnd before, and no ping after it"
    )
    return STRAY_PINGS.hit(first, message, severity=Severity.INFO if earlier.holds else None)


def count_together(overlap: Overlap) -> int:
    """Return the number of events after the start that both sessions sent together; 0 if they soon differ."""
    earlier, later = overlap.earlier, overlap.later
    if abs(later.start.arrived_ms - earlier.start.arrived_ms) > _TOGETHER_MS or not overlap.same_content:
        return 0
    pairs = list(zip(earlier.opening, later.opening, strict=False))
    same = all(one.type == two.type and abs(one.arrived_ms - two.arrived_ms) <= _TOGETHER_MS for one, two in pairs)
    return len(pairs) if same and len(pairs) >= _LEAST_TOGETHER else 0


def _was_closed(overlap: Overlap, limits: Thresholds) -> bool:
    """Return whether the earlier session was over when the later one began, by its own calls or by a timeout."""
    earlier, began_ms = overlap.earlier, overlap.later.start.arrived_ms
    if earlier.completed_ms is not None and earlier.completed_ms <= began_ms + GRACE_MS:
        return True
    return (
        began_ms - overlap.last_ms > limits.idle_minutes * MINUTE_MS
        or began_ms - overlap.moved_ms > limits.stalled_minutes * MINUTE_MS
        or began_ms - earlier.start.arrived_ms > limits.session_hours * HOUR_MS
    )
