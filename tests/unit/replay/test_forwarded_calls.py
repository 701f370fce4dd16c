"""Calls that a replay forwards and records are played by it, too."""

from secrets import token_bytes

import msgspec
import pytest

from support.exchanges import Player, Step, event, exchange, index_of, response, sent, session
from support.replay import SCHEMAS, STEPS, player_of, reasons_of, replay_summary, unused_lines
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.hosts import authority_of
from tapehead.protocol.messages import Response
from tapehead.protocol.routes import location_of
from tapehead.replay import forwarded_calls
from tapehead.replay.forwarded_calls import ForwardedCalls
from tapehead.replay.matching import Reason
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer

OLD = session("abc", STEPS)
NEW = session("live", STEPS, "clip-2", began=100)


class Run:
    """A replay that forwards, the calls that it stored, and a player of clip-2."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.calls = ForwardedCalls(0, self.warnings.append)
        engine = Replayer(
            index_of(OLD), SCHEMAS, random_bytes=token_bytes, on_miss=OnMiss.FORWARD, forwarded=self.calls
        )
        self.player = Player(engine, "clip-2")

    def store(self, exchanges: list[Exchange], size: int = 1000) -> None:
        for each in exchanges:
            self.calls.add(each, bytes(size))

    def is_played(self, at: float = 0) -> bool:
        """Whether a session of clip-2 is answered, and not forwarded."""
        self.player.open(at)
        return not self.player.answer.forward


@pytest.mark.parametrize(
    ("exchanges", "is_played"),
    [
        (NEW, True),
        (NEW[:-1], False),
        ([*NEW[:-1], sent("live", NEW[-1].request.json(), answered=500)], False),
        ([*NEW[:-1], sent("live", NEW[-1].request.json(), answered=None)], False),
        (NEW[1:], False),
        ([*NEW[1:], NEW[0]], False),
    ],
    ids=["whole", "still running", "end refused", "end unanswered", "without a start", "opened last"],
)
def test_a_session_is_played_once_its_end_was_accepted(exchanges: list[Exchange], is_played: bool) -> None:
    run = Run()
    run.store(exchanges)

    assert run.is_played() is is_played


def test_a_session_that_was_left_is_played_once_the_endpoint_has_closed_it() -> None:
    run = Run()
    run.store(NEW[:5])

    assert not run.is_played(at=0)
    assert not run.is_played(at=599)
    assert run.is_played(at=601)


def test_calls_that_were_answered_late_belong_to_the_session() -> None:
    run = Run()
    *others, late, end = NEW
    run.store([*others, end])
    run.player.call(OLD[0].request)
    run.store([late])

    assert run.is_played()
    assert run.player.play(STEPS) == [204] * len(STEPS)
    assert run.player.answer.note.startswith("line ")


def test_sessions_with_one_id_do_not_mix() -> None:
    run = Run()
    run.store([*NEW, *session("live", STEPS[:3], "clip-3", began=200)])

    assert run.is_played()
    assert run.player.play(STEPS) == [204] * len(STEPS)
    run.player.media = "clip-3"
    assert not run.is_played()


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarded_calls, "MOST_BYTES", 20_000)
    run = Run()
    run.store(NEW)
    assert run.is_played()

    run.store(session("live-3", STEPS, "clip-3", began=200))
    run.store(session("live-4", STEPS, "clip-4", began=300))
    for media in ("clip-3", "clip-4"):
        run.player.media = media
        assert not run.is_played()
    run.player.media = "clip-2"
    assert run.is_played()
    assert run.warnings == ["new sessions are still forwarded and recorded, but played only after a restart"]


@pytest.mark.parametrize("answer", [response(400), response(302, [("Location", location_of("live"))]), None])
def test_a_refused_start_is_forwarded_again(answer: Response | None) -> None:
    run = Run()
    run.store([exchange(NEW[0].request, answer), *NEW[1:]])

    assert not run.is_played()


def test_an_event_that_is_played_names_the_called_host_alone() -> None:
    elsewhere = "https://elsewhere.example"
    start, first, *rest = NEW
    start_there = msgspec.structs.replace(start.request, url=f"{elsewhere}{start.request.path}")
    answer = response(204, [("X-Next", "elsewhere.example:443/next")])
    run = Run()
    run.store([msgspec.structs.replace(start, request=start_there), exchange(first.request, answer), *rest])

    assert run.is_played()
    run.player.play(STEPS[:1])
    assert run.player.header("X-Next") == f"{authority_of(start.request.url)}/next"


def test_calls_that_this_run_recorded_are_not_unused() -> None:
    run = Run()
    run.calls.lines_before = len(OLD)
    run.store(NEW)
    assert run.is_played()

    assert unused_lines(run.player) == list(range(1, len(OLD) + 1))


# ---- Sessions that lack calls ----

LONGER: list[Step] = [*STEPS[:7], (35, 5, "bufferStart", {}), (36, 5, "play", {}), *STEPS[7:]]


def anew(*steps: Step, replaces: str | None = "abc", media: str = "clip-1") -> list[Exchange]:
    """A session of the endpoint that was recorded anew."""
    first, *rest = session("anew", steps, media, began=100)
    return [msgspec.structs.replace(first, replaces=replaces), *rest]


def outdated_lines(player: Player) -> list[int]:
    return [start.line for start in replay_summary(player).outdated]


@pytest.fixture
def missed() -> Run:
    """A run in which a player of clip-1 sent a call that its recorded session lacks."""
    run = Run()
    run.player.media = "clip-1"
    run.player.open()
    run.player.send("bufferStart", 5)
    assert not run.player.answer.forward
    return run


def test_the_next_player_of_a_session_that_lacks_calls_is_forwarded(missed: Run) -> None:
    assert outdated_lines(missed.player) == [1]
    missed.player.open()

    assert (missed.player.answer.forward, missed.player.answer.replaces) == (True, "abc")
    assert reasons_of(missed.player) == [Reason.NO_SUCH_EVENT, Reason.OUTDATED]
    missed.player.media = "clip-2"
    missed.player.open()
    assert (missed.player.answer.forward, missed.player.answer.replaces) == (True, None)


def test_a_session_recorded_anew_is_played_in_place_of_the_outdated(missed: Run) -> None:
    missed.calls.lines_before = len(OLD)
    missed.store(anew(*LONGER))
    for _ in range(3):
        assert missed.is_played()
        assert missed.player.play(LONGER) == [204] * len(LONGER)

    assert reasons_of(missed.player) == [Reason.NO_SUCH_EVENT]
    assert (unused_lines(missed.player), outdated_lines(missed.player)) == ([], [])


def test_a_player_of_the_outdated_session_may_go_on(missed: Run) -> None:
    sid = missed.player.sid
    missed.calls.lines_before = len(OLD)
    missed.store(anew(*LONGER))
    assert missed.is_played()
    missed.player.sid = sid
    missed.player.send("bufferStart", 5)

    assert len(reasons_of(missed.player)) == 2
    assert outdated_lines(missed.player) == []


@pytest.mark.parametrize(
    "stored",
    [
        anew(*LONGER[:-1]),
        [*anew(*LONGER[:-1]), sent("anew", event("sessionComplete", 55), 195, 400)],
        [*anew(*LONGER[:-1]), sent("anew", event("sessionComplete", 55), 195, None)],
        [
            msgspec.structs.replace(anew()[0], response=response(302, [("Location", location_of("anew"))])),
            *anew(*LONGER)[1:],
        ],
        anew(*LONGER, replaces="another"),
        anew(*LONGER, replaces=None),
        anew(*LONGER, media="clip-2"),
    ],
    ids=["running", "end refused", "end unanswered", "start refused", "another", "none", "another content"],
)
def test_an_outdated_session_stays_until_one_recorded_anew_is_whole(stored: list[Exchange]) -> None:
    player = player_of(*OLD, *stored, on_miss=OnMiss.FORWARD)

    player.open()
    assert player.answer.note.startswith("line 1 ")
    assert 1 not in unused_lines(player)


def test_only_the_session_that_lacks_calls_is_recorded_anew() -> None:
    other = session("abd", LONGER, began=50)
    player = player_of(*OLD, *other, on_miss=OnMiss.FORWARD)
    forwarded = []
    for _ in range(4):
        player.open()
        forwarded.append(player.answer.replaces)
        if not player.answer.forward:
            player.play(LONGER)

    assert forwarded == [None, None, "abc", None]


def test_the_next_run_plays_what_was_recorded_anew() -> None:
    player = player_of(*OLD, *anew(*LONGER))
    for _ in range(2):
        player.open()
        player.play(LONGER)

    summary = replay_summary(player)
    assert (summary.misses, summary.unused, summary.outdated) == (0, [], [])


@pytest.mark.parametrize("on_miss", [OnMiss.SIMULATE, OnMiss.ERROR])
def test_a_session_that_lacks_calls_is_played_again_where_nothing_is_forwarded(on_miss: OnMiss) -> None:
    player = player_of(*OLD, on_miss=on_miss)
    player.open()
    player.send("bufferStart", 5)
    player.open()

    assert (player.answer.note[:7], outdated_lines(player)) == ("line 1 ", [])


def test_what_is_played_names_the_called_host_alone() -> None:
    elsewhere = "https://elsewhere.example"
    headers = [("Location", f"{elsewhere}/api/v1/sessions/live"), ("X-Next", f"{elsewhere}/next")]
    run = Run()
    run.store([exchange(NEW[0].request, response(201, headers)), *NEW[1:]])

    assert run.is_played()
    assert run.player.answer.response
    assert "elsewhere" not in str(run.player.answer.response.headers)
