"""Several replicas of a replay behind a balancer without affinity answer as one process does."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from secrets import token_bytes

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.exchanges import NOW, Player, event, exchange, index_of, opened, request, response, sent, session, start
from support.played_sessions import played
from support.replay import SCHEMAS, STEPS, player_of, reasons_of, replay_of
from tapehead.answers import Answer
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import sid_of_location
from tapehead.protocol.session_id import PROCESS_BYTES
from tapehead.replay.matching import Reason
from tapehead.replay.peers import Peers
from tapehead.replay.replayer import OTHER_RECORDINGS, Replayer
from tapehead.replay.summary import ReplayCounts, ReplaySummary, recorded_calls, summarise
from tapehead.simulator.keyed_engine import KeyedEngine


class Fleet:
    """Replicas, each of which gets the calls whose turn says so.

    Args:
        recorded: what all of them play.
        turns: the numbers of the replicas that get the calls, one after the other.
        count: the number of replicas.
        began: when they could first answer, seconds since 1970.
        are_seen: whether they know of each other from the beginning.
    """

    def __init__(
        self,
        recorded: Sequence[Exchange],
        turns: Iterator[int],
        count: int = 3,
        began: float = NOW - 60,
        *,
        are_seen: bool = False,
    ):
        self.index = index_of(recorded)
        self.replicas = [
            Replayer(index_of(recorded), SCHEMAS, random_bytes=token_bytes, peers=peers)
            for peers in (Peers(are_seen, began, own=token_bytes(PROCESS_BYTES)) for _ in range(count))
        ]
        self._turns = turns

    def answer(self, asked: Request, now: float) -> Answer:
        return self.replicas[next(self._turns) % len(self.replicas)].answer(asked, now)

    def summary(self) -> ReplaySummary:
        counts = ReplayCounts()
        for replica in self.replicas:
            counts.add(replica.counts())
        return summarise(recorded_calls(self.index), counts)


# Sent again after four seconds; the answers name the line.
AGAIN: list[tuple[float, float, str, int | None]] = [
    (0, 0.01, "play", 204),
    (10, 10.01, "ping", 503),
    (10, 14.01, "ping", None),
    (10, 18.01, "ping", 204),
    (20, 20.01, "pauseStart", 503),
    (20, 24.01, "pauseStart", 204),
    (25, 25.01, "play", 500),
    (25, 29.01, "play", 204),
    (30, 30.01, "ping", 204),
    (40, 40.01, "sessionEnd", 503),
    (40, 44.01, "sessionEnd", 204),
]


def sent_again() -> list[Exchange]:
    calls = [sent("abc", event(kind, at, at), arrived, status) for at, arrived, kind, status in AGAIN]
    return [opened("abc", start(), 0), *calls]


@pytest.mark.parametrize("turns", [[0, 1], [0, 1, 2], [0, 1, 1], [1, 2, 1, 0, 0, 2, 1], [0]])
@pytest.mark.parametrize("are_seen", [False, True])
def test_failures_come_back_at_their_place(turns: list[int], are_seen: bool) -> None:
    fleet = Fleet(sent_again(), cycle(turns), are_seen=are_seen)
    player = Player(fleet)
    player.open(100)
    path = f"/api/v1/sessions/{player.sid}/events"
    # A player whose calls take as long as they may, to arrive.
    statuses = [
        player.call(request(event(kind, at, 100 + at), path), 100 + arrived + 0.4) for at, arrived, kind, _ in AGAIN
    ]

    assert statuses == [status or 0 for *_, status in AGAIN]
    assert fleet.summary() == ReplaySummary(1, len(AGAIN) + 1, 0, [], [])


def test_replicas_that_know_of_each_other_place_calls_after_which_one_got_all_so_far() -> None:
    fleet = Fleet(sent_again(), cycle([0, 0, 1]), are_seen=True)

    assert statuses_of(fleet, 0) == [status or 0 for *_, status in AGAIN]


def statuses_of(fleet: Fleet, late: float, pace: float = 1) -> list[int]:
    """The answers to the calls of AGAIN, each of them late, from a player that takes `pace` as long as its ts says."""
    player = Player(fleet)
    player.open(100)
    path = f"/api/v1/sessions/{player.sid}/events"
    return [
        player.call(request(event(kind, at, 100 + at), path), 100 + arrived * pace + late)
        for at, arrived, kind, _ in AGAIN
    ]


@pytest.mark.parametrize("pace", [0.01, 0.1, 1, 2, 10])
@pytest.mark.parametrize("late", [-20, 0, 2.5, 20, 3600])
def test_one_process_answers_in_recorded_order_at_any_pace(late: float, pace: float) -> None:
    fleet = Fleet(sent_again(), cycle([0]), 1)

    assert statuses_of(fleet, late, pace) == [status or 0 for *_, status in AGAIN]
    assert fleet.summary().unused == []


def test_equal_calls_that_are_first_come_in_recorded_order() -> None:
    """Without any other call that tells how late the player is, or with one that is in time alone."""
    rows: list[tuple[float, float, str, int]] = [(10, 10.01, "pauseStart", 503), (10, 14.01, "pauseStart", 204)]
    for before in ([], [(0.0, 0.01, "play", 204)]):
        calls = [sent("abc", event(kind, at, at), arrived, status) for at, arrived, kind, status in [*before, *rows]]
        player = player_of(opened("abc", start(), 0), *calls)
        player.open(100)
        path = f"/api/v1/sessions/{player.sid}/events"
        for at, arrived, kind, status in [*before, *rows]:
            late = 0 if kind == "play" else 300
            assert player.call(request(event(kind, at, 100 + at), path), 100 + arrived + late) == status


@pytest.mark.parametrize("turns", [[0, 1], [0, 1, 2], [0, 0, 1], [1, 2, 1, 0, 0, 2, 1]])
@pytest.mark.parametrize("late", [-20, 2.5, 20, 3600])
def test_replicas_answer_a_player_that_is_late_as_one_process(late: float, turns: list[int]) -> None:
    """Once each of them has got two calls that the player sent once."""
    first = [sent("abc", event("ping", at, at), at + 0.01) for at in range(1, 8)]
    calls = [sent("abc", event(kind, 10 + at, 10 + at), 10 + arrived, status) for at, arrived, kind, status in AGAIN]
    recorded = [opened("abc", start(), 0), *first, *calls]
    fleet = Fleet(recorded, cycle(turns), max(turns) + 1)
    player = Player(fleet)
    player.open(100)
    path = f"/api/v1/sessions/{player.sid}/events"
    for at in range(1, 8):
        player.call(request(event("ping", at, 100 + at), path), 100 + at + late)
    statuses = [
        player.call(request(event(kind, 10 + at, 110 + at), path), 110 + arrived + late)
        for at, arrived, kind, _ in AGAIN
    ]

    assert statuses == [status or 0 for *_, status in AGAIN]


def test_one_call_that_is_late_by_chance_changes_nothing() -> None:
    hiccup = 3
    fleet = Fleet(sent_again(), cycle(range(2)))
    player = Player(fleet)
    player.open(100)
    path = f"/api/v1/sessions/{player.sid}/events"
    statuses = [
        player.call(request(event(kind, at, 100 + at), path), 100 + arrived + (hiccup if at == 0 else 0))
        for at, arrived, kind, _ in AGAIN
    ]

    assert statuses == [status or 0 for *_, status in AGAIN]


def test_equal_calls_after_a_restart_come_in_recorded_order() -> None:
    for rows in (AGAIN, AGAIN[1:]):
        calls = [sent("abc", event(kind, at, at), arrived, status) for at, arrived, kind, status in rows]
        for restarted in range(1, len(rows)):
            turns = iter([0] * (restarted + 1) + [1] * len(rows))
            player = Player(Fleet([opened("abc", start(), 0), *calls], turns, 2, NOW + 1000))
            player.open(100)
            path = f"/api/v1/sessions/{player.sid}/events"
            for at, arrived, kind, status in rows:
                assert player.call(request(event(kind, at, 100 + at), path), 100 + arrived) == (status or 0), restarted


@pytest.mark.parametrize("wait", [0, 2])
def test_a_start_that_failed_comes_back_at_its_place(wait: float) -> None:
    """Once replicas know of each other, which the first events of another session tell them."""
    tries = [exchange(request(start()), response(503), 1), exchange(request(start()), response(500), 3)]
    other = session("other", STEPS, "clip-2", 20)
    fleet = Fleet([*tries, opened("abc", start(), 5), *other], cycle(range(3)))
    neighbour = Player(fleet, "clip-2")
    neighbour.open(100)
    neighbour.play([(100 + at, *step) for at, *step in STEPS[:5]])  # type: ignore[misc]
    player = Player(fleet)
    statuses = [player.call(request(start(200)), 200.3 + wait * number) for number in range(3)]

    # Where the player does not wait, nothing in its calls tells which one is which.
    assert statuses == ([503, 500, 201] if wait else [503, 503, 503])


def test_a_player_that_is_alone_is_answered_as_before_whatever_its_clock_says() -> None:
    tries = [exchange(request(start()), response(503), 1), opened("abc", start(), 3)]
    player = Player(Fleet(tries, cycle([0])))

    assert [player.call(request(start(100)), 101.9), player.call(request(start(100)), 102)] == [503, 201]


def test_a_session_that_a_reset_forgot_tells_of_no_other_process() -> None:
    tries = [
        exchange(request(start()), response(503), 1),
        opened("abc", start(), 3),
        *session("other", STEPS, "clip-2"),
    ]
    fleet = Fleet(tries, cycle([0]), 1)
    neighbour = Player(fleet, "clip-2")
    neighbour.open(100)
    fleet.replicas[0] = fleet.replicas[0].for_key("")  # as a reset does
    neighbour.play([(100 + at, *step) for at, *step in STEPS[:2]])  # type: ignore[misc]
    player = Player(fleet)

    assert [player.call(request(start(200)), 201.9), player.call(request(start(200)), 202)] == [503, 201]


def test_the_first_event_that_a_replica_gets_is_known_by_its_position() -> None:
    """Although others with its name and playhead come before it, which no other call has told yet."""
    steps = [(0.0, 0.0, "play"), (10.0, 10.0, "bufferStart"), (20.0, 10.0, "bufferStart"), (25.0, 10.0, "ping")]
    steps += [(25.3, 10.0, "ping"), (25.6, 10.0, "ping")]
    calls = [
        sent("abc", event(kind, playhead, at), at, response(204, [("X-Line", str(line))]))
        for line, (at, playhead, kind) in enumerate(steps, start=2)
    ]
    recorded = [opened("abc", start()), *calls]
    for number, (at, playhead, kind) in enumerate(steps):
        player = Player(replay_of(recorded))
        player.open()
        player.send(kind, playhead, at)

        assert player.header("X-Line") == str(number + 2)


def test_an_event_that_one_replica_gets_twice_is_a_miss() -> None:
    fleet = Fleet(session("abc", STEPS), cycle([0, 1, 2, 1, 1, 1]))
    player = Player(fleet)
    player.open()
    player.play([STEPS[0], STEPS[1], STEPS[9], STEPS[9], (500, 500, "pauseStart", {})])

    assert [miss.reason for miss in fleet.summary().missed] == [Reason.ALL_USED, Reason.ALL_USED]


def test_a_session_of_other_recordings_is_told_once_in_one_sentence() -> None:
    warnings: list[str] = []
    player = player_of(warn=warnings.append)
    player.open()
    player.engine = replay_of(session("other", STEPS), warn=warnings.append)

    assert player.send("play") == 404
    assert reasons_of(player) == [Reason.OTHER_RECORDINGS]
    assert warnings == [OTHER_RECORDINGS]


def test_a_session_of_another_replica_may_be_called_with_its_key() -> None:
    """Also after a call without one, whose key this replica cannot know."""
    recorded = session("abc", STEPS)
    one, other = (KeyedEngine(replay_of(recorded)) for _ in range(2))
    player = Player(one)
    player.call(request(start(), X_Tapehead_Key="k"))
    player.sid = sid_of_location(player.header("Location")) or ""
    player.engine = other
    path = f"/api/v1/sessions/{player.sid}/events"

    assert player.call(request(event("play"), path)) == 204
    assert player.call(request(event("ping"), path, X_Tapehead_Key="k")) == 204


@settings(max_examples=40, deadline=None)
@given(st.data(), played(), st.lists(st.integers(0, 2), min_size=5, max_size=60))
def test_any_replica_answers_as_the_only_one(data: st.DataObject, recorded: list[Exchange], turns: list[int]) -> None:
    """Whatever a player sends, and whoever gets it, if it is what was recorded."""
    first, *rest = recorded
    numbered = [
        exchange_of(each, response(503 if data.draw(st.booleans()) else 204, [("X-Line", str(line))]))
        for line, each in enumerate(rest)
    ]
    told = [
        answered(Fleet([first, *numbered], cycle(each), began=0, are_seen=len(each) > 1), first, numbered)
        for each in ([0], turns)
    ]

    assert told[0][0] == [str(line) for line in range(len(numbered))]
    assert told[1] == told[0]


def exchange_of(recorded: Exchange, answered: Response) -> Exchange:
    return msgspec.structs.replace(recorded, response=answered)


def answered(fleet: Fleet, first: Exchange, rest: Sequence[Exchange]) -> tuple[list[str | None], ReplaySummary]:
    """Which recorded answers a fleet gives to a session as it was recorded, and its summary."""
    opening = fleet.answer(first.request, (arrival_of(first) or 0) / 1000).response
    assert opening
    sid = sid_of_location(opening.header("Location")) or ""
    lines = []
    for each in rest:
        url = each.request.url.replace(each.session or "", sid)
        answer = fleet.answer(msgspec.structs.replace(each.request, url=url), (arrival_of(each) or 0) / 1000)
        lines.append(answer.response.header("X-Line") if answer.response else None)
    return lines, fleet.summary()
