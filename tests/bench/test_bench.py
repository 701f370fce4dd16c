"""The benchmarks run in a very short form and give numbers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench import complexity, keys, live_memory, live_page, plugin_start, recording, replaying, serving, soak, sync_cost
from bench.complexity import Growth
from bench.load import Score
from fuzz import coverage_guided, large_inputs

pytestmark = pytest.mark.slow

SHORT = ["--requests", "200", "--pairs", "1", "--connections", "4"]


@pytest.mark.parametrize(
    "main", [serving.main, keys.main, recording.main, replaying.main, sync_cost.main], ids=lambda main: main.__module__
)
def test_a_benchmark_measures_all_of_its_contestants(
    main: Callable[[Sequence[str]], list[Score]], capsys: pytest.CaptureFixture[str]
) -> None:
    scores = main(SHORT)

    assert len(scores) >= 3
    assert all(score.rate > 0 and score.ratio > 0 and 0 < score.median <= score.slow for score in scores)
    assert scores[0].ratio == 1
    assert all(score.name in capsys.readouterr().out for score in scores[:1])


def test_a_call_without_a_key_costs_no_more() -> None:
    assert keys.search_share() < 0.1
    assert keys.keyed_ratio() < 1.2


def test_a_soak_loses_no_answer_and_leaves_nothing_open() -> None:
    soaked = soak.main(["--minutes", "0.15", "--players", "20", "--pace", "0.1", "--stretches", "3"])

    assert soaked.code == 0
    assert soaked.recorded == soaked.answered > 200
    assert soaked.after <= soaked.before + 2
    assert soaked.samples[-1].memory < soaked.samples[0].memory + 50


def test_the_live_page_is_measured() -> None:
    measured = live_page.main(["--sessions", "5", "--events", "4", "--seconds", "0.5", "--calls", "3"])

    assert 0 <= measured.seen <= measured.seen_at_worst
    assert measured.opened > 0


def test_a_page_that_is_kept_open_does_not_grow() -> None:
    first, *_, last = live_memory.main(["--calls", "2000", "--rate", "200", "--sessions", "10", "--samples", "4"])

    # The audit gives way to other processes, and then leaves out calls.
    assert 10 <= first.calls <= last.calls <= 2010
    assert last.page < first.page + 20
    assert last.nodes < first.nodes + 5_000
    assert last.listeners < first.listeners + 100


def test_the_plugin_costs_a_run_without_it_next_to_nothing() -> None:
    measured = plugin_start.main(["--runs", "3"])

    assert 0 < measured.unused_ratio < 0.2
    assert measured.ready > measured.unused


def test_growth_is_measured_for_every_shape() -> None:
    grown = complexity.main(["--scale", "0.01", "--tries", "1"])

    names = {each.name.partition(":")[0] for each in grown}
    assert names == {*large_inputs.BODIES, *large_inputs.PACKED, *large_inputs.RECORDINGS}
    assert all(len(each.factors) == len(each.sizes) - 1 >= 2 for each in grown)


def test_what_grows_with_the_square_is_told_from_noise() -> None:
    sizes = (1, 2, 4, 8)
    assert Growth("the square", sizes, (1, 4, 16, 64)).grows
    assert not Growth("in a line", sizes, (1, 2, 4, 8)).grows
    assert not Growth("once in a while", sizes, (1, 4, 5, 16)).grows
    assert Growth("steps of five", (1, 5, 25), (1, 25, 625)).factors == pytest.approx([4, 4])


def test_guided_fuzzing_runs_each_target_and_tells_how_far_it_came(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="fuzzing that is guided by coverage is for `pip install -e .[fuzz]`")
    (outcome,) = coverage_guided.main(["--minutes", "0.05", "--targets", "argument", "--folder", str(tmp_path)])

    assert outcome.runs > 100
    assert outcome.edges[0] > 100
    assert outcome.findings == ()
