"""Names on the wire that other packages speak of: parts of a body, parameter keys, and paths to values.

What each parameter takes stands in `parameters`.
"""

# Parts of an event's body.
EVENT_TYPE = "eventType"
PLAYER_TIME = "playerTime"
PLAYHEAD = "playhead"
TS = "ts"
PARAMS = "params"
QUALITY = "qoeData"
METADATA = "customMetadata"
# Paths to values, as findings have them.
PLAYHEAD_PATH = f"{PLAYER_TIME}.{PLAYHEAD}"
TS_PATH = f"{PLAYER_TIME}.{TS}"

# What the keys of the standard parameters begin with.
MEDIA_PREFIX = "media."
MEDIA_ID = "media.id"
MEDIA_NAME = "media.name"
MEDIA_LENGTH = "media.length"
MEDIA_CONTENT_TYPE = "media.contentType"
MEDIA_PLAYER_NAME = "media.playerName"
MEDIA_CHANNEL = "media.channel"
MEDIA_RESUME = "media.resume"
MEDIA_DOWNLOADED = "media.downloaded"
MEDIA_PASS_AUTH = "media.pass.auth"  # noqa: S105 - no password
MEDIA_SDK_VERSION = "media.sdkVersion"
MEDIA_LIBRARY_VERSION = "media.libraryVersion"
AD_BREAK_NAME = "media.ad.podFriendlyName"
AD_BREAK_SECOND = "media.ad.podSecond"
AD_ID = "media.ad.id"
AD_NAME = "media.ad.name"
AD_LENGTH = "media.ad.length"
AD_POSITION = "media.ad.podPosition"
CHAPTER_INDEX = "media.chapter.index"
CHAPTER_NAME = "media.chapter.friendlyName"
STATE_NAME = "media.state.name"
STATES_START = "statesStart"
STATES_END = "statesEnd"
BITRATE = "media.qoe.bitrate"
DROPPED_FRAMES = "media.qoe.droppedFrames"
TIME_TO_START = "media.qoe.timeToStart"
# An error's id and source have two keys each; the page on error events alone has the second ones.
ERROR_ID, ERROR_ID_TOO = "media.qoe.errorID", "media.errorId"
ERROR_SOURCE, ERROR_SOURCE_TOO = "media.qoe.errorSource", "media.errorSource"
