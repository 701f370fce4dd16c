"""Checks that are not sent all steps find what they would find if they were."""

from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.paths import DATA, RECORDINGS_FOLDER
from support.session_strategies import FEW, record, rename, sessions, told
from support.sessions import Timeline, entries, mix
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.session_machine import Step
from tapehead.rules.session_checks import CheckPlan
from tapehead.rules.support.session_check import Feed
from tapehead.rules.support.steady_pings import SteadyPings

RECORDED = sorted([*RECORDINGS_FOLDER.glob("*.jsonl"), *DATA.glob("sdk_sessions/*.jsonl.zst")])


def all_places(plan: CheckPlan, step: Step, *, played: bool) -> tuple[int, ...]:
    """The checks that are sent a step if types alone decide."""
    assert isinstance(played, bool)
    return tuple(
        place
        for place in plan.feeds[Feed.STEPS]
        if not (check := plan.checks[place]).types
        or check.values
        or step.event.type in check.types
        or (step.violations and check.violations)
    )


def audit_in_full(told_entries: Iterable[Entry]) -> list[SessionResult]:
    with patch.object(CheckPlan, "for_step", all_places), patch.object(SteadyPings, "add", lambda _row, _step: False):
        return list(audit(told_entries))


@FEW
@given(st.lists(sessions("s"), min_size=1, max_size=3))
def test_of_any_sessions_the_findings_are_the_same(parts: list[list[Exchange]]) -> None:
    named = [Timeline(sid="", exchanges=record(rename(part, f"s{number}"))) for number, part in enumerate(parts)]
    together = mix(*named)
    assert list(map(told, audit(entries(together)))) == list(map(told, audit_in_full(entries(together))))


@pytest.mark.parametrize("path", RECORDED, ids=[path.name for path in RECORDED])
def test_of_recordings_the_findings_are_the_same(path: Path) -> None:
    read = list(read_recordings([path], warn=lambda _: None))
    results = list(audit(read))
    assert list(map(told, results)) == list(map(told, audit_in_full(read)))
    assert results


def test_pings_of_playing_content_go_to_fewer_checks() -> None:
    sent: list[tuple[str | None, int]] = []
    plain = CheckPlan.for_step

    def counted(plan: CheckPlan, step: Step, *, played: bool) -> tuple[int, ...]:
        places = plain(plan, step, played=played)
        sent.append((step.event.type, len(places)))
        return places

    timeline = Timeline().start().at(1, "play").pings(11, 101)
    with patch.object(CheckPlan, "for_step", counted):
        list(audit(entries(timeline.exchanges)))
    plays, pings = (max(count for event_type, count in sent if event_type == named) for named in ("play", "ping"))
    assert pings < plays - 5
