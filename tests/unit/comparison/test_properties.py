"""Any traffic can be compared: nothing differs from itself, and both directions agree."""

from functools import partial

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.diff_variants import ACTS, Act, compare, play
from support.processor_time import least_processor_seconds
from support.session_strategies import sessions
from support.sessions import BEGIN_MS, run
from tapehead.comparison.compare import diff
from tapehead.comparison.differences import Scope
from tapehead.protocol.exchange import Exchange
from tapehead.reports.diff.html_diff import render_html
from tapehead.reports.diff.json_diff import build_report
from tapehead.reports.diff.text_diff import render_text
from tapehead.reports.json_output import stream_json
from tapehead.reports.terminal_text import TextStyle

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
RECORDINGS = st.lists(sessions("s1") | sessions("s2"), max_size=3).map(
    lambda parts: [e for part in parts for e in part]
)
SCOPES = st.builds(
    Scope, tolerance=st.sampled_from([0.0, 1.0, 100.0]), ignore=st.sampled_from([(), ("media.*",), ("*",)])
)
# Acts that a player may well do: near misses, so that timelines differ by little.
PLAYED = st.lists(
    st.builds(
        Act,
        st.floats(0, 90, allow_nan=False).map(lambda second: round(second, 1)),
        st.sampled_from(["play", "pauseStart", "ping", "chapterStart", "chapterComplete", "stateStart", "stateEnd"]),
        st.none(),
        st.just({}),
    ),
    max_size=4,
).map(lambda acts: play(sorted([*ACTS, *acts], key=lambda act: act.second)))


@FEW
@given(RECORDINGS, SCOPES)
def test_nothing_differs_from_itself(exchanges: list[Exchange], scope: Scope) -> None:
    assert diff(run(exchanges), run(exchanges), scope).same


@FEW
@given(RECORDINGS, RECORDINGS, SCOPES)
def test_both_directions_agree_and_every_format_can_be_rendered(
    base: list[Exchange], new: list[Exchange], scope: Scope
) -> None:
    there, back = diff(run(base), run(new), scope), diff(run(new), run(base), scope)

    assert there.same is back.same
    assert orjson.loads("".join(stream_json(build_report(there, ["a"], ["b"], scope))))["same"] is there.same
    assert render_text(there, TextStyle())
    assert "".join(render_html(there, ["a"], ["b"])).endswith("</html>\n")


@FEW
@given(PLAYED, PLAYED)
def test_players_that_do_almost_the_same_agree_in_both_directions(base: list[Exchange], new: list[Exchange]) -> None:
    assert compare(base, new).same is compare(new, base).same


@FEW
@given(PLAYED, st.integers(0, 10**9))
def test_another_day_makes_no_difference(exchanges: list[Exchange], later: int) -> None:
    moved = [act for act in ACTS if act.second != 58]

    assert compare(play(moved), play(moved, "other", BEGIN_MS + later)).same
    assert compare(exchanges, exchanges).same


def test_long_timelines_take_time_in_proportion_to_their_length() -> None:
    kinds = ["play", "pauseStart", "bufferStart"]
    took = []
    for length in (1500, 6000):
        base = [Act(number, kinds[number % 3]) for number in range(length)]
        new = [act for number, act in enumerate(base) if number % 100]
        one, other = run(play(base)), run(play(new))
        assert not diff(one, other).same
        took.append(least_processor_seconds(partial(diff, one, other)))

    # Four times the length; sixteen times the time would be its square.
    assert took[1] < 8 * took[0] + 0.05, took
