"""The metrics: what the vendor reports of a session, one row each.

Theory. A session is a row of events on one clock, the player's: `playerTime.ts`, in milliseconds. Playheads never
measure time. Events are taken in the order of ts (the back end reorders what arrives within 5 seconds or 10 events),
and a timestamp that goes back stands still. Every span between two events belongs to what went on after the first of
them: an ad, main content, a pause, a buffer, a stall, or nothing. Durations are sums of such spans, so they are as
fine as the events are frequent. A duration "until the next play" has no other end.

A session gives one row of values; each of its ads, chapters and states gives one more. Flags are 0 or 1. Durations
are seconds, rounded to milliseconds (reports show them in whole seconds, as the vendor does); fractions have nine
significant digits, average bitrates are whole numbers; nothing else is rounded. What the reference leaves open is
decided in `tapehead.metrics.assumptions`. `tapehead.metrics.calculator` computes them.
Federated data cannot be told from what a player sends.

Source: the reference's pages on metrics and dimensions, by the paths in each row.
"""

from typing import Literal, NamedTuple

from tapehead.metrics.xdm_paths import XDM_PATHS
from tapehead.protocol.keys import (
    AD_ID,
    CHAPTER_INDEX,
    MEDIA_DOWNLOADED,
    MEDIA_LENGTH,
    MEDIA_PASS_AUTH,
    MEDIA_RESUME,
    TIME_TO_START,
)

Scope = Literal["session", "ad", "chapter", "state"]
Unit = Literal["count", "flag", "seconds", "fraction", "kilobits per second", "frames", "text", "texts"]


class Metric(NamedTuple):
    """One value that the vendor reports.

    Attributes:
        key: its name here.
        variable: the context data variable that the vendor's Analytics fills; `<state>` stands for a state's name;
            empty where no page names one.
        unit: what it is measured in.
        definition: how it comes out of the events, one sentence.
        source: the page of the reference, below help/reporting, or below help for others.
        scope: what has one value of it.
    """

    key: str
    variable: str
    unit: Unit
    definition: str
    source: str
    scope: Scope = "session"

    @property
    def xdm(self) -> str:
        """Its path in Customer Journey Analytics; empty where no page names one."""
        return XDM_PATHS.get(self.key, "")


def _marker(percent: int) -> Metric:
    return Metric(
        f"progress_{percent}",
        f"a.media.progress{percent}",
        "flag",
        f"{percent}% of {MEDIA_LENGTH} lies in the content that was viewed.",
        "metrics/progress-markers",
    )


