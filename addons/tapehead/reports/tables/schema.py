"""The schema of the tables: which there are, and the name, type, unit and meaning of each column.

Every table has `session_key`, by which they are joined: a session id is missing where the endpoint issued none, and is
not unique where late events of a session have a result of their own. Within a major version columns are added, never
taken away.
"""

from enum import StrEnum
from typing import NamedTuple

from tapehead.metrics.catalog import METRICS, Metric, Scope
from tapehead.protocol.exchange import Severity
from tapehead.protocol.keys import (
    MEDIA_CHANNEL,
    MEDIA_CONTENT_TYPE,
    MEDIA_ID,
    MEDIA_LENGTH,
    MEDIA_NAME,
    MEDIA_PLAYER_NAME,
    MEDIA_SDK_VERSION,
    PLAYHEAD_PATH,
    STREAM_TYPE,
    TS_PATH,
)


class ColumnType(StrEnum):
    """The type of a column; in rows, a value of it is None or what stands here."""

    TEXT = "text"  # str
    CATEGORY = "category"  # str, of which many are equal
    TEXTS = "list of text"  # a list or a tuple of str
    INTEGER = "integer"  # int of 64 bits
    FLAG = "flag"  # 0 or 1
    NUMBER = "number"  # float
    TIME = "time"  # int, microseconds since 1970 in UTC


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: its name.
        type: the type of its values.
        description: what it holds, one sentence.
        unit: the unit of its numbers, such as `s`; empty where they have none.
        source: what the value is called on the wire or by the vendor; empty where it has no such name.
        is_nullable: whether a row may have no value.
    """

    name: str
    type: ColumnType
    description: str
    unit: str = ""
    source: str = ""
    is_nullable: bool = True


class Table(NamedTuple):
    """A table: its name, which is that of its file, what a row is, and its columns."""

    name: str
    description: str
    columns: tuple[Column, ...]


TEXT, CATEGORY, TEXTS = ColumnType.TEXT, ColumnType.CATEGORY, ColumnType.TEXTS
INTEGER, FLAG, NUMBER, TIME = ColumnType.INTEGER, ColumnType.FLAG, ColumnType.NUMBER, ColumnType.TIME

_UNITS = {"seconds": "s", "kilobits per second": "kbit/s"}
_TYPES = {"count": INTEGER, "flag": FLAG, "text": TEXT, "texts": TEXTS}
# Numbers that players send, which may be no integers.
_SENT_NUMBERS = frozenset({"chapter", "pod_position"})

_KEY = Column("session_key", TEXT, "The session: the recording and the line on which it began.", is_nullable=False)
_ID = Column("session_id", TEXT, "The id of the session; none if it never got one.")
_NUMBER = Column("number", INTEGER, "Its number in the session, from 1.", is_nullable=False)
_COUNTS = {severity: f"The number of its findings that are {severity}s." for severity in Severity}


def _metrics_of(scope: Scope) -> tuple[Column, ...]:
    return tuple(_column_of(metric) for metric in METRICS if metric.scope == scope)


def _column_of(metric: Metric) -> Column:
    kind = NUMBER if metric.key in _SENT_NUMBERS else _TYPES.get(metric.unit, NUMBER)
    return Column(metric.key, kind, metric.definition, _UNITS.get(metric.unit, ""), metric.variable)


SESSIONS = Table(
    "sessions",
    "A row a session, also one that was refused, and late events of a session that was over.",
    (
        _KEY,
        _ID,
        Column("started", TIME, "When its first request came."),
        Column("last_event", TIME, "When the request with its last event came."),
        Column("outcome", CATEGORY, "Its outcome, as in all reports.", is_nullable=False),
        Column("media_id", TEXT, "The content.", source=MEDIA_ID),
        Column("media_name", TEXT, "The name of the content.", source=MEDIA_NAME),
        Column("media_length", NUMBER, "The length of the content.", "s", MEDIA_LENGTH),
        Column("content_type", CATEGORY, "The kind of the content, such as VOD.", source=MEDIA_CONTENT_TYPE),
        Column("stream_type", CATEGORY, "`audio` or `video`.", source=STREAM_TYPE),
        Column("player", CATEGORY, "The player.", source=MEDIA_PLAYER_NAME),
        Column("sdk_version", CATEGORY, "The version of the player, or of its SDK.", source=MEDIA_SDK_VERSION),
        Column("channel", CATEGORY, "The channel.", source=MEDIA_CHANNEL),
        Column("recording", CATEGORY, "The recording in which it began.", is_nullable=False),
        Column("line", INTEGER, "The line on which it began.", is_nullable=False),
        Column("recordings", TEXTS, "All recordings that hold calls of it.", is_nullable=False),
        Column("sources", TEXTS, "The files and proxies that its calls came from.", is_nullable=False),
        Column("events", INTEGER, "The number of its events.", is_nullable=False),
        *(Column(f"{severity}s", INTEGER, text, is_nullable=False) for severity, text in _COUNTS.items()),
    ),
)
FINDINGS = Table(
    "findings",
    "A row a finding, in the order of the session's events.",
    (
        _KEY,
        _ID,
        Column("rule", CATEGORY, "The rule.", is_nullable=False),
        Column("severity", CATEGORY, "`error`, `warning` or `info`.", is_nullable=False),
        Column("message", TEXT, "What is wrong, and where in the session.", is_nullable=False),
        Column("path", TEXT, "The place in the body; empty for the event as a whole.", is_nullable=False),
        Column("recording", CATEGORY, "The recording that holds the call.", is_nullable=False),
        Column("line", INTEGER, "The line of the call.", is_nullable=False),
        Column("event_index", INTEGER, "The event's index in the table of events; none for a call without one."),
        Column("event_type", CATEGORY, "The type of the event."),
        Column("event_playhead", NUMBER, "The playhead of the event.", "s"),
        Column("event_ts", TIME, "The player's clock at the event."),
    ),
)
METRICS_TABLE = Table(
    "metrics",
    "A row a session of which Adobe would report something, a column a metric.",
    (_KEY, _ID, *_metrics_of("session")),
)
ADS = Table("ads", "A row an ad that Adobe would report.", (_KEY, _NUMBER, *_metrics_of("ad")))
CHAPTERS = Table("chapters", "A row a chapter that Adobe would report.", (_KEY, _NUMBER, *_metrics_of("chapter")))
STATES = Table(
    "states",
    "A row a player state, such as mute, of a session.",
    (_KEY, Column("state", TEXT, "Its name.", is_nullable=False), *_metrics_of("state")),
)
EVENTS = Table(
    "events",
    "A row an event, in the order in which the back end takes them.",
    (
        _KEY,
        _ID,
        Column("event_index", INTEGER, "Its number in order of arrival, from 0.", is_nullable=False),
        Column("type", CATEGORY, "Its type as the player sent it; none where the body has none."),
        Column("playhead", NUMBER, "The playhead.", "s", PLAYHEAD_PATH),
        Column("ts", TIME, "The player's clock; none if it is beyond the years 1 to 9999.", source=TS_PATH),
        Column("arrived", TIME, "When its request came."),
        Column("answer_time", NUMBER, "The time from then until the answer was complete.", "s"),
        Column("status", INTEGER, "The status of the answer; none without an answer."),
        Column("call", CATEGORY, "The call of the API that brought it.", is_nullable=False),
        Column("playback", CATEGORY, "The state of the playback after it.", is_nullable=False),
        Column("recording", CATEGORY, "The recording that holds it.", is_nullable=False),
        Column("line", INTEGER, "Its line.", is_nullable=False),
    ),
)

TABLES: tuple[Table, ...] = (SESSIONS, FINDINGS, METRICS_TABLE, ADS, CHAPTERS, STATES, EVENTS)
