"""The differences as lines that the text and the page share, by section, and the totals."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tapehead.auditor.results import SessionResult
from tapehead.comparison.difference_messages import playhead
from tapehead.comparison.differences import Change, Diff, Difference, SessionDiff, Verdict
from tapehead.reports.report_wording import plural
from tapehead.text import escape_controls

SHORT_ID = 8

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
        name: the event, parameter, metric or rule.
        message: the difference, and the events that have it.
    """

    mark: str
    name: str
    message: str


def describe_side(session: SessionResult | None) -> str:
    """Return a session's shortened id, number of events and outcome; empty for none."""
    if session is None:
        return ""
    return f"{escape_controls((session.id or '-')[:SHORT_ID])}, {plural(session.events, 'event')}, {session.outcome}"


def title_of(session: SessionDiff) -> str:
    """Return a session's title: content and player, as far as known."""
    known = session.session
    content = content_of(known)
    return escape_controls(f"{content}, {known.player}" if known.player else content)


def content_of(session: SessionResult) -> str:
    """Return the name of a session's content; its outcome, if there is none."""
    return session.media_name or session.media_id or f"({session.outcome})"


def sections_of(differences: Iterable[Difference]) -> Iterator[tuple[str, list[Item]]]:
    """Yield the differences as lines, by section; sections without any are left out."""
    listed = list(differences)
    for title, changes in SECTIONS.items():
        grouped: dict[tuple[str, str, str], list[Difference]] = {}
        for each in listed:
            if each.change in changes:
                event = each.base_event or each.new_event
                has_place = title in ("events", "answers") and each.change is not Change.EVENT_MOVED
                name = f"{each.name} at {playhead(event)}" if has_place else each.name
                grouped.setdefault((MARKS[each.change], name, each.message), []).append(each)
        if grouped:
            yield (
                title,
                [
                    Item(mark, escape_controls(name), escape_controls(message + list_events(title, same)))
                    for (mark, name, message), same in grouped.items()
                ],
            )


def list_events(title: str, same: Sequence[Difference]) -> str:
    """Return in brackets how often, or in which events, a difference of a section occurs in the same way."""
    if title != "parameters":
        return "" if len(same) == 1 else f" ({len(same)} times)"
    types = dict.fromkeys(event.type or "event" for each in same if (event := each.new_event or each.base_event))
    if list(types) == ["ping"]:
        return ""
    return f" ({', '.join(types)}{f', {len(same)} events' if len(same) > 1 else ''})"


def totals_of(diff: Diff) -> str:
    """Return the whole diff in one line."""
    sessions = plural(len(diff.sessions), "session")
    if diff.same:
        return f"no difference in {sessions}"
    counted = ((diff.count(verdict), verdict) for verdict in Verdict)
    parts = [f"{count:,} {'unchanged' if verdict is Verdict.SAME else verdict}" for count, verdict in counted if count]
    differences = sum(diff.changes.values())
    return f"{sessions}: {', '.join(parts)}" + (f"; {plural(differences, 'difference')}" if differences else "")
