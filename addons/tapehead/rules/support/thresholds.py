"""Thresholds that tune the rules."""

import msgspec

from tapehead.protocol import backend_limits
from tapehead.protocol.backend_limits import Timeouts


class Thresholds(msgspec.Struct, frozen=True, rename="kebab"):
    """The limits of the rules; the names in settings have hyphens.

    Attributes:
        ping_gap_seconds: the longest time without an event.
        downloaded_ping_gap_seconds: the same in downloaded sessions.
        ping_flood_seconds: the least time between two pings.
        main_ping_seconds: the least time between pings in main content, which may fail twice in a row.
        idle_minutes: the back end's timeout without events.
        stalled_minutes: its timeout without movement of the playhead.
        session_hours: the longest session.
        order_seconds: by how much ts may go back as a warning.
        playhead_slack_seconds: what playheads may be off.
        frozen_seconds: how long a playhead may stand still in main content.
        ad_duration_seconds: what an ad may last longer or shorter than its length.
        states: how many different states a session may have; no more than session.MOST_STATES are counted.
        kept_sending: how many events after a 404 or 410 are too many.
        clock_skew_seconds: how far ts may be from arrival.
        jump_seconds: by how much a playhead may move beyond twice the clock.
        slow_rate: the least speed of a playhead, in seconds of content in one of the clock.
        fast_rate: its highest speed.
        live_offset_minutes: how far a live playhead may be from the second of the day.
        longest_ad_seconds: the longest ad.
        position_slack_seconds: how far a playhead may be from the start of an ad break, and the ends of a chapter.
        ad_gap_seconds: the longest time between two ads of a break.
        preroll_seconds: how soon an ad break after the first play is a pre-roll.
        early_seconds: how long before its end content may be complete.
        early_percent: the same in percent of its length; the longer time counts.
        startup_milliseconds: the shortest time to start.
    """

    ping_gap_seconds: float = 12
    downloaded_ping_gap_seconds: float = 60
    ping_flood_seconds: float = 0.9
    main_ping_seconds: float = 9
    idle_minutes: float = backend_limits.IDLE_MINUTES
    stalled_minutes: float = backend_limits.STALLED_MINUTES
    session_hours: float = backend_limits.SESSION_HOURS
    order_seconds: float = 1
    playhead_slack_seconds: float = 1
    frozen_seconds: float = 10
    ad_duration_seconds: float = 2
    states: int = backend_limits.STATES
    kept_sending: int = 3
    clock_skew_seconds: float = 60
    jump_seconds: float = 2
    slow_rate: float = 0.8
    fast_rate: float = 1.25
    live_offset_minutes: float = 15
    longest_ad_seconds: float = 600
    position_slack_seconds: float = 2
    ad_gap_seconds: float = 0.25
    preroll_seconds: float = 2
    early_seconds: float = 10
    early_percent: float = 5
    startup_milliseconds: float = 50

    @property
    def timeouts(self) -> Timeouts:
        """The back end's timeouts among them."""
        return Timeouts(self.idle_minutes, self.stalled_minutes, self.session_hours)
