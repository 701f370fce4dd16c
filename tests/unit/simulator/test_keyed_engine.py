"""An engine with keys: each key is alone with it, however the calls of others come in between."""

from collections.abc import Callable
from itertools import count
from secrets import token_bytes

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.exchanges import HOST, Player, Step, event, request, start
from support.replay import SCHEMAS, marked, replay_of
from tapehead.answers import Answer, Engine, Outcome
from tapehead.errors import UsageError
from tapehead.protocol.messages import Request
from tapehead.replay.matching import Reason
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer
from tapehead.simulator import keyed_engine
from tapehead.simulator.endpoint import Simulator
from tapehead.simulator.faults import parse_fault
from tapehead.simulator.keyed_engine import KeyedEngine

STEPS: list[Step] = [
    (0.0, 0.0, "play", {}),
    (5.0, 5.0, "pauseStart", {}),
    (6.0, 5.0, "play", {}),
    (9.0, 8.0, "sessionComplete", {}),
]
FAULTS = ("event:play:2=500", "event:pauseStart:1=503", "session:3=410")


class WithHeader:
    """An engine that gets the calls of a player under a key."""

    def __init__(self, engine: Engine, key: str) -> None:
        self._engine = engine
        self._key = key

    def answer(self, asked: Request, now: float) -> Answer:
        return self._engine.answer(asked.with_headers([*asked.headers, ("X-Tapehead-Key", self._key)]), now)


def replayer() -> Replayer:
    """Three recorded sessions of equal content, whose answers tell which of them it was, with a failed start."""
    recorded = [call for number in range(3) for call in marked(f"sid-{number}", STEPS[number:])]
    return replay_of(recorded, on_miss=OnMiss.ERROR)


def simulator() -> Simulator:
    return Simulator(SCHEMAS, random_bytes=token_bytes)


ENGINES = {"replayed": replayer, "simulated": simulator}


def play(player: Player, number: int) -> tuple[object, ...]:
    """Make the next call of a script: two sessions, some events out of order; what the player gets."""
    at = float(number)
    script: list[Callable[[], object]] = [
        lambda: player.open(at),
        lambda: player.send("play", 0, at),
        lambda: player.send("pauseStart", 5, at),
        lambda: player.send("nonsense", 5, at),
        lambda: player.open(at, **{"media.name": "other"}),
        lambda: player.send("play", 5, at),
        lambda: player.send("sessionComplete", 8, at),
        lambda: player.send("play", 9, at),
    ]
    script[number % len(script)]()
    answer, sid = player.answer, player.sid or "-"
    told = answer.response and (answer.response.status, answer.response.content(), player.header("X-Line"))
    return told, answer.outcome, answer.note.replace(sid, "SID"), answer.delay_ms


def alone(engine: Engine, calls: int) -> list[tuple[object, ...]]:
    player = Player(engine)
    return [play(player, number) for number in range(calls)]


@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
@given(order=st.lists(st.integers(0, 3), max_size=60))
@settings(max_examples=40, deadline=None)
def test_each_key_gets_what_it_gets_alone(make: Callable[[], Engine], order: list[int]) -> None:
    faults = [parse_fault(text) for text in FAULTS]
    shared = KeyedEngine(make(), faults)
    players = [Player(WithHeader(shared, f"key-{number}")) for number in range(4)]
    made = [count() for _ in players]
    got: list[list[tuple[object, ...]]] = [[] for _ in players]
    for number in order:
        got[number].append(play(players[number], next(made[number])))

    for each in got:
        assert each == alone(KeyedEngine(make(), faults), len(each))


def test_counts_and_misses_are_those_of_each_key_and_their_sum() -> None:
    root = replayer()
    engine = KeyedEngine(root)
    for key, wrong in (("a", 1), ("b", 2)):
        player = Player(WithHeader(engine, key))
        player.open()
        for _ in range(wrong):
            player.send("bitrateChange")
    own = {key: each.stats.counts for key, each in engine.engines().items() if isinstance(each, Replayer)}

    assert {key: (counts.hits, counts.misses) for key, counts in own.items()} == {"": (0, 0), "a": (1, 1), "b": (1, 2)}
    assert (root.counts().hits, root.counts().misses, root.counts().playbacks) == (2, 3, 2)
    assert [miss.reason for miss in root.summary().missed] == [Reason.NO_SUCH_EVENT] * 3


