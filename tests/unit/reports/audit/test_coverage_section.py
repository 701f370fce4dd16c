"""The coverage report as text and as plain objects, for any traffic."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.coverage import EXPECTS, cover, items, of
from support.session_strategies import FEW, rename, sessions
from support.sessions import Timeline, run
from tapehead.auditor.coverage import CoverageReport
from tapehead.auditor.settings import read_settings
from tapehead.protocol.exchange import Exchange
from tapehead.reports.audit.coverage_section import render_coverage
from tapehead.reports.terminal_text import TextStyle
from tapehead.rules.catalog import RULES
from unit.auditor.test_sdk_captures import CAPTURES, load_capture

# ---- The forms ----


def test_the_plain_objects_have_the_same_content() -> None:
    report = of(Timeline().row("play", "adStart", "sessionEnd"))
    plain = report.report()
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(plain)), CoverageReport) == report
    kinds = {kind["kind"]: kind for kind in plain["kinds"]}
    play = kinds["event types"]["groups"][0]["items"][1]
    assert (play["name"], play["count"], play["first"]) == ("play", 1, {"recording": "recording.jsonl", "line": 2})
    assert [move["rule"] for move in kinds["moves"]["beyond"]] == ["ad-left-open", "ad-outside-break"]
    assert kinds["metadata keys"]["percent"] is None


def test_text_has_totals_items_never_sent_and_items_beyond_the_plan() -> None:
    text = render_coverage(of(Timeline().row("play", "adStart", "sessionEnd")), TextStyle(80))
    lines = text.splitlines()
    assert lines[0].startswith("coverage of the documented API: ")
    assert lines[0].endswith(" %")
    assert lines[1] == "event types     4 of 20    20 %  ████░░░░░░░░░░░░░░░░"
    assert "metadata keys         -          none planned, 0 sent" in lines
    assert "    playback  starting: pauseStart, bufferStart; playing: play, pauseStart," in lines
    assert "    ad_break" not in text
    assert "closed + adStart  ad-outside-break  1  recording.jsonl:3" in text


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("verbose", [False, True])
def test_text_fits_its_columns(width: int, *, verbose: bool) -> None:
    results = [result for path in CAPTURES for result in run(load_capture(path))]
    text = render_coverage(cover(results), TextStyle(width, verbose=verbose))
    assert max(map(len, text.splitlines())) <= width


def test_text_escapes_control_characters_and_markup() -> None:
    evil = {"\x1b[2J": 1, "[red]": 1, "x" * 150: 1, "\n": 1}
    text = render_coverage(of(Timeline().start().at(1, "\x07[bold]", evil)), TextStyle(200))
    assert "\x1b" not in text
    assert "\N{REPLACEMENT CHARACTER}[2J" in text
    assert "[red]" in text
    assert "\N{REPLACEMENT CHARACTER}[bold]" in text
    assert "x" * 57 + "..." in text


def test_text_shows_few_beyond_the_plan_unless_asked() -> None:
    report = of(Timeline().start().at(1, "play", {f"p{n:02}": 1 for n in range(30)}))
    assert "and 20 more parameters; -v shows all" in render_coverage(report, TextStyle(80))
    assert "p29" not in render_coverage(report, TextStyle(80))
    assert "p29" in render_coverage(report, TextStyle(80, verbose=True))


def test_everything_covered_leaves_nothing_never_exercised() -> None:
    settings = read_settings({"metadata": {"sessionStart": []}})
    text = render_coverage(of(Timeline().start(), settings=settings), TextStyle(80, colour=True))
    assert "never exercised" not in text
    assert "100 %" in text


# ---- Whatever comes ----


@FEW
@given(sessions("s1"))
def test_anything_can_be_covered(exchanges: list[Exchange]) -> None:
    for settings in (None, read_settings(EXPECTS)):
        report = cover(run(exchanges), settings)
        assert msgspec.json.encode(report.report())
        assert render_coverage(report, TextStyle(80, verbose=True))
        assert all(0 <= kind.exercised <= kind.planned for kind in report.kinds)
        assert all(item.rule in {*RULES, ""} for item in items(report).values())


@FEW
@given(st.lists(sessions("s"), min_size=2, max_size=3), st.randoms(use_true_random=False))
def test_the_coverage_of_a_union_is_the_union(parts: list[list[Exchange]], chance: Any) -> None:
    results = [run(rename(exchanges, f"s{number}")) for number, exchanges in enumerate(parts)]
    together = [result for each in results for result in each]
    chance.shuffle(together)
    alone = [items(cover(each)) for each in results]
    union = items(cover(together))
    assert set(union) == {key for each in alone for key in each}
    for key, item in union.items():
        found = [each[key] for each in alone if key in each]
        assert item.count == sum(each.count for each in found)
        assert item.first in [each.first for each in found]
