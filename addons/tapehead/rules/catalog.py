"""The registry of rules and of the checks of a session.

Ids and severities are a contract with the people who script against them: an id is never reused, wording may change.
The order of the rules is that of the documentation, and of findings about the same event. A rule is added with its
check in the module of its family, and with an entry here.
"""

from tapehead.protocol.transitions import ViolationKind
from tapehead.rules import (
    ad_breaks,
    ads,
    body,
    chapters,
    completion,
    cors,
    delivery,
    lifecycle,
    pings,
    player_states,
    playhead,
    playhead_motion,
    quality,
    response,
    schema_errors,
    several_sessions,
    timeouts,
    timestamps,
    two_players,
    units,
    values,
)
from tapehead.rules.support.explanations import Explanation, Explanations
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
        values.CLOCK_SKEW,
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
        cors.CORS_REFUSED,
        delivery.SESSION_START_MISPLACED,
        delivery.UNKNOWN_SESSION,
        timestamps.EVENT_BEFORE_START,
        lifecycle.NO_PLAY,
        lifecycle.EVENT_AFTER_END,
        lifecycle.EVENT_AFTER_COMPLETE,
        delivery.KEPT_SENDING,
        lifecycle.SESSION_NOT_CLOSED,
        completion.NOTHING_FOLLOWED,
        completion.COMPLETE_EARLY,
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
        ad_breaks.AD_WHILE_PAUSED,
        ad_breaks.PLAY_BEFORE_PREROLL,
        ad_breaks.EVENT_BEFORE_AD,
        ad_breaks.CONTENT_IN_BREAK,
        ad_breaks.POD_MISMATCH,
        chapters.CHAPTER_OVERLAP,
        chapters.CHAPTER_NOT_OPEN,
        chapters.CHAPTER_LEFT_OPEN,
        chapters.CHAPTER_MISMATCH,
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
        playhead.BUFFER_NOT_ENDED,
        playhead_motion.PLAYHEAD_JUMP,
        playhead_motion.PLAYHEAD_DRIFT,
        units.PLAYHEAD_UNIT,
        units.LENGTH_UNIT,
        units.LIVE_PLAYHEAD,
        quality.DROPPED_FRAMES_TOTAL,
        quality.TIME_TO_START_GROWS,
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
        completion,
        player_states,
        ads,
        ad_breaks,
        chapters,
        timestamps,
        timeouts,
        pings,
        units,
        playhead,
        playhead_motion,
        two_players,
        quality,
    )
    for check in vars(family).values()
    if isinstance(check, SessionCheck)
]

# The rules whose hits in a session follow from the mistake that another one names.
EXPLANATIONS: Explanations = {
    units.PLAYHEAD_UNIT: Explanation(
        (
            playhead.PLAYHEAD_RANGE,
            playhead.PLAYHEAD_IN_AD,
            playhead.PLAYHEAD_PAUSED,
            playhead.BUFFER_NOT_ENDED,
            playhead_motion.PLAYHEAD_JUMP,
            playhead_motion.PLAYHEAD_DRIFT,
            units.LIVE_PLAYHEAD,
            ad_breaks.POD_MISMATCH,
            chapters.CHAPTER_MISMATCH,
        ),
        lasts=True,
    ),
    two_players.TWO_PLAYERS: Explanation(
        (
            playhead_motion.PLAYHEAD_JUMP,
            playhead_motion.PLAYHEAD_DRIFT,
            playhead.PLAYHEAD_PAUSED,
            pings.PING_FLOOD,
        )
    ),
    units.LIVE_PLAYHEAD: Explanation((playhead.PLAYHEAD_RANGE,)),
    ads.AD_NOT_OPEN: Explanation((ad_breaks.EVENT_BEFORE_AD,)),
    chapters.CHAPTER_OVERLAP: Explanation((chapters.CHAPTER_MISMATCH,)),
    completion.NOTHING_FOLLOWED: Explanation((lifecycle.SESSION_NOT_CLOSED,)),
}

# The rule that each kind of violation of the session machine breaks.
VIOLATION_RULES: dict[ViolationKind, Rule] = {
    kind: row.rule for family in (lifecycle, player_states, ads, chapters) for kind, row in family.VIOLATIONS.items()
}
