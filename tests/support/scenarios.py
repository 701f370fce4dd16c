"""Sessions that show every step of a scenario, and changes that spoil one."""

from collections.abc import Callable
from typing import Any, NamedTuple

from support.sessions import BEGIN_MS, START, Timeline, ad, body_of
from tapehead.auditor.scenario_catalog import find_scenario
from tapehead.auditor.scenarios import Checklist, check_scenario
from tapehead.protocol.routes import Call, location_of

NOTHING: dict[str, Any] = {}


class Sent(NamedTuple):
    """An event that a player sends: when, which, its playhead, its params."""

    second: float
    type: str
    playhead: float = 0
    params: dict[str, Any] = NOTHING


Session = list[Sent]
Change = Callable[[Session], Session]
OPEN = Sent(0, "sessionStart", 0, START)
BREAK = {"media.ad.podIndex": 0, "media.ad.podSecond": 0}
CHAPTER = {"media.chapter.index": 1, "media.chapter.offset": 1, "media.chapter.length": 20}
LIVE = START | {"media.contentType": "live", "media.length": 86400}
# The tests' sessions begin at ten o'clock.
TEN = 36_000
MUTE, FULL = {"media.state.name": "mute"}, {"media.state.name": "fullScreen"}


def checked(name: str, session: Session, status: int = 201) -> Checklist:
    """The checklist of a session."""
    timeline, ts = Timeline(), 0
    for sent in session:
        ts = max(ts + 1, round(BEGIN_MS + sent.second * 1000))
        body = body_of(sent.type, sent.playhead, ts, sent.params)
        if sent.type == "sessionStart":
            location = location_of("s1") if status == 201 else None
            timeline.raw(body, Call.SESSION, status=status, arrived_ms=ts + 5, location=location)
        else:
            timeline.raw(body, arrived_ms=ts + 5)
    (result,) = timeline.audit()
    return check_scenario(find_scenario(name), result.steps)


def pings(first: float, last: float, playhead: float, *, still: bool = False, step: float = 10) -> Session:
    """Pings from one second to another; `playhead` is that of the first one."""
    count = int((last - first) / step) + 1
    return [Sent(first + n * step, "ping", playhead + (0 if still else n * step)) for n in range(count)]


def without(event_type: str, number: int = 0) -> Change:
    """Leave out the event of a type with this number."""

    def change(session: Session) -> Session:
        (place,) = [place for place, sent in enumerate(session) if sent.type == event_type][number : number + 1]
        return session[:place] + session[place + 1 :]

    return change


def changed(event_type: str, number: int = 0, **fields: Any) -> Change:
    """Change fields of the event of a type with this number; `lacks` names a parameter to leave out."""

    def change(session: Session) -> Session:
        place = [place for place, sent in enumerate(session) if sent.type == event_type][number]
        sent, named = session[place], dict(fields)
        if "lacks" in named:
            lacking = named.pop("lacks")
            named["params"] = {key: value for key, value in sent.params.items() if key != lacking}
        if "params" in fields:
            named["params"] = {**sent.params, **fields["params"]}
        return [*session[:place], sent._replace(**named), *session[place + 1 :]]

    return change


def added(*sent: Sent) -> Change:
    """Add events at their times."""
    return lambda session: sorted([*session, *sent], key=lambda each: each.second)


def shorter(first: float, seconds: float) -> Change:
    """Cut some seconds out of a session, from `first` on."""

    def change(session: Session) -> Session:
        kept = (sent for sent in session if not first < sent.second <= first + seconds)
        return [sent._replace(second=sent.second - seconds) if sent.second > first else sent for sent in kept]

    return change


SOUND: dict[str, Session] = {
    "standard-playback": [
        OPEN,
        Sent(1, "play"),
        Sent(11, "ping", 10),
        Sent(16, "pauseStart", 15),
        *pings(26, 46, 15, still=True),
        Sent(50, "play", 15),
        Sent(60, "ping", 25),
        Sent(65, "sessionComplete", 30),
        Sent(66, "sessionEnd", 30),
    ],
    "ads": [
        OPEN,
        Sent(0, "adBreakStart", 0, BREAK),
        Sent(0, "adStart", 0, ad()),
        *pings(1, 4, 0, still=True, step=1),
        Sent(5, "adComplete"),
        Sent(5, "adBreakComplete"),
        Sent(5, "play"),
        Sent(15, "ping", 10),
        Sent(20, "sessionEnd", 15),
    ],
    "pause-and-seek": [
        OPEN,
        Sent(1, "play"),
        Sent(6, "pauseStart", 5),
        Sent(16, "ping", 5),
        Sent(20, "play", 5),
        Sent(25, "pauseStart", 10),
        Sent(26, "play", 300),
        Sent(36, "ping", 310),
    ],
    "buffering": [
        OPEN,
        Sent(1, "play"),
        Sent(6, "bufferStart", 5),
        Sent(9, "play", 5),
        Sent(19, "ping", 15),
    ],
    "background": [
        OPEN,
        Sent(1, "play"),
        *pings(11, 301, 10),
        Sent(305, "pauseStart", 304),
        *pings(315, 355, 304, still=True),
        Sent(360, "play", 304),
        *pings(370, 660, 314),
        Sent(665, "sessionEnd", 609),
    ],
    "resume": [
        Sent(0, "sessionStart", 300, START | {"media.resume": True}),
        Sent(1, "play", 300),
        Sent(11, "ping", 310),
    ],
    "live": [
        Sent(0, "sessionStart", TEN, LIVE),
        Sent(1, "play", TEN + 1),
        Sent(11, "ping", TEN + 11),
        Sent(15, "sessionEnd", TEN + 15),
    ],
    "chapters": [
        OPEN,
        Sent(1, "play"),
        Sent(2, "chapterStart", 1, CHAPTER),
        *pings(11, 21, 10),
        Sent(22, "chapterComplete", 21),
        Sent(30, "sessionComplete", 29),
    ],
    "states": [OPEN, Sent(1, "play"), Sent(5, "stateStart", 4, FULL), Sent(9, "stateEnd", 8, FULL)],
    "errors": [
        OPEN,
        Sent(1, "play"),
        Sent(5, "error", 4, {"media.qoe.errorID": "e1", "media.qoe.errorSource": "player"}),
        Sent(6, "sessionEnd", 4),
    ],
}
