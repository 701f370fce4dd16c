"""A session full of mistakes, as a careless player sends it."""

from typing import Any, NamedTuple

from tapehead.demo.timelines import VIEW_TO_END

START: dict[str, Any] = dict(VIEW_TO_END[0].params)
UNKNOWN = "0" * 64


class Mistake(NamedTuple):
    """One request.

    Attributes:
        at: seconds since the first.
        event: the body without its playerTime; bytes for a body that is sent as it is.
        playhead: seconds into the content.
        ts_factor: what the ts in milliseconds is multiplied by.
        sid: where to send it: None for the sessions endpoint, "" for the session opened last.
    """

    at: float
    event: dict[str, Any] | bytes
    playhead: object = 0
    ts_factor: float = 1
    sid: str | None = ""


def _event(event_type: str, **more: Any) -> dict[str, Any]:
    return {"eventType": event_type, **more}


def _start(*without: str, **changed: Any) -> dict[str, Any]:
    params = {key: value for key, value in {**START, **changed}.items() if key not in without}
    return _event("sessionStart", params=params)


_AD = {"media.ad.id": "003", "media.ad.length": 8, "media.ad.podPosition": 3, "media.ad.playerName": "player"}
_POD = {"media.ad.podIndex": 1, "media.ad.podSecond": 2}
_CHAPTER = {"media.chapter.index": 1, "media.chapter.offset": 0, "media.chapter.length": 20}

MISTAKES = (
    Mistake(0, _start("media.id"), sid=None),
    Mistake(0.2, _start(**{"media.length": "60"}), sid=None),
    Mistake(
        0.5,
        _start(
            "visitor.marketingCloudUserId",
            **{"media.id": "mistakes", "media.name": "undefined", "media.lenght": 60, "media.ad.id": "x"},
        ),
        sid=None,
    ),
    Mistake(1, _event("ping")),
    Mistake(1.5, _event("pause")),
    Mistake(2, _event("adStart", params=_AD)),
    Mistake(2.5, _event("adBreakStart", params=_POD, customMetadata={"k": "v"})),
    Mistake(3, _event("adBreakStart", params=_POD)),
    Mistake(3.5, _event("adBreakComplete")),
    Mistake(4, _event("adComplete")),
    Mistake(4.5, _event("play", qoeData={"bitrate": 3200})),
    Mistake(5, _event("bitrateChange", qoeData={"media.qoe.bitrate": 3200}), playhead=1),
    Mistake(5.5, _event("chapterStart", params=_CHAPTER), playhead=1.5),
    Mistake(6, _event("chapterStart", params={**_CHAPTER, "media.chapter.index": "2"}), playhead=2),
    Mistake(6.5, _event("ping"), playhead="2.5"),
    Mistake(7, b'{"eventType":"ping","playerTime":{"playhead":3,', playhead=3),
    Mistake(7.5, _event("ping"), playhead=3.5, ts_factor=0.001),
    Mistake(8, _event("stateEnd", params={"media.state.name": "mute"}), playhead=4),
    Mistake(21, _event("ping"), playhead=17),
    Mistake(21.3, _event("ping"), playhead=17.3),
    Mistake(21.6, _event("play"), playhead=-1, sid=UNKNOWN),
    Mistake(22, _event("pauseStart"), playhead=75),
    Mistake(22.5, _event("sessionEnd"), playhead=18),
    Mistake(23, _event("play"), playhead=18),
)
