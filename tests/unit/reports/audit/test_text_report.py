"""The report for a terminal: order, width, colour, and the details that need -v."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from support import reports
from tapehead.metrics.metric_values import value_of
from tapehead.reports.audit.text_report import render_text
from tapehead.reports.report_wording import clock, moment, number, short_id, totals_of
from tapehead.reports.rule_text import render_rule, render_rules
from tapehead.reports.terminal_text import TextStyle
from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import Rule

NARROW = TextStyle(80)
REPORT = reports.report_of(reports.faulty("faulty-session"), reports.documented(1, "documented-1"))


def test_it_ends_with_the_totals() -> None:
    assert "".join(render_text(REPORT, NARROW)).splitlines()[-1] == totals_of(REPORT["summary"])
    assert re.fullmatch(r"2 sessions, 44 events: \d errors, \d warnings, \d infos?", totals_of(REPORT["summary"]))


def test_a_session_has_a_row_with_its_counts() -> None:
    counts = [str(REPORT["summary"][f"{severity}s"]) for severity in ("error", "warning", "info")]
    (row,) = (line for line in "".join(render_text(REPORT, TextStyle(120))).splitlines() if line.startswith("faulty-s"))

    assert row.split() == ["faulty-s", reports.SCRIPT, "web-player", "ended", "17", *counts]


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_is_wider_than_the_screen(width: int, verbose: bool) -> None:
    text = "".join(render_text(REPORT, TextStyle(width, verbose=verbose)))

    assert max(map(len, text.splitlines())) <= width


def test_colour_comes_only_where_it_is_wanted() -> None:
    plain, coloured = ("".join(render_text(REPORT, TextStyle(80, colour=colour))) for colour in (False, True))

    assert "\x1b" not in plain
    assert "\x1b[31m" in coloured
    assert [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()] == plain.splitlines()


def test_the_worst_rules_come_first() -> None:
    graded = [
        line.split()[0]
        for line in "".join(render_text(REPORT, NARROW)).splitlines()
        if re.match(r"(error|warning) ", line)
    ]

    assert graded == sorted(graded)


def test_a_rule_shows_its_first_places_and_verbose_all_of_them() -> None:
    plays = [reports.event(0, "sessionStart", 0, reports.START)]
    plays += [reports.event(1 + 10 * n, "play", 10 * n, {"odd": 1}) for n in range(5)]
    report = reports.report_of(reports.session("s", plays))

    assert "  and 2 more; -v shows all" in "".join(render_text(report, NARROW))
    assert "".join(render_text(report, TextStyle(80, verbose=True))).count("params.odd is not documented") == 5


def test_a_place_names_recording_line_and_session() -> None:
    text = "".join(render_text(reports.report_of(reports.faulty("faulty-session")), NARROW))

    assert "  recording.jsonl:2  faulty-s\n    adStart: no break is open" in text


def test_metrics_come_with_verbose() -> None:
    assert "content_time_spent" not in "".join(render_text(REPORT, NARROW))
    assert re.search(r"content_time_spent +45 s", "".join(render_text(REPORT, TextStyle(80, verbose=True))))


def test_markup_in_values_is_text() -> None:
    start = reports.START | {"media.name": "[red]hot[/red] :smile:"}

    assert "[red]hot[/red] :smile:" in "".join(
        render_text(
            reports.report_of(reports.session("s", [reports.event(0, "sessionStart", 0, start)])), TextStyle(120)
        )
    )


def test_control_characters_do_not_reach_the_terminal() -> None:
    start = reports.START | {"media.name": "\x1b[2J\x07wiped"}

    assert not re.search(
        r"[\x00-\x09\x0b-\x1f\x7f]",
        "".join(
            render_text(
                reports.report_of(reports.session("s", [reports.event(0, "sessionStart", 0, start)])), TextStyle(120)
            )
        ),
    )


def test_the_catalogue_lists_every_rule() -> None:
    text = render_rules(NARROW)

    assert max(map(len, text.splitlines())) <= 80
    assert [line.split()[0] for line in text.splitlines()[1:] if line[0] != " "] == list(RULES)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_an_explanation_has_reason_and_fix(rule: Rule) -> None:
    entry = rule
    text = " ".join(render_rule(entry, NARROW).split())

    for said in (entry.id, entry.severity, entry.when, entry.why, entry.fix, entry.bad, entry.good, entry.source):
        assert " ".join(said.split()) in text


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (7.9, "0:07"), (3723, "1:02:03"), (-5, "-0:05"), (None, "")]
)
def test_clock(seconds: float | None, shown: str) -> None:
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00.0"), (7.46, "0:07.5"), (59.96, "1:00.0"), (1e12, "1000000000000 s")]
)
def test_moment(seconds: float, shown: str) -> None:
    assert moment(seconds) == shown


@pytest.mark.parametrize(("value", "shown"), [(45.0, "45"), (44.999, "44.999"), (3600, "3,600"), (0.0, "0")])
def test_number(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (1, "flag", "yes"),
        (0, "flag", "no"),
        (None, "seconds", "-"),
        ([], "texts", "-"),
        (["a", "b"], "texts", "a, b"),
        (0.74581234, "fraction", "0.7458123"),
        (3.2, "kilobits per second", "3.2 kbit/s"),
        ("[0-5]", "text", "[0-5]"),
        (0.0001157407407, "fraction", "0.0001157407"),
        (12.5, "seconds", "13 s"),
        (12.499, "seconds", "12 s"),
        (86_400.2, "seconds", "86,400 s"),
    ],
)
def test_a_metric_is_shown_with_its_unit(value: object, unit: str, shown: str) -> None:
    assert value_of(value, unit) == shown


@pytest.mark.parametrize(("sid", "shown"), [(None, "(none)"), ("s1", "s1"), ("0123456789abcdef", "01234567")])
def test_an_id_is_cut_to_its_beginning(sid: str | None, shown: str) -> None:
    assert short_id(sid) == shown


class Alive:
    """The number of sessions in memory, and the most that there were."""

    now = most = 0


class Session(dict[str, Any]):
    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        Alive.now += 1
        Alive.most = max(Alive.most, Alive.now)

    def __del__(self) -> None:
        Alive.now -= 1


class Sessions(Sequence[Any]):
    """Many sessions, each made when it is read."""

    def __len__(self) -> int:
        return 300

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[each] for each in range(300)[place]]
        return Session(REPORT["sessions"][range(300)[place] % 2])


def test_few_sessions_are_in_memory_at_once() -> None:
    sessions = Sessions()
    shown = "".join(render_text(REPORT | {"sessions": sessions}, TextStyle(160, verbose=True)))
    assert shown.count("web-player") >= len(sessions) / 2
    assert Alive.most < 50
