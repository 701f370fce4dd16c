"""Assumptions of the metrics where the reference is silent or disagrees with itself.

One principle chooses most defaults: where pages disagree, the section "How this metric is calculated" on the
metric's own page wins; where all are silent, the words of a definition are taken literally, and what a definition
does not exclude counts. Each field below is one choice; its first option is the default. People set them as
`--assume KEY=VALUE`, where KEY is the field's name with hyphens.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta

from tapehead.text import nearest


def _because(source: str, explanation: str) -> Meta:
    return Meta(description=explanation, extra={"source": source})


class Assumptions(msgspec.Struct, frozen=True, kw_only=True):
    """A value for every choice; each is explained in `ASSUMPTIONS`."""

    error_span: Annotated[
        Literal["counted", "excluded"],
        _because(
            "documents silent",
            "Time from `error` to the next `play` is time spent: the definitions exclude ads, pauses, buffers and"
            " stalls, not errors, and an error that is not fatal needs no `play` after it.",
        ),
    ] = "counted"
    after_complete: Annotated[
        Literal["stopped", "counted"],
        _because(
            "documents disagree",
            "`sessionComplete` stops the clocks of play, pause and buffer until the next event that starts one; it"
            " leaves the session open, but the content is over.",
        ),
    ] = "stopped"
    open_at_end: Annotated[
        Literal["last-event", "dropped"],
        _because(
            "documents silent",
            "A pause, buffer, state, ad or chapter still open when the session ends counts up to the session's last"
            " event, as downloaded sessions are said to be closed; `dropped` counts nothing of it.",
        ),
    ] = "last-event"
    rejected: Annotated[
        Literal["ignored", "counted"],
        _because(
            "documents silent",
            "An event that the endpoint answered with a failure, 400 and up, counts for nothing; one without an"
            " answer counts, since it may have arrived.",
        ),
    ] = "ignored"
    timeouts: Annotated[
        Literal["applied", "ignored"],
        _because(
            "documents disagree",
            "What comes after 10 minutes without an event or 30 minutes without playhead movement is lost, as the"
            " page on timeouts says.",
        ),
    ] = "applied"
    resume: Annotated[
        Literal["resumes-only", "starts"],
        _because(
            "documents disagree",
            "A resumed session counts a content resume and no media start, by three pages; with `starts` it counts"
            " both, by the metric's own page.",
        ),
    ] = "resumes-only"
    content_play: Annotated[
        Literal["outside-ads", "outside-breaks", "anywhere"],
        _because(
            "documents silent",
            "A `play` while an ad is open plays the ad and starts no content; between two ads it does, as the page on"
            " tracking ads says of the vendor's SDKs.",
        ),
    ] = "outside-ads"
    ad_without_play: Annotated[
        Literal["counted", "excluded"],
        _because(
            "documents disagree",
            "An ad before any `play` counts as playing, as in the documented timelines.",
        ),
    ] = "counted"
    ad_while_paused: Annotated[
        Literal["excluded", "counted"],
        _because(
            "documents silent",
            "An ad that starts in a pause or a buffer is not playing until a `play`; `counted` lets its start end"
            " both.",
        ),
    ] = "excluded"
    open_break: Annotated[
        Literal["ignored", "counted"],
        _because(
            "documents disagree",
            "Ads of a break without its closing bookend are ignored where content goes on, and their time is content.",
        ),
    ] = "ignored"
    before_start: Annotated[
        Literal["ignored", "counted"],
        _because(
            "documents silent",
            "An event whose timestamp lies before its session's start, such as a queued pre-roll, counts, but its"
            " time does not; with `counted` the clock begins with the first such event.",
        ),
    ] = "ignored"
    break_gap: Annotated[
        Literal["content", "excluded"],
        _because(
            "documents silent",
            "Time in a break but outside its ads counts as content while playing, as the page on tracking ads says of"
            " the vendor's SDKs; up to 250 ms between ads belong to the break.",
        ),
    ] = "content"
    pause_until: Annotated[
        Literal["play", "any-change"],
        _because(
            "documents silent",
            "A pause lasts until the next `play`, a buffer in between included; `any-change` ends it at `bufferStart`.",
        ),
    ] = "play"
    chapter_ads: Annotated[
        Literal["excluded", "counted"],
        _because(
            "documents silent",
            "Ads inside a chapter are no chapter time, as they are no content time.",
        ),
    ] = "excluded"
    unique_jump: Annotated[
        Literal["clock", "all", "none"],
        _because(
            "documents silent",
            "A playhead that runs more than twice as fast as the clock (plus a second) has jumped: what the clock"
            " allows from where it left counts as viewed; `all` takes the whole way, `none` nothing. A move back"
            " views nothing.",
        ),
    ] = "clock"
    marker_jump: Annotated[
        Literal["viewed", "passed"],
        _because(
            "documents disagree",
            "A marker counts if it lies in what was viewed; with `passed` a jump forward sets every marker that it"
            " passes.",
        ),
    ] = "viewed"
    stall_after: Annotated[
        Literal["3-playheads", "3-repeats"],
        _because(
            "documents silent",
            "A stall is three events in a row with one playhead; `3-repeats` wants three after the first.",
        ),
    ] = "3-playheads"
    stall_bursts: Annotated[
        Literal["ignored", "counted"],
        _because(
            "documents silent",
            "Events less than a second apart are one to a stall, since playheads are often whole seconds and players"
            " send several events at one moment.",
        ),
    ] = "ignored"
    stall_paused: Annotated[
        Literal["ignored", "counted"],
        _because(
            "documents silent",
            "A playhead that stands still in a pause or a buffer is no stall.",
        ),
    ] = "ignored"
    stall_from: Annotated[
        Literal["first-event", "detection"],
        _because(
            "documents silent",
            "A stall lasts from the first event with its playhead; with `detection`, from the one that proved it.",
        ),
    ] = "first-event"
    bitrate_unit: Annotated[
        Literal["auto", "bps", "kbps"],
        _because(
            "documents disagree",
            "Reported bitrates below 10000 are kilobits per second, others bits: pages name either unit; the average"
            " is in kilobits.",
        ),
    ] = "auto"
    bitrate_weight: Annotated[
        Literal["played", "active"],
        _because(
            "documents disagree",
            "A bitrate weighs as long as something played with it, by four pages to one; with `active`, as long as it"
            " was the last one reported.",
        ),
    ] = "played"
    time_to_start: Annotated[
        Literal["first", "last"],
        _because(
            "documents silent",
            "Of several reported times to start the first one counts: the reference wants it frozen at the first"
            " frame.",
        ),
    ] = "first"


class Assumption(NamedTuple):
    """One choice, as people see it.

    Attributes:
        key: its name in `--assume KEY=VALUE`.
        options: the values it may have.
        default: the value it has unless someone says otherwise.
        explanation: what the default means, and why it was chosen.
        source: `documents silent` or `documents disagree`.
    """

    key: str
    options: tuple[str, ...]
    default: str
    explanation: str
    source: str


def _assumption(name: str, default: str) -> Assumption:
    options, because = get_args(Assumptions.__annotations__[name])
    return Assumption(name.replace("_", "-"), get_args(options), default, because.description, **because.extra)


ASSUMPTIONS = tuple(map(_assumption, Assumptions.__struct_fields__, Assumptions.__struct_defaults__))
_BY_KEY = {row.key: row for row in ASSUMPTIONS}


def parse_assumptions(settings: Iterable[str], base: Assumptions | None = None) -> Assumptions:
    """Return `base` (all defaults, if None) with each of `settings`, written KEY=VALUE; later ones win.

    Raises:
        ValueError: a setting has no `=`, or its key or value is unknown; the message names the nearest one.
    """
    chosen = dict(map(_parse_one, settings))
    return msgspec.structs.replace(base or Assumptions(), **chosen)


def _parse_one(setting: str) -> tuple[str, Any]:
    name, separator, value = (part.strip() for part in setting.partition("="))
    key = name.lower().replace("_", "-")
    if not separator:
        raise ValueError(f"{setting!r} is no assumption; expected KEY=VALUE, such as error-span=excluded")
    if key not in _BY_KEY:
        raise ValueError(f"there is no assumption {name!r}{nearest(key, _BY_KEY)}")
    options = _BY_KEY[key].options
    if value not in options:
        raise ValueError(f"{key} is {value!r}; expected {' or '.join(options)}{nearest(value, options)}")
    return key.replace("-", "_"), value
