"""The event types of the Media Collection API."""

# In the order in which the reference introduces them: session, playback, ads, chapters, states.
EVENT_TYPES = (
    "sessionStart",
    "play",
    "ping",
    "pauseStart",
    "bufferStart",
    "bitrateChange",
    "error",
    "sessionComplete",
    "sessionEnd",
    "adBreakStart",
    "adBreakComplete",
    "adStart",
    "adComplete",
    "adSkip",
    "chapterStart",
    "chapterComplete",
    "chapterSkip",
    "stateStart",
    "stateEnd",
    "statesUpdate",
)
