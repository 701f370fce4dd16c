"""A sound session with an event of nearly every type, to put mistakes in."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from support.sessions import BEGIN_MS, START, ad, make_exchange
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.routes import Call, location_of


class Row(NamedTuple):
    """An event of the sound session: its second, type, playhead and params."""

    at: float
    type: str
    playhead: float
    params: dict[str, Any] | None = None


def chapter(index: int, offset: float, length: float) -> dict[str, Any]:
    return {"media.chapter.index": index, "media.chapter.offset": offset, "media.chapter.length": length}


MUTE = {"media.state.name": "mute"}
SOUND = (
    Row(0, "sessionStart", 0, START | {"media.length": 77}),
    Row(0.1, "adBreakStart", 0, {"media.ad.podIndex": 1, "media.ad.podSecond": 0}),
    Row(0.2, "adStart", 0, ad(1, 10)),
    Row(5, "ping", 0),
    Row(10.2, "adComplete", 0),
    Row(10.3, "adStart", 0, ad(2, 5)),
    Row(15.3, "adComplete", 0),
    Row(15.4, "adBreakComplete", 0),
    Row(15.5, "play", 0),
    Row(16.5, "chapterStart", 1, chapter(1, 1, 43)),
    Row(25.5, "ping", 10),
    Row(35.5, "ping", 20),
    Row(36.5, "stateStart", 21, MUTE),
    Row(40.5, "pauseStart", 25),
    Row(50.5, "ping", 25),
    Row(52.5, "play", 25),
    Row(56.5, "stateEnd", 29, MUTE),
    Row(62.5, "ping", 35),
    Row(64.5, "bufferStart", 37),
    Row(66.5, "play", 37),
    Row(72.5, "ping", 43),
    Row(73.5, "chapterComplete", 44),
    Row(74.5, "chapterStart", 45, chapter(2, 45, 22)),
    Row(82.5, "ping", 53),
    Row(85.5, "adBreakStart", 56, {"media.ad.podIndex": 2, "media.ad.podSecond": 56}),
    Row(85.6, "adStart", 56, ad(1, 12)),
    Row(90.6, "adSkip", 56),
    Row(90.7, "adBreakComplete", 56),
    Row(90.8, "play", 56),
    Row(100.8, "ping", 66),
    Row(101.8, "chapterComplete", 67),
    Row(110.8, "ping", 76),
    Row(111.8, "sessionComplete", 77),
    Row(112.8, "sessionEnd", 77),
)

Body = dict[str, Any]


def body_of_row(row: Row) -> Body:
    time = {"playhead": row.playhead, "ts": round(BEGIN_MS + row.at * 1000)}
    body: Body = {"eventType": row.type, "playerTime": time}
    return body | ({"params": row.params} if row.params else {})


def deliver(rows: Iterable[Row], change: Callable[[int, Body], object] | None = None) -> list[Exchange]:
    """Return the exchanges of rows, with the bodies that `change` makes of theirs, each answered as documented."""
    made = []
    for index, row in enumerate(rows):
        body = body_of_row(row)
        changed = change(index, body) if change else body
        opens = row.type == "sessionStart"
        made.append(
            make_exchange(
                "/api/v1/sessions" if opens else "/api/v1/sessions/s1/events",
                changed,
                call=Call.SESSION if opens else Call.EVENT,
                status=201 if opens else 204,
                arrived_ms=BEGIN_MS + row.at * 1000 + 3,
                location=location_of("s1") if opens else None,
            )
        )
    return made