def test_events_without_a_key_belong_to_that_of_their_session() -> None:
    engine = KeyedEngine(replayer())
    player = Player(WithHeader(engine, "a"))
    player.open()
    player.engine = engine
    player.send("bitrateChange")

    assert player.answer.key == "a"
    counts = [each.stats.counts.misses for each in engine.engines().values() if isinstance(each, Replayer)]
    assert counts == [0, 1]


@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("owner", ["a", ""])
def test_an_event_of_another_keys_session_is_refused_as_that_of_none(owner: str, make: Callable[[], Engine]) -> None:
    engine = KeyedEngine(make())
    mine, theirs = Player(WithHeader(engine, owner) if owner else engine), Player(WithHeader(engine, "b"))
    theirs.sid = mine.open()

    assert theirs.send("play") == 404
    belongs = "the session belongs to the key 'a'" if owner else "the session belongs to calls without a key"
    assert (theirs.answer.note, theirs.answer.key) == (belongs, "b")
    assert belongs in str(theirs.told())
    assert mine.send("play") == 204


def test_a_recorded_session_id_belongs_to_every_key() -> None:
    engine = KeyedEngine(replayer())
    players = [Player(WithHeader(engine, key)) for key in "ab"] + [Player(engine)]
    for player in players:
        player.sid = "sid-0"

    assert [player.send("play") for player in reversed(players)] == [204, 204, 204]


def test_a_player_that_came_by_a_path_stays_below_it() -> None:
    engine = KeyedEngine(replayer())
    asked = request(start(), "/k/t-1/api/v1/sessions")
    location = engine.answer(asked, 0).response
    assert location
    path = location.header("Location") or ""
    assert path.startswith("/k/t-1/api/v1/sessions/")
    answer = engine.answer(request(event("play"), f"{path}/events"), 0)
    assert (answer.key, answer.outcome) == ("t-1", Outcome.HIT)


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_an_invalid_key_gets_one_clear_answer(method: str) -> None:
    answer = KeyedEngine(simulator()).answer(request(start(), "/k/a b/api/v1/sessions", method), 0)
    assert answer.response
    if method == "POST":
        assert answer.response.status == 400
        assert b"invalid key in the path: 'a b' is not one" in answer.response.content()
        assert answer.response.header("Access-Control-Allow-Origin") == "*"
    else:
        assert answer.response.status == 200  # or the page could not read the answer to its call


@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
def test_a_page_may_send_the_header(make: Callable[[], Engine]) -> None:
    asked = Request(
        method="OPTIONS",
        url=f"{HOST}/api/v1/sessions",
        headers=[("Access-Control-Request-Headers", "content-type,x-tapehead-key")],
    )
    response = KeyedEngine(make()).answer(asked, 0).response

    assert response
    assert response.header("Access-Control-Allow-Headers") == "Content-Type, X-Tapehead-Key"


def test_the_least_recently_used_key_goes_and_its_counts_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_engine, "MOST_KEYS", 2)
    root = replayer()
    engine = KeyedEngine(root)
    players = {key: Player(WithHeader(engine, key)) for key in "abc"}
    engine.add_fault(parse_fault("schema=500"), "b")
    for key in "abac":
        players[key].open()
    assert list(engine.engines()) == ["", "a", "c"]  # b was used before a
    assert engine.faults == ()
    assert root.counts().playbacks == 4
    # Its session goes on, and its sequence begins anew.
    assert players["b"].send("play") == 204
    assert players["b"].header("X-Line") == "2"


def test_a_key_that_is_used_again_stays_and_what_was_loaded_for_the_other_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_engine, "MOST_KEYS", 2)
    root = simulator()
    engine = KeyedEngine(root)
    players = {key: Player(WithHeader(engine, key)) for key in "abc"}
    players["a"].open()
    engine.replace(simulator(), "b")
    assert list(engine.engines()) == ["", "a", "b"]
    for key in "ac":
        players[key].open()

    assert list(engine.engines()) == ["", "a", "c"]
    assert engine.roots() == [root]


