"""The benchmarks run in a very short form and give numbers."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from bench import (
    batch,
    complexity,
    keys,
    live_memory,
    live_page,
    plugin_start,
    recording,
    replaying,
    serving,
    shipping,
    soak,
    start_up,
    sync_cost,
)
from bench.__main__ import main as bench_main
from bench.complexity import Growth
from bench.table import Row, markdown
from fuzz import coverage_guided, large_inputs
from support.tools import cached_tool, require

pytestmark = pytest.mark.slow


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("measured", [keys, shipping, sync_cost], ids=lambda module: module.__name__)
def test_a_benchmark_measures_all_of_its_contestants(measured: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    require("wrk")
    rows = measured.main(["--quick"])

    assert len(rows) >= 3
    assert_measured(rows, capsys.readouterr().out)


@pytest.mark.timeout(1200)
def test_all_peers_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for program in ("wrk", "java", "node"):
        require(program)
    cached_tool("node_modules/wiremock/package.json")
    cached_tool("node_modules/talkback/package.json")
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- python -m bench -->\nold\n<!-- end -->\nBehind.\n")
    rows = bench_main(["--quick", "--into", str(page)])

    assert [(row.what, row.peer) for row in rows if row.load == "ping, 4 connections"] == [
        *recording.LINES,
        *replaying.LINES,
        *serving.LINES,
    ]
    assert len([row for row in rows if row.load == "1,000 exchanges"]) >= len(batch.FORMATS) + 6
    assert_measured(rows, capsys.readouterr().out)
    assert page.read_text() == f"Before.\n<!-- python -m bench -->\n{markdown(rows)}\n<!-- end -->\nBehind.\n"


def test_a_page_without_a_place_for_the_table_is_refused_before_measuring(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- end -->\n")

    with pytest.raises(SystemExit, match="has no place for a table"):
        bench_main(["--into", str(page)])
    assert page.read_text() == "<!-- end -->\n"


def assert_measured(rows: Sequence[Row], printed: str) -> None:
    for row in rows:
        assert all(cell in printed for cell in row.cells())
        assert min(row.ratios()) > 0
        if row.unit == "requests/s":
            assert all(0 < each.median <= each.slow for each in (*row.ours, *row.theirs))
    # The system counts hundredths of a second, which a few calls may not take.
    assert any(each.cpu > 0 for row in rows for each in row.ours)


def test_the_cost_of_keys_is_measured() -> None:
    assert 0 < keys.search_share() < 1
    assert keys.keyed_ratio() > 0


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


def test_the_start_of_each_command_is_measured_next_to_bare_python(capsys: pytest.CaptureFixture[str]) -> None:
    scores = start_up.main(["--runs", "1"])

    assert [score.name for score in scores] == [each.name for each in start_up.CONTESTANTS]
    assert scores[0].ratio == 1
    assert all(score.elapsed > 0 and score.cpu > 0 for score in scores)
    assert all(score.name in capsys.readouterr().out for score in scores[:1])


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