_CONTENT = (
    Metric(
        "media_starts",
        "a.media.view",
        "flag",
        f"A sessionStart came, without {MEDIA_RESUME} true.",
        "metrics/media-starts",
    ),
    Metric("content_starts", "a.media.play", "flag", "A play came for main content.", "metrics/content-starts"),
    Metric("content_completes", "a.media.complete", "flag", "A sessionComplete came.", "metrics/content-completes"),
    Metric(
        "content_resumes",
        "a.media.resume",
        "flag",
        f"The sessionStart has {MEDIA_RESUME} true, or content went on after more than 30 minutes of pause, buffer or"
        " stall.",
        "metrics/content-resumes",
    ),
    Metric(
        "content_time_spent",
        "a.media.timePlayed",
        "seconds",
        "Time playing main content, without ads, pauses, buffers and stalls; what is watched twice counts twice.",
        "metrics/content-time-spent",
    ),
    Metric(
        "media_time_spent",
        "a.media.totalTimePlayed",
        "seconds",
        "Time playing main content or ads.",
        "metrics/media-time-spent",
    ),
    Metric(
        "unique_time_played",
        "a.media.uniqueTimePlayed",
        "seconds",
        "How much of the content was viewed: the union of the playhead's ways.",
        "metrics/unique-time-played",
    ),
    Metric(
        "average_minute_audience",
        "a.media.averageMinuteAudience",
        "fraction",
        f"Content time spent divided by {MEDIA_LENGTH}, where that is above 0.",
        "metrics/average-minute-audience",
    ),
    *map(_marker, (10, 25, 50, 75, 95)),
    Metric(
        "content_segment_views",
        "a.media.segmentView",
        "flag",
        "A play came for main content in the segment.",
        "metrics/content-segment-views",
    ),
    Metric(
        "content_segment",
        "a.media.segment",
        "text",
        "The range of playheads since content started, in steps of five minutes; live, counted from the lowest one.",
        "dimensions/content-segment",
    ),
    Metric(
        "pause_events",
        "a.media.pauseCount",
        "count",
        "How many pauses began; a pauseStart in a pause begins none.",
        "metrics/pause-events",
    ),
    Metric("paused_impacted_streams", "a.media.pause", "flag", "A pauseStart came.", "metrics/paused-impacted-streams"),
    Metric(
        "total_pause_duration",
        "a.media.pauseTime",
        "seconds",
        "Time from each pauseStart to the next play.",
        "metrics/total-pause-duration",
    ),
    Metric(
        "estimated_streams",
        "a.media.estimatedStreams",
        "count",
        "One, and one more for every full 30 minutes of media time spent.",
        "metrics/estimated-streams",
    ),
    Metric("authorized", "a.media.pass.auth", "flag", f"{MEDIA_PASS_AUTH} says true.", "metrics/authorized"),
    Metric(
        "media_downloaded",
        "a.media.downloaded",
        "text",
        f"`true` where {MEDIA_DOWNLOADED} is, and for what came to /downloaded; otherwise nothing.",
        "dimensions/media-downloaded-flag",
    ),
    Metric(
        "seconds_since_last_call",
        "",
        "seconds",
        "Time from the last event until a timeout closed the session; 0 where it completed or ended.",
        "implementation/edge/reporting-schema",
    ),
)
_PARTS = (
    Metric("ad_starts", "a.media.ad.view", "count", "How many ads started in breaks that count.", "metrics/ad-starts"),
    Metric("ad_completes", "a.media.ad.complete", "count", "How many ads adComplete closed.", "metrics/ad-completes"),
    Metric(
        "ad_time_spent",
        "a.media.ad.timePlayed",
        "seconds",
        "Time playing ads, without pauses and buffers.",
        "metrics/ad-time-spent",
    ),
    Metric("ad_count", "a.media.adCount", "count", "The session's total of ad starts.", "metrics/ad-count"),
    Metric("chapter_starts", "a.media.chapter.view", "count", "How many chapters started.", "metrics/chapter-starts"),
    Metric(
        "chapter_completes",
        "a.media.chapter.complete",
        "count",
        "How many chapters a chapterComplete closed.",
        "metrics/chapter-completes",
    ),
    Metric(
        "chapter_time_spent",
        "a.media.chapter.timePlayed",
        "seconds",
        "Time playing main content in chapters, without pauses, buffers and stalls.",
        "metrics/chapter-time-spent",
    ),
    Metric(
        "chapter_count",
        "a.media.chapterCount",
        "count",
        "The session's total of chapter starts.",
        "metrics/chapter-count",
    ),
)
_QUALITY = (
    Metric(
        "drops_before_start",
        "a.media.qoe.dropBeforeStart",
        "flag",
        "The session ended without a play for main content.",
        "metrics/drops-before-start",
    ),
    Metric(
        "time_to_start",
        "a.media.qoe.timeToStart",
        "seconds",
        f"What the player first reports in {TIME_TO_START}.",
        "metrics/time-to-start",
    ),
    Metric(
        "bitrate_changes",
        "a.media.qoe.bitrateChangeCount",
        "count",
        "How many bitrateChange events came.",
        "metrics/bitrate-changes",
    ),
    Metric(
        "bitrate_change_impacted_streams",
        "a.media.qoe.bitrateChange",
        "flag",
        "A bitrateChange came.",
        "metrics/bitrate-change-impacted-streams",
    ),
    Metric(
        "average_bitrate",
        "a.media.qoe.bitrateAverage",
        "kilobits per second",
        "The mean of the reported bitrates, each weighted by the time that something played with it.",
        "metrics/average-bitrate",
    ),
    Metric(
        "average_bitrate_bucket",
        "a.media.qoe.bitrateAverageBucket",
        "text",
        "The hundred that the average bitrate falls into, such as 3200-3299.",
        "dimensions/average-bitrate",
    ),
    Metric(
        "dropped_frames",
        "a.media.qoe.droppedFrameCount",
        "frames",
        "The last total that the player reports.",
        "metrics/dropped-frames",
    ),
    Metric(
        "dropped_frame_impacted_streams",
        "a.media.qoe.droppedFrames",
        "flag",
        "The last reported total of dropped frames is above 0.",
        "metrics/dropped-frame-impacted-streams",
    ),
    Metric("error_events", "a.media.qoe.errorCount", "count", "How many error events came.", "metrics/error-events"),
    Metric(
        "error_impacted_streams", "a.media.qoe.error", "flag", "An error event came.", "metrics/error-impacted-streams"
    ),
    Metric(
        "player_sdk_errors",
        "a.media.qoe.playerSdkErrors",
        "texts",
        "The different ids of errors whose source is player, sorted.",
        "dimensions/player-sdk-error-ids",
    ),
    Metric(
        "external_errors",
        "a.media.qoe.externalErrors",
        "texts",
        "The different ids of errors whose source is external, sorted.",
        "dimensions/external-error-ids",
    ),
    Metric("buffer_events", "a.media.qoe.bufferCount", "count", "How many buffers began.", "metrics/buffer-events"),
    Metric(
        "buffer_impacted_streams",
        "a.media.qoe.buffer",
        "flag",
        "A bufferStart came.",
        "metrics/buffer-impacted-streams",
    ),
    Metric(
        "total_buffer_duration",
        "a.media.qoe.bufferTime",
        "seconds",
        "Time from each bufferStart to the next change of playback.",
        "metrics/total-buffer-duration",
    ),
    Metric(
        "stall_events",
        "a.media.qoe.stallCount",
        "count",
        "How often the playhead of playing content stood still for three events in a row.",
        "metrics/stall-events",
    ),
    Metric(
        "stall_impacted_streams",
        "a.media.qoe.stall",
        "flag",
        "There was a stall.",
        "metrics/stall-impacted-streams",
    ),
    Metric(
        "total_stalling_duration",
        "a.media.qoe.stallTime",
        "seconds",
        "How long the stalls lasted.",
        "metrics/total-stalling-duration",
    ),
)
_EACH = (
    Metric("ad", "a.media.ad.name", "text", f"The ad's {AD_ID}.", "dimensions/ad", "ad"),
    Metric("pod", "a.media.ad.pod", "text", "Its break: index and start, such as 1_21.", "dimensions/ad-pod", "ad"),
    Metric("pod_second", "a.media.ad.podSecond", "seconds", "Where its break is.", "dimensions/pod-position", "ad"),
    Metric(
        "pod_position",
        "a.media.ad.podPosition",
        "count",
        "Its place in the break.",
        "dimensions/ad-in-pod-position",
        "ad",
    ),
    Metric("ad_completes", "a.media.ad.complete", "flag", "An adComplete closed it.", "metrics/ad-completes", "ad"),
    Metric(
        "ad_time_spent",
        "a.media.ad.timePlayed",
        "seconds",
        "Time that it played, without pauses and buffers.",
        "metrics/ad-time-spent",
        "ad",
    ),
    Metric(
        "chapter",
        "a.media.chapter.position",
        "count",
        f"The chapter's {CHAPTER_INDEX}.",
        "dimensions/chapter-position",
        "chapter",
    ),
    Metric(
        "chapter_completes",
        "a.media.chapter.complete",
        "flag",
        "A chapterComplete closed it.",
        "metrics/chapter-completes",
        "chapter",
    ),
    Metric(
        "chapter_time_spent",
        "a.media.chapter.timePlayed",
        "seconds",
        "Time playing main content in it.",
        "metrics/chapter-time-spent",
        "chapter",
    ),
    Metric(
        "count",
        "a.media.states.<state>.count",
        "count",
        "How many times the state started.",
        "metrics/full-screen-count",
        "state",
    ),
    Metric(
        "impacted_streams",
        "a.media.states.<state>.set",
        "flag",
        "The state started at least once.",
        "metrics/full-screen-streams-impacted",
        "state",
    ),
    Metric(
        "total_duration",
        "a.media.states.<state>.time",
        "seconds",
        "Time from its starts to its ends, whatever played.",
        "metrics/full-screen-total-duration",
        "state",
    ),
)

METRICS: tuple[Metric, ...] = (*_CONTENT, *_PARTS, *_QUALITY, *_EACH)
