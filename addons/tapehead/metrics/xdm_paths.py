"""The paths of the metrics in Customer Journey Analytics: where the reporting schema (XDM) has each of them.

Source: the reference's pages on each metric and dimension, and "parameters mapping" for those without a page.
"""

_ROOT = "xdm.mediaReporting."
_SESSION = {
    "media_starts": "isViewed",
    "content_starts": "isPlayed",
    "content_completes": "isCompleted",
    "content_resumes": "hasResume",
    "content_time_spent": "timePlayed",
    "media_time_spent": "totalTimePlayed",
    "unique_time_played": "uniqueTimePlayed",
    "average_minute_audience": "averageMinuteAudience",
    **{f"progress_{percent}": f"hasProgress{percent}" for percent in (10, 25, 50, 75, 95)},
    "content_segment_views": "hasSegmentView",
    "content_segment": "segment",
    "pause_events": "pauseCount",
    "paused_impacted_streams": "hasPauseImpactedStreams",
    "total_pause_duration": "pauseTime",
    "estimated_streams": "estimatedStreams",
    "authorized": "authorized",
    "media_downloaded": "isDownloaded",
    "seconds_since_last_call": "secondsSinceLastCall",
    "ad_count": "adCount",
    "chapter_count": "chapterCount",
}
_AD = {
    "ad": "name",
    "pod_position": "podPosition",
    "ad_starts": "isStarted",
    "ad_completes": "isCompleted",
    "ad_time_spent": "timePlayed",
}
_POD = {"pod": "ID", "pod_second": "offset"}
_CHAPTER = {
    "chapter": "index",
    "chapter_starts": "isStarted",
    "chapter_completes": "isCompleted",
    "chapter_time_spent": "timePlayed",
}
_QUALITY = {
    "drops_before_start": "isDroppedBeforeStart",
    "time_to_start": "timeToStart",
    "bitrate_changes": "bitrateChangeCount",
    "bitrate_change_impacted_streams": "hasBitrateChangeImpactedStreams",
    "average_bitrate": "bitrateAverage",
    "average_bitrate_bucket": "bitrateAverageBucket",
    "dropped_frames": "droppedFrames",
    "dropped_frame_impacted_streams": "hasDroppedFrameImpactedStreams",
    "error_events": "errorCount",
    "error_impacted_streams": "hasErrorImpactedStreams",
    "player_sdk_errors": "playerSdkErrors",
    "external_errors": "externalErrors",
    "buffer_events": "bufferCount",
    "buffer_impacted_streams": "hasBufferImpactedStreams",
    "total_buffer_duration": "bufferTime",
    "stall_events": "stallCount",
    "stall_impacted_streams": "hasStallImpactedStreams",
    "total_stalling_duration": "stallTime",
}
_STATE = {"count": "count", "impacted_streams": "isSet", "total_duration": "time"}

# By the metrics' keys, which mean the same in every scope.
XDM_PATHS: dict[str, str] = {
    key: f"{_ROOT}{section}.{name}"
    for section, names in (
        ("sessionDetails", _SESSION),
        ("advertisingDetails", _AD),
        ("advertisingPodDetails", _POD),
        ("chapterDetails", _CHAPTER),
        ("qoeDataDetails", _QUALITY),
        ("states[]", _STATE),
    )
    for key, name in names.items()
}
