"""Conditions of the steps of scenarios: functions that return what is wrong with a moment, empty if nothing is.

Durations and playheads may be off by a second: players round them.
"""

from collections.abc import Callable

from tapehead.auditor.scenarios import Condition, Moment, Shown
from tapehead.protocol import keys
from tapehead.protocol.events import LIVE_LENGTH, counts_day, names_live
from tapehead.text import format_number, quote

SLACK_S = 1
# What SDKs take for a ping every 10 seconds, with some delay.
PING_S = 12
# By how much the second of the day may be off.
QUARTER_HOUR_S = 900


def answered(status: int) -> Condition:
    """Require an answer with `status`."""

    def check(moment: Moment, _shown: Shown) -> str:
        got = moment.event.status
        return "" if got == status else f"is {'not answered' if got is None else f'answered {got}'}; expected {status}"

    return check


def has(*wanted: str) -> Condition:
    """Require these keys in params, with a value."""

    def check(moment: Moment, _shown: Shown) -> str:
        missing = [key for key in wanted if moment.event.params.get(key) in (None, "")]
        return f"lacks {', '.join(missing)}" if missing else ""

    return check


def has_one(*wanted: str) -> Condition:
    """Require one of these keys in params or qoeData, with a value."""

    def check(moment: Moment, _shown: Shown) -> str:
        values = {**moment.event.params, **moment.event.quality}
        found = any(values.get(key) not in (None, "") for key in wanted)
        return "" if found else f"lacks {' or '.join(wanted)}"

    return check


def says(key: str, *allowed: object) -> Condition:
    """Require one of these values, strings in any case, of a key in params."""

    def check(moment: Moment, _shown: Shown) -> str:
        value = moment.event.params.get(key)
        plain = value.lower() if isinstance(value, str) else value
        if any(plain == each and type(plain) is type(each) for each in allowed):
            return ""
        return f"has {key} {'unset' if value is None else quote(value)}; expected {' or '.join(map(quote, allowed))}"

    return check


def lasts(seconds: float) -> Condition:
    """Require that the phase lasts so long."""

    def check(moment: Moment, _shown: Shown) -> str:
        if moment.lasted >= seconds - SLACK_S / 2:
            return ""
        return f"lasts {moment.lasted:.1f} s; expected {format_number(seconds)} s at least"

    return check


def pings(moment: Moment, _shown: Shown) -> str:
    """Require an event at least every 10 seconds."""
    return "" if moment.gap <= PING_S else f"is {moment.gap:.1f} s without an event; expected a ping every 10 s"


def stands_still(moment: Moment, _shown: Shown) -> str:
    """Require a playhead that does not move."""
    return "" if abs(moment.moved) <= SLACK_S else f"moves the playhead by {moment.moved:.1f} s; expected it to rest"


def follows_clock(moment: Moment, _shown: Shown) -> str:
    """Require a playhead that moves as the clock does."""
    if abs(moment.moved - moment.lasted) <= max(2 * SLACK_S, moment.lasted / 10):
        return ""
    return f"moves the playhead by {moment.moved:.1f} s in {moment.lasted:.1f} s"


def resumes_at(name: str) -> Condition:
    """Require the playhead of an earlier step."""
    return _compare(name, lambda way: abs(way) <= SLACK_S, "expected the playhead to go on from {at} s")


def seeks_from(name: str) -> Condition:
    """Require another playhead than that of an earlier step."""
    return _compare(name, lambda way: abs(way) > 2 * SLACK_S, "expected another playhead than {at} s")


def _compare(name: str, test: Callable[[float], bool], expected: str) -> Condition:
    def check(moment: Moment, shown: Shown) -> str:
        before, now = shown[name].event.playhead if name in shown else None, moment.event.playhead
        if before is None or now is None or test(now - before):
            return ""
        return f"is at {format_number(now)} s; {expected.format(at=format_number(before))}"

    return check


def is_beyond_start(moment: Moment, _shown: Shown) -> str:
    """Require a playhead above 0."""
    return "" if (moment.event.playhead or 0) > 0 else "is at 0 s; expected the playhead where the viewer left"


def is_live(moment: Moment, _shown: Shown) -> str:
    """Require content of a live type, with the length that it takes."""
    params, length = moment.event.params, moment.event.number(keys.MEDIA_LENGTH)
    if not names_live({keys.MEDIA_CONTENT_TYPE: params.get(keys.MEDIA_CONTENT_TYPE)}):
        return f"has {keys.MEDIA_CONTENT_TYPE} {quote(params.get(keys.MEDIA_CONTENT_TYPE))}; expected live or linear"
    if length is None or 0 < length <= LIVE_LENGTH:
        return ""
    return f"has {keys.MEDIA_LENGTH} {format_number(length)}; expected {LIVE_LENGTH}, or that of the programme"


def is_second_of_day(name: str) -> Condition:
    """Require the second of the day as playhead, unless the start, an earlier step, is of a programme with a length."""

    def check(moment: Moment, shown: Shown) -> str:
        ts, playhead = moment.event.ts, moment.event.playhead
        if name not in shown or not counts_day(shown[name].event.params) or ts is None or playhead is None:
            return ""
        second = ts / 1000 % LIVE_LENGTH
        off = abs(playhead - second)
        if min(off, LIVE_LENGTH - off) <= QUARTER_HOUR_S:
            return ""
        return f"is at {format_number(playhead)} s; expected the second of the day, {second:.0f}"

    return check


def ends_chapter(name: str) -> Condition:
    """Require the playhead at the end of the chapter that an earlier step began."""

    def check(moment: Moment, shown: Shown) -> str:
        begun, now = shown.get(name), moment.event.playhead
        offset, length = (
            begun.event.number(key) if begun else None for key in (keys.CHAPTER_OFFSET, keys.CHAPTER_LENGTH)
        )
        if offset is None or length is None or now is None or abs(now - offset - length) <= 2 * SLACK_S:
            return ""
        return f"is at {format_number(now)} s; expected the chapter's end, {format_number(offset + length)} s"

    return check


def same(key: str, name: str) -> Condition:
    """Require the value that an earlier step has of a key in params."""

    def check(moment: Moment, shown: Shown) -> str:
        wanted, value = (shown[name].event.params.get(key) if name in shown else None), moment.event.params.get(key)
        return "" if wanted is None or value == wanted else f"has {key} {quote(value)}; expected {quote(wanted)}"

    return check
