"""States of sessions where an event was refused."""

from collections.abc import Iterable

import msgspec
import pytest

from support.exchanges import AD, BREAK, event, opened, response, sent, start
from tapehead.journal.journal import Journal
from tapehead.protocol.exchange import Exchange, encode


def fill(journal: Journal, exchanges: Iterable[Exchange]) -> Journal:
    for each in exchanges:
        journal.add(each, encode(each))
    return journal


def steps(*types: str) -> list[Exchange]:
    params = {"adBreakStart": BREAK, "adStart": AD}
    return [opened("s1", start()), *(sent("s1", event(each, 1, 1, params.get(each)), 1) for each in types)]


@pytest.mark.parametrize(
    ("types", "refused", "state"),
    [
        (["play"], "adBreakStart", "playing"),
        (["play"], "adStart", "playing"),
        (["adBreakStart"], "adStart", "in an ad break"),
        (["adBreakStart", "adStart"], "adComplete", "in an ad"),
        (["play"], "pauseStart", "playing"),
        (["play", "pauseStart"], "play", "paused"),
        (["play"], "sessionComplete", "playing"),
        (["play"], "sessionEnd", "playing"),
    ],
)
def test_a_refused_event_changes_the_state_once_its_retry_is_accepted(
    types: list[str], refused: str, state: str
) -> None:
    *before, retry = steps(*types, refused)
    journal = fill(Journal(), [*before, msgspec.structs.replace(retry, response=response(500))])
    (row,) = journal.sessions()
    assert (row.state, row.outcome) == (state, None)

    (row,) = fill(journal, [retry]).sessions()
    (accepted,) = fill(Journal(), steps(*types, refused)).sessions()
    assert (row.state, row.outcome) == (accepted.state, accepted.outcome)
    assert row.state != state
