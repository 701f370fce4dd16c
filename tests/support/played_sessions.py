"""Sessions as honest players have them, for property tests: they play, show ads, pause, buffer, stall and seek."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from support.sessions import BEGIN_MS, Timeline, ad
from tapehead.protocol.events import Event, arrival_of, events_of
from tapehead.protocol.exchange import Exchange

STATES = ("mute", "fullScreen", "pictureInPicture")
PING_SECONDS = 10
# Of the acts below, so that each of them is in most sessions.
LEAST_ACTS = 7


class Player:
    """A player that sends what happens to it, as documented.

    Args:
        sid: its session.
        begin_ms: when the session begins.
        length: the content's length in seconds.
    """

    def __init__(self, sid: str, begin_ms: float, length: int) -> None:
        self.timeline = Timeline(sid=sid, begin_ms=begin_ms).start(length=length)
        self.second = 0.2
        self.playhead = 0.0
        self.breaks = 0

    def send(self, event_type: str, params: dict[str, Any] | None = None, **more: Any) -> None:
        """Send an event, some milliseconds after the one before."""
        self.second = round(self.second + 0.02, 3)
        self.timeline.at(self.second, event_type, params, playhead=round(self.playhead, 3), **more)

    def wait(self, seconds: float, *, moves: bool, every: float = PING_SECONDS) -> None:
        """Let time pass, with pings; the playhead moves or stands still."""
        left = seconds
        while left > 0:
            step = min(left, every)
            self.second += step
            self.playhead += step if moves else 0
            left -= step
            if left > 0:
                self.send("ping")

    def watch(self, seconds: float) -> None:
        self.wait(seconds, moves=True)

    def pause(self, seconds: float) -> None:
        self.send("pauseStart")
        self.wait(seconds, moves=False)
        self.send("play")

    def buffer(self, seconds: float) -> None:
        self.send("bufferStart")
        self.wait(seconds, moves=False)
        self.send("play")

    def stall(self, seconds: float) -> None:
        """Stand still without a word for three pings and more, as a player does that does not notice."""
        self.wait(seconds + 3 * PING_SECONDS, moves=False)
        self.send("ping")

    def seek(self, seconds: float) -> None:
        self.send("pauseStart")
        self.second += 0.5
        self.playhead = max(0.0, self.playhead + seconds)
        self.send("play")

    def show_ads(self, seconds: float) -> None:
        """Show a break of two ads, of which the second one is skipped if it is long."""
        self.breaks += 1
        seconds = min(seconds, 12)
        self.send("adBreakStart", {"media.ad.podIndex": self.breaks, "media.ad.podSecond": self.playhead})
        for position in (1, 2):
            self.send("adStart", ad(position, seconds))
            self.wait(seconds, moves=False, every=1)
            self.send("adSkip" if position == 2 and seconds > 10 else "adComplete")
        self.send("adBreakComplete")
        self.send("play")

    def chapter(self, seconds: float) -> None:
        chapter = {"media.chapter.index": 1, "media.chapter.offset": self.playhead, "media.chapter.length": seconds}
        self.send("chapterStart", chapter)
        self.watch(seconds)
        self.send("chapterComplete")

    def state(self, seconds: float) -> None:
        params = {"media.state.name": STATES[int(seconds) % len(STATES)]}
        self.send("stateStart", params)
        self.watch(seconds)
        self.send("stateEnd", params)

    def change_bitrate(self, seconds: float) -> None:
        self.send("bitrateChange", qoeData={"media.qoe.bitrate": int(seconds) * 100_000, "media.qoe.droppedFrames": 1})


ACTS: tuple[Callable[[Player, float], None], ...] = (
    Player.watch,
    Player.pause,
    Player.buffer,
    Player.stall,
    Player.seek,
    Player.show_ads,
    Player.chapter,
    Player.state,
    Player.change_bitrate,
)


@st.composite
def played(draw: st.DrawFn, sid: str = "s1", begin_ms: float = BEGIN_MS) -> list[Exchange]:
    """A session that plays content and whatever else happens in it, and ends or falls silent."""
    player = Player(sid, begin_ms, draw(st.sampled_from([60, 300, 3600])))
    if draw(st.booleans()):
        player.show_ads(5)
    else:
        player.send("play")
    player.watch(draw(st.integers(1, 30)))
    for act in draw(st.lists(st.sampled_from(ACTS), min_size=LEAST_ACTS, unique=True)):
        act(player, draw(st.integers(3, 40)))
        player.watch(draw(st.integers(1, 25)))
    for event_type in draw(st.sampled_from([("sessionComplete", "sessionEnd"), ("sessionEnd",), ()])):
        player.send(event_type)
    return player.timeline.exchanges


@st.composite
def played_together(draw: st.DrawFn) -> list[Exchange]:
    """Some sessions that were played at about the same time, in the order of their answers."""
    count = draw(st.integers(1, 4))
    offsets = draw(st.lists(st.integers(0, 60_000), min_size=count, max_size=count))
    parts = [draw(played(f"s{number}", BEGIN_MS + offset)) for number, offset in enumerate(offsets)]
    both = [exchange for part in parts for exchange in part]
    return sorted(both, key=lambda exchange: (arrival_of(exchange) or 0) + exchange.elapsed_ms)


def events_in(exchanges: list[Exchange]) -> list[Event]:
    """The events of a session."""
    return [event for each in exchanges for event in events_of(each, arrival_of(each) or 0)]


@st.composite
def played_events(draw: st.DrawFn) -> list[Event]:
    """The events of a session that was played, some of them lost, come again, or in another order."""
    events = events_in(draw(played()))
    for _ in range(draw(st.integers(0, 3))):
        place, other = (draw(st.integers(0, len(events) - 1)) for _ in range(2))
        match draw(st.sampled_from(["lose", "repeat", "swap"])):
            case "lose" if len(events) > 1:
                del events[place]
            case "repeat":
                events.insert(other, events[place])
            case _:
                events[place], events[other] = events[other], events[place]
    return events
