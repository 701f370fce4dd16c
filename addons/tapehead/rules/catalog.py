"""The registry of rules and of the checks of a session.

Ids and severities are a contract with the people who script against them: an id is never reused, wording may change.
The order of the rules is that of the documentation, and of findings about the same event. A rule is added with its
check in the module of its family, and with an entry here.
"""

from tapehead.protocol.transitions import ViolationKind
from tapehead.rules import (
    ads,
    body,
    chapters,
    delivery,
    lifecycle,
    pings,
    player_states,
    playhead,
    response,
    schema_errors,
    several_sessions,
    timeouts,
    timestamps,
    two_players,
    values,
)
from tapehead.rules.support.rule import Rule
from tapehead.rules.support.session_check import SessionCheck

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        body.NOT_JSON,
        body.BODY_NOT_SAVED,
        body.NOT_AN_OBJECT,
        body.CONTENT_TYPE,
        body.UNKNOWN_EVENT_TYPE,
        schema_errors.MISSING_PARAMETER,
        schema_errors.WRONG_TYPE,
        schema_errors.BAD_VALUE,
        schema_errors.UNKNOWN_PARAMETER,
        schema_errors.MISPLACED_PARAMETER,
        schema_errors.MISPLACED_METADATA,
        schema_errors.METADATA_KEY,
        values.TIMESTAMP_UNIT,
        timestamps.CLOCK_SKEW,
        values.IDENTIFIER_FORMAT,
        values.NO_VISITOR_ID,
        values.PLACEHOLDER_VALUE,
        values.STREAM_TYPE,
        values.PING_PARAMS,
        values.BITRATE_UNIT,
        values.BITRATE_MISSING,
        response.REJECTED,
        response.UNEXPECTED_STATUS,
        response.NO_LOCATION,
        response.NO_RESPONSE,
        response.CLIENT_LEFT,
        delivery.SESSION_START_MISPLACED,
        delivery.UNKNOWN_SESSION,
        timestamps.EVENT_BEFORE_START,
        lifecycle.NO_PLAY,
        lifecycle.EVENT_AFTER_END,
        lifecycle.EVENT_AFTER_COMPLETE,
        delivery.KEPT_SENDING,
        lifecycle.SESSION_NOT_CLOSED,
        timeouts.SESSION_TOO_LONG,
        timeouts.EXPIRED_IDLE,
        timeouts.EXPIRED_STALLED,
        delivery.REPEATED_EVENT,
        delivery.DOWNLOADED_FLAG,
        ads.AD_OUTSIDE_BREAK,
        ads.AD_BREAK_NOT_OPEN,
        ads.AD_BREAK_NESTED,
        ads.AD_BREAK_EMPTY,
        ads.AD_BREAK_LEFT_OPEN,
        ads.AD_NOT_OPEN,
        ads.AD_OVERLAP,
        ads.AD_LEFT_OPEN,
        ads.AD_POSITION,
        ads.AD_DURATION,
        chapters.CHAPTER_OVERLAP,
        chapters.CHAPTER_NOT_OPEN,
        chapters.CHAPTER_LEFT_OPEN,
        player_states.STATE_NOT_OPEN,
        player_states.STATE_ALREADY_OPEN,
        player_states.TOO_MANY_STATES,
        player_states.STATE_NAME,
        player_states.STATE_FORMAT,
        player_states.STATES_UPDATE_UNDOCUMENTED,
        pings.PING_GAP,
        pings.PING_FLOOD,
        timestamps.EQUAL_TIMESTAMPS,
        timestamps.TIMESTAMP_ORDER,
        playhead.PLAYHEAD_RANGE,
        playhead.PLAYHEAD_FROZEN,
        playhead.PLAYHEAD_IN_AD,
        playhead.PLAYHEAD_PAUSED,
        several_sessions.SESSION_RESTARTED,
        several_sessions.STRAY_PINGS,
        two_players.TWO_PLAYERS,
    )
}

SESSION_CHECKS: list[SessionCheck] = [
    check
    for family in (
        delivery,
        lifecycle,
        player_states,
        ads,
        chapters,
        timestamps,
        timeouts,
        pings,
        playhead,
        two_players,
    )
    for check in vars(family).values()
    if isinstance(check, SessionCheck)
]

# The rule that each kind of violation of the session machine breaks.
VIOLATION_RULES: dict[ViolationKind, Rule] = {
    kind: row.rule for family in (lifecycle, player_states, ads, chapters) for kind, row in family.VIOLATIONS.items()
}
