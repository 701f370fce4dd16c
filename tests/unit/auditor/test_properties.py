"""Whatever comes: never an exception, and findings that do not depend on what else is in the recording."""

import random
from collections import defaultdict
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from support.session_strategies import FEW, record, rename, sessions, told
from support.sessions import Timeline, entries, mix, run
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.protocol.exchange import Exchange


def by_session(results: list[SessionResult]) -> dict[str | None, list[object]]:
    grouped = defaultdict(list)
    for result in results:
        grouped[result.id].append(told(result))
    return grouped


@FEW
@given(sessions("s1"))
def test_anything_can_be_audited(exchanges: list[Exchange]) -> None:
    for result in run(exchanges):
        assert msgspec.json.encode(result.report())


@FEW
@given(st.lists(sessions("s"), min_size=2, max_size=3), st.randoms(use_true_random=False))
def test_findings_do_not_depend_on_how_sessions_interleave(parts: list[list[Exchange]], chance: random.Random) -> None:
    named = [rename(exchanges, f"s{number}") for number, exchanges in enumerate(parts)]
    alone = [by_session(run(record(exchanges))) for exchanges in named]
    ranks = {sid: chance.random() for sid in (None, "s0", "s1", "s2")}
    together = by_session(run(record([exchange for part in named for exchange in part], ranks)))
    assert together == {sid: results for part in alone for sid, results in part.items()}


@FEW
@given(st.lists(sessions("s"), min_size=1, max_size=3), st.lists(st.integers(0, 40), max_size=3))
def test_splitting_a_recording_changes_nothing(parts: list[list[Exchange]], cuts: list[int]) -> None:
    named = [Timeline(sid="", exchanges=rename(exchanges, f"s{number}")) for number, exchanges in enumerate(parts)]
    exchanges = mix(*named)
    bounds = sorted({0, *(min(cut, len(exchanges)) for cut in cuts), len(exchanges)})
    files = [exchanges[start:end] for start, end in pairwise(bounds)]
    split = (entry for n, file in enumerate(files) for entry in entries(file, f"{n}.jsonl"))
    assert list(map(told, audit(split))) == list(map(told, run(exchanges)))
