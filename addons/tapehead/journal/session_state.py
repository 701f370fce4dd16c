"""The states of a session in plain words."""

from enum import StrEnum

from tapehead.protocol.transitions import Life, Playback


class SessionState(StrEnum):
    """A state of a session in plain words."""

    STARTING = Playback.STARTING.value
    PLAYING = Playback.PLAYING.value
    PAUSED = Playback.PAUSED.value
    BUFFERING = Playback.BUFFERING.value
    IN_AD_BREAK = "in an ad break"
    IN_AD = "in an ad"
    COMPLETED = Life.COMPLETED.value
    ENDED = Life.ENDED.value
    SILENT = "silent"
    UNKNOWN = "unknown session"
    START_REFUSED = "start refused"
    START_UNANSWERED = "start unanswered"

    @property
    def has_failed(self) -> bool:
        """True if the endpoint did not open the session, or does not know it any more."""
        return self in (self.UNKNOWN, self.START_REFUSED, self.START_UNANSWERED)
