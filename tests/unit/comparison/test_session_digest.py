"""The digest of a session changes with everything that a comparison looks at."""

from typing import Any

import pytest
from msgspec import structs

from support.diff_variants import play
from support.sessions import BEGIN_MS, run
from tapehead.auditor.results import Outcome, SessionResult
from tapehead.comparison.session_digest import digest_of
from tapehead.protocol.routes import Call
from tapehead.protocol.session_machine import UNSURE, Step

(SESSION,) = run(play())
PLACE = 7


def with_step(step: Step) -> SessionResult:
    """The session with another step."""
    return structs.replace(SESSION, steps=(*SESSION.steps[:PLACE], step, *SESSION.steps[PLACE + 1 :]))


@pytest.mark.parametrize(
    "change",
    [
        {"type": "play"},
        {"other_type": "1"},
        {"ts": BEGIN_MS},
        {"playhead": 77},
        {"status": 200},
        {"params": {"a": 1}},
        {"quality": {"a": 1}},
        {"metadata": {"a": True}},
        {"call": Call.DOWNLOADED},
        {"in_array": True},
        {"saved": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_events_change_it(change: dict[str, Any]) -> None:
    step = SESSION.steps[PLACE]

    assert digest_of(with_step(structs.replace(step, event=structs.replace(step.event, **change)))) != digest_of(
        SESSION
    )


@pytest.mark.parametrize(
    "change",
    [{"findings": []}, {"metrics": {}}, {"outcome": Outcome.SILENT}, {"steps": SESSION.steps[:-1]}],
    ids=lambda change: next(iter(change)),
)
def test_what_the_audit_says_changes_it(change: dict[str, Any]) -> None:
    assert digest_of(structs.replace(SESSION, **change)) != digest_of(SESSION)


def test_the_phase_of_a_playback_changes_it() -> None:
    assert digest_of(with_step(structs.replace(SESSION.steps[PLACE], after=UNSURE))) != digest_of(SESSION)


def test_a_value_of_another_type_changes_it() -> None:
    step = SESSION.steps[PLACE]
    one, true = (
        with_step(structs.replace(step, event=structs.replace(step.event, params={"a": a}))) for a in (1, True)
    )

    assert digest_of(one) != digest_of(true)


def test_a_session_without_a_digest_has_none() -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    step = SESSION.steps[PLACE]

    assert digest_of(with_step(structs.replace(step, event=structs.replace(step.event, params={"a": deep})))) is None
