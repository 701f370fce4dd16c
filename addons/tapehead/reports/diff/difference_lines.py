"""Words that the text and the page share."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tapehead.audit.results import SessionResult
from tapehead.diff.difference_messages import playhead
from tapehead.diff.differences import Change, Diff, Difference, SessionDiff, Verdict
from tapehead.reports.report_wording import plural
from tapehead.text import escape_controls

_SHORT_ID = 8

MARKS: Mapping[Change, str] = {
    **dict.fromkeys(Change, "~"),
    Change.EVENT_MISSING: "-",
    Change.PARAMETER_REMOVED: "-",
    Change.PINGS_MISSING: "-",
    Change.FINDING_GONE: "-",
    Change.EVENT_ADDED: "+",
    Change.PARAMETER_ADDED: "+",
    Change.PINGS_ADDED: "+",
    Change.FINDING_NEW: "+",
}
SECTIONS: Mapping[str, tuple[Change, ...]] = {
    "events": (Change.EVENT_MISSING, Change.EVENT_ADDED, Change.EVENT_MOVED),
    "parameters": (
        Change.PARAMETER_ADDED,
        Change.PARAMETER_REMOVED,
        Change.PARAMETER_CHANGED,
        Change.PARAMETER_RETYPED,
    ),
    "answers": (Change.STATUS_CHANGED,),
    "pings": (Change.PING_RHYTHM, Change.PINGS_MISSING, Change.PINGS_ADDED),
    "metrics": (Change.METRIC_CHANGED,),
    "findings": (Change.FINDING_NEW, Change.FINDING_GONE),
}


class Item(NamedTuple):
    """A line on a difference, or on the same one in several events.

    Attributes:
        mark: `-`, `+` or `~`.
        name: what it is about.
        message: what is different, and where.
    """

    mark: str
    name: str
    message: str


def short_id(session: SessionResult) -> str:
    """A session id that fits a column."""
    return escape_controls((session.id or "-")[:_SHORT_ID])


def title_of(session: SessionDiff) -> str:
    """What a session is called: content and player, as far as known."""
    known = session.session
    content = known.media_name or known.media_id or f"({known.outcome})"
    return escape_controls(f"{content}, {known.player}" if known.player else content)


def sections_of(differences: Iterable[Difference]) -> Iterator[tuple[str, list[Item]]]:
    """The differences as lines, by what they are about; sections without any are left out."""
    listed = list(differences)
    for title, changes in SECTIONS.items():
        grouped: dict[tuple[str, str, str], list[Difference]] = {}
        for each in listed:
            if each.change in changes:
                place = _place(each) if title in ("events", "answers") else ""
                grouped.setdefault((MARKS[each.change], each.name + place, each.message), []).append(each)
        if grouped:
            items = (Item(mark, name, message + _where(title, same)) for (mark, name, message), same in grouped.items())
            yield title, [Item(mark, escape_controls(name), escape_controls(message)) for mark, name, message in items]


def _place(difference: Difference) -> str:
    """Where an event stands, unless that is what differs."""
    event = difference.base_event or difference.new_event
    return "" if difference.change is Change.EVENT_MOVED else f" at {playhead(event)}"


def _where(title: str, same: list[Difference]) -> str:
    """The events in which a parameter differs in the same way."""
    if title != "parameters":
        return "" if len(same) == 1 else f" ({len(same)} times)"
    types = dict.fromkeys(event.type or "event" for each in same if (event := each.new_event or each.base_event))
    if list(types) == ["ping"]:
        return ""
    return f" ({', '.join(types)}{f', {len(same)} events' if len(same) > 1 else ''})"


def totals_of(diff: Diff) -> str:
    """The whole diff in one line."""
    if diff.same:
        return f"no difference in {plural(len(diff.sessions), 'session')}"
    counted = [(diff.count(verdict), verdict) for verdict in Verdict]
    parts = [f"{count:,} {'unchanged' if verdict is Verdict.SAME else verdict}" for count, verdict in counted if count]
    found = sum(1 for _ in diff.all_differences())
    behind = f"; {plural(found, 'difference')}" if found else ""
    return f"{plural(len(diff.sessions), 'session')}: {', '.join(parts)}{behind}"
