"""Names on the wire that other packages speak of: parts of a body, parameter keys, and paths to values.

What each parameter takes stands in `parameters`.
"""

from typing import Final

# Parts of an event's body.
EVENT_TYPE: Final = "eventType"
PLAYER_TIME: Final = "playerTime"
PLAYHEAD: Final = "playhead"
TS: Final = "ts"
PARAMS: Final = "params"
QUALITY: Final = "qoeData"
METADATA: Final = "customMetadata"
# Paths to values, as findings have them.
PLAYHEAD_PATH: Final = f"{PLAYER_TIME}.{PLAYHEAD}"
TS_PATH: Final = f"{PLAYER_TIME}.{TS}"

# What the keys of the standard parameters begin with.
MEDIA_PREFIX: Final = "media."
MEDIA_ID: Final = "media.id"
MEDIA_NAME: Final = "media.name"
MEDIA_LENGTH: Final = "media.length"
MEDIA_CONTENT_TYPE: Final = "media.contentType"
STREAM_TYPE: Final = "media.streamType"
MEDIA_PLAYER_NAME: Final = "media.playerName"
MEDIA_CHANNEL: Final = "media.channel"
MEDIA_RESUME: Final = "media.resume"
MEDIA_DOWNLOADED: Final = "media.downloaded"
MEDIA_PASS_AUTH: Final = "media.pass.auth"  # noqa: S105 - no password
MEDIA_SDK_VERSION: Final = "media.sdkVersion"
MEDIA_LIBRARY_VERSION: Final = "media.libraryVersion"
AD_BREAK_NAME: Final = "media.ad.podFriendlyName"
AD_BREAK_INDEX: Final = "media.ad.podIndex"
AD_BREAK_SECOND: Final = "media.ad.podSecond"
AD_ID: Final = "media.ad.id"
AD_NAME: Final = "media.ad.name"
AD_LENGTH: Final = "media.ad.length"
AD_POSITION: Final = "media.ad.podPosition"
CHAPTER_INDEX: Final = "media.chapter.index"
CHAPTER_OFFSET: Final = "media.chapter.offset"
CHAPTER_LENGTH: Final = "media.chapter.length"
CHAPTER_NAME: Final = "media.chapter.friendlyName"
STATE_NAME: Final = "media.state.name"
STATES_START: Final = "statesStart"
STATES_END: Final = "statesEnd"
BITRATE: Final = "media.qoe.bitrate"
DROPPED_FRAMES: Final = "media.qoe.droppedFrames"
TIME_TO_START: Final = "media.qoe.timeToStart"
# An error's id and source have two keys each; the page on error events alone has the second ones.
ERROR_ID: Final = "media.qoe.errorID"
ERROR_ID_TOO: Final = "media.errorId"
ERROR_SOURCE: Final = "media.qoe.errorSource"
ERROR_SOURCE_TOO: Final = "media.errorSource"
TRACKING_SERVER: Final = "analytics.trackingServer"
REPORT_SUITE: Final = "analytics.reportSuite"
ORG_ID: Final = "visitor.marketingCloudOrgId"
ECID: Final = "visitor.marketingCloudUserId"
APP_INSTALLATION_ID: Final = "appInstallationId"
ANALYTICS_VISITOR_ID: Final = "analytics.visitorId"
ANALYTICS_ID: Final = "analytics.aid"
CUSTOMER_IDS: Final = "visitor.customerIDs"
