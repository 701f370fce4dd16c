"""Sessions of tests with keys: to the audit, each key is a world of its own."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from support.live_audits import Listener
from support.sessions import BEGIN_MS, Timeline, entries, make_exchange, run
from tapehead.auditor.results import Outcome
from tapehead.protocol.exchange import Answered, Exchange
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import build_schema

VISITOR = "12" * 19
CROSSING = {"session-restarted", "stray-pings"}


def keyed(exchanges: Iterable[Exchange], key: str, outcome: str = "simulated") -> list[Exchange]:
    return [msgspec.structs.replace(each, answered=Answered(outcome, key=key)) for each in exchanges]


def session(sid: str, second: float = 0, **start: Any) -> Timeline:
    begun = Timeline(sid=sid, begin_ms=BEGIN_MS + second * 1000, visitor=VISITOR)
    return begun.start(**start).at(0.2, "play")


PAIRS: dict[str, Callable[[], tuple[Timeline, Timeline]]] = {
    "restarted": lambda: (session("a").pings(10, 40), session("b", 45).pings(10, 30).at(31, "sessionEnd")),
    "side by side": lambda: (session("a").pings(10, 40), session("b", 0.5).pings(10, 40)),
    "stray pings": lambda: (
        session("a").pings(10, 90),
        session("b", 25, id="news-2", name="News at ten").pings(10, 60),
    ),
}


def crossing(calls: list[Exchange]) -> tuple[set[str], set[str]]:
    """The rules on several sessions that fire, in the audit of the recording and while the calls come."""
    listener = Listener()
    listener.add(*entries(calls))
    listener.close()
    live = {each.finding.rule for each in listener.latest.values()}  # those that were withdrawn, too
    return {finding.rule for result in run(calls) for finding in result.findings} & CROSSING, live & CROSSING


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("other", ["", "two"])
def test_rules_on_several_sessions_pair_those_of_one_key(pair: str, other: str) -> None:
    first, second = PAIRS[pair]()

    def calls(*keys: str) -> list[Exchange]:
        made = [*keyed(first.exchanges, keys[0]), *keyed(second.exchanges, keys[1])]
        return sorted(made, key=lambda exchange: exchange.started)

    recorded, live = crossing(calls("one", "one"))
    assert recorded
    assert recorded <= live
    assert crossing(calls("one", other)) == (set(), set())


def test_a_schema_that_one_key_was_served_checks_its_own_calls_alone() -> None:
    schema = build_schema("ping")
    schema["definitions"]["ping"]["required"].append("qoeData")
    served = make_exchange("/api/v1/schemas/ping", b"", call=Call.SCHEMA, sid=None, status=200)
    assert served.response
    served = msgspec.structs.replace(served, response=served.response.with_content(json.dumps(schema).encode()))

    def missing(key: str) -> bool:
        played = session("a").pings(10, 20).exchanges
        results = run([*keyed([served], "one"), *keyed(played, key)])
        return any(finding.rule == "missing-parameter" for result in results for finding in result.findings)

    assert (missing("one"), missing("two"), missing("")) == (True, False, False)


def test_an_event_of_another_keys_session_is_none_of_it() -> None:
    owner = session("a").at(10, "ping").at(20, "sessionComplete")
    body = {"eventType": "ping", "playerTime": {"playhead": 12, "ts": BEGIN_MS + 12_000}}
    foreign = make_exchange("/api/v1/sessions/a/events", body, sid="a", status=404, arrived_ms=BEGIN_MS + 12_000)
    alone = run(keyed(owner.exchanges, "one"))
    calls = sorted([*keyed(owner.exchanges, "one"), *keyed([foreign], "two")], key=lambda each: each.started)
    listener = Listener()
    listener.add(*entries(calls))

    for results in (run(calls), listener.close()):
        mine = next(each for each in results if each.events > 1)
        theirs = next(each for each in results if each.events == 1)
        assert (mine.outcome, mine.metrics) == (Outcome.COMPLETED, alone[0].metrics)
        assert [each.rule for each in mine.findings] == [each.rule for each in alone[0].findings]
        assert (theirs.outcome, [each.rule for each in theirs.findings]) == (
            Outcome.UNKNOWN_SESSION,
            ["unknown-session"],
        )


def test_an_endpoint_knows_no_keys() -> None:
    owner = session("a").at(10, "ping").at(20, "sessionComplete")
    calls = [*keyed(owner.exchanges[:2], "one", ""), *keyed(owner.exchanges[2:], "two", "")]

    (result,) = run(calls)

    assert (result.outcome, result.events) == (Outcome.COMPLETED, len(owner.exchanges))
