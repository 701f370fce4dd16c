"""A comparison with its sessions on disk says what one in memory says, and compares no equal sessions."""

import pickle
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.diff_variants import ACTS, Act, altered, play, with_act, without
from support.session_strategies import sessions
from support.sessions import BEGIN_MS, HOUR_MS, ad, run, visitor_of
from tapehead.auditor.results import SessionResult
from tapehead.comparison import compare
from tapehead.comparison.compare import compare_sessions, diff
from tapehead.comparison.differences import Diff, Scope, Verdict
from tapehead.comparison.late_metrics import LateMetrics, settle_metrics
from tapehead.comparison.session_digest import digest_of
from tapehead.comparison.session_pairing import Pair
from tapehead.protocol.exchange import Exchange
from tapehead.reports.diff.html_diff import render_html
from tapehead.reports.diff.json_diff import build_report
from tapehead.reports.diff.junit_diff import render_junit
from tapehead.reports.diff.sarif_diff import render_sarif
from tapehead.reports.diff.text_diff import render_text
from tapehead.reports.json_output import stream_json
from tapehead.reports.stored_objects import StoredObjects
from tapehead.reports.terminal_text import TextStyle

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
VARIANTS = [
    ACTS,
    without("sessionComplete"),
    without("ping", number=3),
    with_act(Act(70.5, "pauseStart"), Act(71, "play")),
    altered("adStart", ad(1) | {"media.ad.length": "5"}),
    altered("stateEnd", status=400),
    [*ACTS[:5], Act(4.5, "nonsense"), *ACTS[5:]],
]
# Sessions of one content by several viewers, on other days, in other versions; and those of any traffic.
PLAYED = st.builds(
    lambda acts, sid, hours, **params: play(acts, sid, BEGIN_MS + hours * HOUR_MS, **params),
    st.sampled_from(VARIANTS),
    st.sampled_from(["s1", "s2", "s3"]),
    st.integers(0, 60),
    id=st.sampled_from(["one", "two"]),
    sdkVersion=st.sampled_from(["1", "2"]),
)
RECORDINGS = st.lists(PLAYED | sessions("s4"), max_size=3).map(lambda parts: [e for part in parts for e in part])
SCOPES = st.builds(
    Scope, tolerance=st.sampled_from([0.0, 1.0]), ignore=st.sampled_from([(), (), ("media.*", "ping"), ("unknown",)])
)


def ignore_error(_error: OSError) -> None:
    """Take no notice."""


def new_store() -> StoredObjects:
    return StoredObjects(ignore_error, pickle)


def late(exchanges: Sequence[Exchange]) -> list[SessionResult]:
    """The audit with metrics that are calculated when they are needed."""
    return run(exchanges, measure=LateMetrics)


def reports_on(found: Diff, scope: Scope) -> Iterator[str]:
    """The reports on a diff whose sessions need no timelines."""
    yield render_text(found, TextStyle(80))
    yield "".join(stream_json(build_report(found, ["a"], ["b"], scope)))
    yield "".join(render_junit(found))
    yield "".join(render_sarif(found))


@FEW
@given(RECORDINGS, RECORDINGS, SCOPES)
def test_reports_are_the_same(base: Sequence[Exchange], new: Sequence[Exchange], scope: Scope) -> None:
    kept, matched, stored_matched = diff(run(base), run(new), scope), set[str](), set[str]()
    diff(run(base), run(new), Scope(ignore=scope.ignore, on_match=matched.add))
    diff(run(base), run(new), Scope(ignore=scope.ignore, on_match=stored_matched.add), new_store)
    bare, whole = (diff(late(base), late(new), scope, new_store, timelines=timelines) for timelines in (False, True))

    assert matched == stored_matched
    assert list(reports_on(kept, scope)) == list(reports_on(bare, scope)) == list(reports_on(whole, scope))
    assert "".join(render_html(kept, ["a"], ["b"])) == "".join(render_html(whole, ["a"], ["b"]))


@FEW
@given(PLAYED | sessions("s1"), PLAYED | sessions("s1"))
def test_sessions_of_one_digest_are_the_same_without_a_note(base: list[Exchange], new: list[Exchange]) -> None:
    digests: dict[bytes | None, list[Pair]] = {}
    for recorded in (base, new):
        for whole, each in zip(run(recorded), late(recorded), strict=True):
            settled, is_late = settle_metrics(each)
            digest = digest_of(settled, is_late=is_late)
            assert digest
            pairs = digests.setdefault(digest, [])
            pairs.append(Pair(pairs[0].base if pairs else whole, whole))
    for pair in (pair for pairs in digests.values() for pair in pairs):
        compared = compare_sessions(pair, Scope(tolerance=0))
        assert (compared.verdict, compared.notes) == (Verdict.SAME, ())


def test_sessions_of_other_days_and_viewers_have_one_digest_and_are_not_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compare, "compare_sessions", None)
    monkeypatch.setattr("tapehead.comparison.late_metrics.calculate", None)
    base, new = late(play()), late(play(ACTS, "other", BEGIN_MS + 30 * HOUR_MS))

    assert visitor_of("s1") != visitor_of("other")
    assert diff(base, new, None, new_store).count(Verdict.SAME) == 1
