"""The rule on one session that several players feed, such as two tabs that share a session id."""

from collections import deque

import msgspec

from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Severity
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_check import Report, RowPings, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.text import format_number

# A viewer may seek away and back by chance, but not again and again, each time to where playback would be.
_RETURNS = 3
_RETURN_EVENTS = 4
# The other places that are remembered.
_MOST_OTHERS = 3
_LEAST_MS = 15_000
_SLACK_SECONDS = 2

TWO_PLAYERS = Rule(
    id="two-players",
    severity=Severity.WARNING,
    when=(
        "The playhead of main content goes back and forth between places that go on by themselves; one of them may "
        "stand still, as in a pause."
    ),
    why=(
        "Two players, such as two tabs, send to one session: their times are mixed, and each pause or end of one stops "
        "the other. Unique time and progress markers cover both places."
    ),
    fix="Open a session for each player; keep the session id in the page, not in storage that tabs share.",
    bad="pings with playheads 10, 310, 20, 320, 30, 330",
    good="two sessions: pings with playheads 10, 20, 30, and pings with playheads 310, 320, 330",
    source="Observed: media-sdks issue 47, two tabs with one session",
)


class _Place(msgspec.Struct, frozen=True, gc=False):
    """A place in the content where a player was, and when, by its ts."""

    playhead: float
    ts: int

    def goes_on(self, now: "_Place") -> bool:
        """Return whether a player at this place may be at `now`, without a jump."""
        return -_SLACK_SECONDS <= now.playhead - self.playhead <= max(0, now.ts - self.ts) / 1000 + _SLACK_SECONDS

    def went_on(self, now: "_Place") -> bool:
        """Return whether a player that stood still at this place, or played on with the clock, is at `now`."""
        moved, seconds = now.playhead - self.playhead, (now.ts - self.ts) / 1000
        return min(abs(moved), abs(moved - seconds)) <= _SLACK_SECONDS


@step_check(TWO_PLAYERS, row_pings=RowPings.LAST)
def check_places(session: SessionView, report: Report) -> StepCheck:
    """Report once a playhead that leaves a place and comes back to where that has gone on to, again and again."""
    place: _Place | None = None
    others: deque[tuple[int, _Place]] = deque(maxlen=_MOST_OTHERS)
    left: Event | None = None
    returns = 0
    goes_on = False
    while step := (yield):
        event = step.event
        if event.playhead is None or event.ts is None or not step.before.in_main_content:
            continue
        now, number = _Place(event.playhead, event.ts), session.motion.places
        if place and not place.goes_on(now):
            back = next((each for each in others if number - each[0] <= _RETURN_EVENTS and each[1].went_on(now)), None)
            if left and back:
                others.remove(back)
                returns += 1
                goes_on = goes_on or abs(now.playhead - back[1].playhead) > _SLACK_SECONDS
                if goes_on and returns >= _RETURNS and left.ts is not None and event.ts - left.ts >= _LEAST_MS:
                    report(_hit(left, place, event))
                    return
            else:
                left, returns, goes_on = event, 0, False
            others.append((number, place))
        place = now


def _hit(left: Event, place: _Place, event: Event) -> RuleHit:
    path = keys.PLAYHEAD_PATH
    places = f"{format_number(place.playhead)} and {format_number(event.playhead or 0)}"
    message = f"{name_of(left)}: from here on {path} goes back and forth between two places, by event {event.index}"
    message += f" {places}, and goes on there; expected a session for each player"
    return TWO_PLAYERS.hit(left, message, path)