@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
def test_a_session_that_ended_under_one_key_has_not_ended_under_another(make: Callable[[], Engine]) -> None:
    engine = KeyedEngine(make(), [])
    one, other = (Player(WithHeader(engine, key)) for key in "ab")
    one.open()
    other.open()
    one.send("nonsense")
    assert one.send("sessionEnd", 8) in (204, 502)

    endpoints = [getattr(each, "_endpoint", None) for each in list(engine.engines().values())[1:]]
    other.send("ping", 0)
    assert len({id(each) for each in endpoints}) == len(endpoints) == 2
    assert len({id(each._sessions) for each in endpoints if each}) == 2


def test_sessions_of_all_keys_share_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapehead.replay.replayer.MOST_PLAYBACKS", 10)
    engine = KeyedEngine(replayer())
    for number in range(30):
        Player(WithHeader(engine, f"key-{number}")).open()

    kept = [len(each.playbacks()) for each in engine.engines().values() if isinstance(each, Replayer)]
    assert sum(kept) == 10
    assert kept[-10:] == [1] * 10


def test_a_fault_is_that_of_its_key_and_comes_before_those_of_all() -> None:
    engine = KeyedEngine(simulator(), [parse_fault("session=503")])
    added = engine.add_fault(parse_fault("session:1=410"), "a")
    a, b = (Player(WithHeader(engine, key)) for key in "ab")

    assert [(fault.number, fault.text, fault.key) for fault in engine.faults] == [
        (1, "session=503", None),
        (2, "session:1=410", "a"),
    ]
    assert [a.call(request(start())), a.call(request(start())), b.call(request(start()))] == [410, 503, 503]
    assert engine.remove_fault(1).text == "session=503"
    assert [a.call(request(start())), b.call(request(start()))] == [201, 201]
    assert engine.remove_fault(added.number) == added
    with pytest.raises(UsageError, match=r"no fault has the number 2; set are: none"):
        engine.remove_fault(2)
    assert engine.faults_injected == 3


def test_a_fault_counts_from_when_it_was_set() -> None:
    engine = KeyedEngine(simulator())
    player = Player(engine)
    player.open()
    assert player.send("ping") == 204
    engine.add_fault(parse_fault("event:ping:2=500"))
    assert [player.send("ping") for _ in range(3)] == [204, 500, 204]


@pytest.mark.parametrize(
    "text",
    ["session=500", "event:ping:3=410", "event:*:/5=cut", "event:20%=503+delay:800", "*:3+=drop", "event:2.5%=delay:7"],
)
def test_a_fault_is_shown_as_it_was_written(text: str) -> None:
    shown = KeyedEngine(simulator(), [parse_fault(text)]).faults[0].text
    assert parse_fault(shown) == parse_fault(text)


def test_a_key_begins_anew_and_the_sum_stays() -> None:
    root = replayer()
    engine = KeyedEngine(root)
    player, other = (Player(WithHeader(engine, key)) for key in "ab")
    lines = []
    for each in (player, other, player):
        each.open()
        each.send("play")
        lines.append(each.header("X-Line"))
    engine.reset("a")
    for each in (player, other):
        each.open()
        each.send("play")
        lines.append(each.header("X-Line"))

    assert lines[:3] == ["2", "2", lines[2]]
    assert lines[2] != "2"
    assert lines[3:] == ["2", lines[2]]
    assert root.counts().playbacks == 5


def test_nothing_stays_of_a_key_that_is_forgotten() -> None:
    root = replayer()
    engine = KeyedEngine(root)
    engine.replace(replayer(), "a")
    engine.add_fault(parse_fault("event:play=500"), "a")
    kept = engine.add_fault(parse_fault("event:play=500"), "b")
    engine.reset("a")
    assert len(engine.roots()) == 2
    engine.forget("a")

    assert engine.roots() == [root]
    assert engine.faults == (kept,)
    player = Player(WithHeader(engine, "a"))
    player.open()
    assert player.send("play") == 204


def test_an_engine_of_ones_own_answers_all_keys() -> None:
    class Own:
        def answer(self, asked: Request, _now: float) -> Answer:
            return Answer(reason=asked.url)

    answer = KeyedEngine(Own()).answer(request(b"", "/k/a/api/v1/sessions"), 0)
    assert answer == msgspec.structs.replace(Answer(reason=f"{HOST}/api/v1/sessions"), key="a")
