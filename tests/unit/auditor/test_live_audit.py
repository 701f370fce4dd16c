"""The live audit: at the end the findings of `audit`, and each of them as soon as it holds."""

import random
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import AD, event, opened, sent, session, start_with
from support.function_calls import calls_of
from support.live_audits import Listener
from support.paths import RECORDINGS_FOLDER
from support.session_strategies import FEW, record, rename, sessions
from support.sessions import Timeline, entries, mix
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import FindingState
from tapehead.interop.reader import read_recordings
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Entry, Exchange


def check_end(listener: Listener, told: list[Entry]) -> None:
    """Fail unless a live audit ends with what `audit` finds in these entries."""
    expected = list(audit(told))
    assert listener.close() == expected
    confirmed = Counter(each.finding for each in listener.standing())
    assert confirmed == Counter(finding for result in expected for finding in result.findings)
    assert {each.state for each in listener.latest.values()} <= {FindingState.CONFIRMED, FindingState.WITHDRAWN}


@pytest.mark.parametrize("path", sorted(RECORDINGS_FOLDER.glob("*.jsonl")), ids=lambda path: path.stem)
def test_the_end_is_that_of_audit(path: Path) -> None:
    told, listener = list(read_recordings([path], warn=pytest.fail)), Listener()
    for entry in told:
        listener.add(entry)
        listener.tick((arrival_of(entry.exchange) or 0) + entry.exchange.elapsed_ms)
    check_end(listener, told)


@FEW
@given(st.lists(sessions("s"), min_size=1, max_size=3), st.randoms(use_true_random=False), st.booleans())
def test_the_end_is_that_of_audit_whatever_comes(
    parts: list[list[Exchange]], chance: random.Random, ticks: bool
) -> None:
    named = [rename(exchanges, f"s{number}") for number, exchanges in enumerate(parts)]
    ranks = {sid: chance.random() for sid in (None, "s0", "s1", "s2")}
    together = record([exchange for part in named for exchange in part], ranks)
    arrived = sorted(range(len(together)), key=lambda place: arrival_of(together[place]) or 0)
    for number, place in enumerate(arrived):
        together[place] = msgspec.structs.replace(together[place], order=number)
    if together and chance.random() < 0.3:  # the clock is set back, or forward
        place, hours = chance.randrange(len(together)), chance.choice([-1, 1])
        together[place:] = [shifted(exchange, hours) for exchange in together[place:]]
    told, listener = list(entries(together)), Listener()
    for entry in told:
        listener.add(entry)
        if ticks:
            for seconds in range(chance.choice([1, 40])):
                listener.tick((arrival_of(entry.exchange) or 0) + entry.exchange.elapsed_ms + seconds * 1000)
    check_end(listener, told)


def test_following_calls_takes_little_more_than_two_audits() -> None:
    """One takes events at once, and one when their order is settled."""
    timelines = [Timeline(sid=f"s{number}").row("play").pings(15, 615).at(620, "sessionEnd") for number in range(5)]
    told, listener = list(entries(mix(*timelines))), Listener()
    expected = list(audit(told))  # what is made once is made by now
    at_the_end = calls_of(lambda: list(audit(told)))
    assert calls_of(lambda: (listener.add(*told), listener.close())) < 2.5 * at_the_end
    assert listener.results == expected


def calls_beside(number: int) -> int:
    """Return the function calls that a session takes beside others, whose events came out of order."""
    events = [("adStart", seconds) for seconds in (2, 1, 4, 3, 6, 5, 8, 7)]
    others = [
        [
            opened(f"s{each}", start_with({"media.id": f"clip-{each}"}, each / 1000), each / 1000),
            *(sent(f"s{each}", event(kind, at, at, AD), each / 1000 + nth) for nth, (kind, at) in enumerate(events, 1)),
        ]
        for each in range(number)
    ]
    listener = Listener()
    told = entries(exchange for row in zip(*others, strict=True) for exchange in row)
    listener.add(*told)
    last = session("last", [(float(at), float(at), "ping", {}) for at in range(1, 20)], began=20.0)
    return calls_of(lambda: listener.add(*entries(last, "last.jsonl")))


def test_a_call_takes_no_longer_where_many_sessions_wait_to_be_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapehead.auditor.live_audit._MOST_CREDIT", 100)

    assert calls_beside(240) < 2 * calls_beside(60)


def shifted(exchange: Exchange, hours: int) -> Exchange:
    """An exchange by a clock that was set."""
    started = datetime.fromisoformat(exchange.started) + timedelta(hours=hours)
    return msgspec.structs.replace(exchange, started=started.isoformat().replace("+00:00", "Z"))
