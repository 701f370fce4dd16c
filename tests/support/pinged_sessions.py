"""Sessions with rows of pings, most of them steady, and whatever else may come between them."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from tapehead.protocol.events import Event
from tapehead.protocol.routes import Call

BEGIN_MS = 1_795_428_000_000
CONTENTS: list[dict[str, Any]] = [
    {"media.contentType": "vod", "media.length": 3600},
    {"media.contentType": "vod", "media.length": 90},
    {"media.contentType": "vod"},
    {"media.contentType": "live", "media.length": 86_400},
    {"media.contentType": "live", "media.length": 600},
]
OTHERS = [
    *("play", "play", "pauseStart", "bufferStart", "error", "bitrateChange", "chapterStart", "chapterComplete"),
    *(
        "adBreakStart",
        "adStart",
        "adComplete",
        "adBreakComplete",
        "adSkip",
        "sessionComplete",
        "sessionEnd",
        "heartbeat",
    ),
]
PARAMS: list[dict[str, Any]] = [
    {"media.ad.podIndex": 1, "media.ad.podSecond": 100, "media.ad.length": 15, "media.ad.podPosition": 1},
    {"media.chapter.index": 1, "media.chapter.offset": 30, "media.chapter.length": 60},
    {},
]
NOTHING: dict[str, Any] = {}
QUALITY: list[dict[str, Any]] = [
    {},
    {},
    {},
    {"media.qoe.droppedFrames": 3},
    {"media.qoe.droppedFrames": 1, "media.qoe.timeToStart": 900},
]
# Seconds by the clock, and how much more or less the playhead moves.
PACES = [
    *[(10.0, 0.0)] * 8,
    *(
        (10.1, 0.2),
        (9.7, -0.3),
        (11.5, 0.9),
        (9.0, 0.0),
        (8.9, 0.0),
        (12.0, 0.0),
        (12.1, 0.0),
        (10.0, 1.0),
        (10.0, 1.3),
    ),
    *(
        (10.0, 1.25),
        (10.0, -1.0),
        (10.0, -1.1),
        (10.0, -4.0),
        (10.0, 12.1),
        (10.0, -10.0),
        (10.0, -25.0),
        (10.0, 300.0),
    ),
    *((0.0, 0.0), (0.5, 0.1), (1.0, 0.0), (4.0, 0.0), (40.0, 0.0), (700.0, 0.0), (2000.0, -2000.0), (-3.0, 3.0)),
]
Row = list[tuple[tuple[float, float], dict[str, Any]]]
ROWS: st.SearchStrategy[Row] = st.lists(
    st.tuples(st.sampled_from(PACES), st.sampled_from(QUALITY)), max_size=25
) | st.lists(
    st.tuples(st.sampled_from([(10.0, -1.5), (10.0, 1.25), (10.0, 0.4)]), st.just(NOTHING)), min_size=6, max_size=16
)
# What is wrong with the event after a row.
CHANGES: dict[str, dict[str, Any]] = {
    "": {},
    "no ts": {"ts": None},
    "no playhead": {"playhead": None},
    "refused": {"status": 400},
    "gone": {"status": 404},
    "not saved": {"type": None, "saved": False},
    "late": {},
}
ACTS = st.lists(
    st.tuples(st.sampled_from(OTHERS), st.sampled_from(PARAMS), st.sampled_from(["", "", *CHANGES]), ROWS),
    min_size=1,
    max_size=6,
)
ORIGINS = st.sampled_from([0.0, 0.0, 36_000.0, 86_330.0, -40.0, 3500.0])


Act = tuple[str, dict[str, Any], str, Row]


def events_of(content: dict[str, Any], origin: float, acts: list[Act], *, begins: bool) -> list[Event]:
    """The events of a session, each answered after 30 milliseconds."""
    ts, playhead = BEGIN_MS, origin
    sent = [Event("sessionStart", origin, ts, content, call=Call.SESSION)] if begins else []
    sent.append(Event("play", origin, ts + 20))
    for event_type, params, change, row in acts:
        for named, (seconds, ahead), more, quality in (
            *(("ping", pace, NOTHING, quality) for pace, quality in row),
            (event_type, (1.0, 0.0), params, NOTHING),
        ):
            ts, playhead = ts + round(seconds * 1000), round(playhead + seconds + ahead, 3)
            sent.append(Event(named, playhead, ts, more, quality))
        sent[-1] = msgspec.structs.replace(sent[-1], **CHANGES[change])
        if change == "late":
            sent[-1] = msgspec.structs.replace(sent[-1], ts=ts - 4000)
    return [arrived(event, index) for index, event in enumerate(sent)]


def arrived(event: Event, index: int) -> Event:
    at, opens = float(event.ts or BEGIN_MS + index), event.call is Call.SESSION
    status = event.status or (201 if opens else 204)
    return msgspec.structs.replace(
        event, index=index, arrived_ms=at, answered_ms=at + 30, status=status, sid="s1", line=index + 1
    )
