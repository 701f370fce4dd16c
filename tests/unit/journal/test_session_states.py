"""The state and the outcome of a session in the journal: what was refused ends nothing, as in the audit."""

import json
import pathlib
import re
from itertools import product

import msgspec
import pytest

from support.exchanges import AD, BREAK, event, exchange, opened, request, response, sent, start
from tapehead import live
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import Outcome
from tapehead.journal.journal import Journal
from tapehead.journal.session_state import SessionState
from tapehead.journal.tracked_session import SILENT_SECONDS
from tapehead.protocol.exchange import Answered, Entry, Exchange, encode

ASSETS = pathlib.Path(live.__file__).with_name("assets")
STATUSES = (204, 400, 404, 500, None)


def add(journal: Journal, call: Exchange) -> None:
    journal.add(call, encode(call))


def calls(*events: tuple[str, int | None]) -> list[Exchange]:
    made = [sent("s1", event(each, at, at), at, status) for at, (each, status) in enumerate(events, start=1)]
    return [opened("s1", start()), *made]


@pytest.mark.parametrize(
    ("status", "state"),
    [(204, "completed"), (400, "playing"), (404, "unknown session"), (500, "playing"), (None, "completed")],
)
def test_a_refused_end_ends_nothing(status: int | None, state: str) -> None:
    journal = Journal()
    for call in calls(("play", 204), ("sessionComplete", status)):
        add(journal, call)

    assert [row.state for row in journal.sessions()] == [state]


@pytest.mark.parametrize("first", ["play", "sessionComplete", "sessionEnd"])
@pytest.mark.parametrize("second", ["play", "sessionComplete", "sessionEnd"])
def test_the_outcome_is_that_of_the_audit(first: str, second: str) -> None:
    for one, two in product(STATUSES, STATUSES):
        made = calls((first, one), (second, two))
        journal = Journal()
        for call in made:
            add(journal, call)
        (row,) = journal.sessions()
        (result,) = audit(Entry(line, call) for line, call in enumerate(made, start=1))

        # A session that was unknown may go on.
        may_go_on = result.outcome is Outcome.SILENT or (result.outcome is Outcome.UNKNOWN_SESSION and two == 204)
        assert row.outcome == str(result.outcome) or (row.outcome is None and may_go_on), (one, two)


def test_an_event_of_another_key_changes_nothing_in_the_session() -> None:
    mine = [msgspec.structs.replace(each, answered=Answered("hit", key="a")) for each in calls(("play", 204))]
    foreign = msgspec.structs.replace(sent("s1", event("sessionEnd", 2, 2), 2, 404), answered=Answered("hit", key="b"))
    journal = Journal()
    for call in mine:
        add(journal, call)
    before = journal.session("s1")
    add(journal, foreign)

    assert journal.session("s1") == before
    assert [(row.number, row.key) for row in journal.calls()] == [(1, "a"), (2, "a"), (3, "b")]
    assert [(journal.totals(key).calls, journal.totals(key).sessions) for key in ("a", "b")] == [(2, 1), (1, 0)]


def test_every_state_has_a_name_and_the_page_knows_which_are_over() -> None:
    now = [0.0]
    journal = Journal(clock=lambda: now[0])
    played = {
        "starting": (),
        "playing": ("play",),
        "paused": ("play", "pauseStart"),
        "buffering": ("play", "bufferStart"),
        "in an ad break": ("adBreakStart",),
        "in an ad": ("adBreakStart", "adStart"),
        "completed": ("sessionComplete",),
        "ended": ("sessionEnd",),
    }
    add(journal, opened("silent", start()))
    now[0] += SILENT_SECONDS
    for state, types in played.items():
        sid = state.replace(" ", "-")
        add(journal, opened(sid, start()))
        for each in types:
            add(journal, sent(sid, event(each, 1, 1, {"adBreakStart": BREAK, "adStart": AD}.get(each)), 1))
    add(journal, sent("unknown-session", event("play"), 1, 404))
    for status in (500, None):
        add(journal, exchange(request(start()), None if status is None else response(status)))

    rows = journal.sessions()
    assert all(row.session in (None, row.state.replace(" ", "-")) for row in rows)
    assert {row.state for row in rows} == set(SessionState)
    script = (ASSETS / "sessions.js").read_text()
    over = re.search(r"const OVER = (\[.*\]);", script)
    assert over
    assert set(json.loads(over[1])) == {row.state for row in rows if row.outcome}
