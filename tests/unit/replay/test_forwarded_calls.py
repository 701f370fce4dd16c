"""Calls that a replay forwards and records are played by it, too."""

from secrets import token_bytes

import pytest

from support.exchanges import Player, exchange, index_of, response, sent, session
from support.replay import SCHEMAS, STEPS
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Response
from tapehead.protocol.routes import location_of
from tapehead.replay import forwarded_calls
from tapehead.replay.forwarded_calls import ForwardedCalls
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
            self.calls.add(each, size)

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


def test_what_is_played_names_the_called_host_alone() -> None:
    elsewhere = "https://elsewhere.example"
    headers = [("Location", f"{elsewhere}/api/v1/sessions/live"), ("X-Next", f"{elsewhere}/next")]
    run = Run()
    run.store([exchange(NEW[0].request, response(201, headers)), *NEW[1:]])

    assert run.is_played()
    assert run.player.answer.response
    assert "elsewhere" not in str(run.player.answer.response.headers)
