"""Baselines: what makes a finding the same in another run, the file, and what is new against it."""

import json
from collections import Counter
from typing import Any

import pytest

from support import reports
from support.sessions import make_exchange
from tapehead.protocol.routes import Call
from tapehead.reports.audit.baseline import count_known, mark_new, parse_baseline, render_baseline
from tapehead.reports.audit.html_report import Detail, render_html
from tapehead.reports.audit.json_report import Report, fails, locate_findings
from tapehead.reports.audit.junit import render_junit
from tapehead.reports.audit.text_report import render_text
from tapehead.reports.terminal_text import TextStyle

AD = {"media.ad.id": "ad-1", "media.ad.length": 5, "media.ad.podPosition": 1, "media.ad.playerName": "web-player"}


def playing(sid: str, *more: reports.Body, began: float = 0, **params: Any) -> Any:
    """A session of 40 s with a sound break at its begin, and some more events."""
    start = reports.START | {f"media.{key}": value for key, value in params.items()}
    events = [
        reports.event(0, "sessionStart", 0, start),
        reports.event(1, "adBreakStart", 0, {"media.ad.podIndex": 1, "media.ad.podSecond": 0}),
        reports.event(1.1, "adStart", 0, AD),
        reports.event(6.1, "adComplete", 0),
        reports.event(6.2, "adBreakComplete", 0),
        reports.event(7, "play", 0),
        *more,
        reports.event(40, "sessionEnd", 33),
    ]
    return reports.session(sid, sorted(events, key=lambda body: body["playerTime"]["ts"]), began=began)


def odd(at: float, event_type: str = "play", params: dict[str, Any] | None = None) -> reports.Body:
    """An event with an undocumented parameter."""
    return reports.event(at, event_type, at - 7, (params or {}) | {"odd": 1})


def new_in(base: Report, report: Report) -> list[tuple[str, str]]:
    """The rules and events that are new in a report against the baseline of another."""
    mark_new(report, parse_baseline(render_baseline(count_known(base))))
    return [
        (each.finding["rule"], each.finding["event"]["type"])
        for each in locate_findings(report)
        if each.finding["new"] and each.finding["rule"] == "unknown-parameter"
    ]


def test_another_run_of_the_same_mistake_is_known() -> None:
    """Other ids, times, lines and recordings; other plays before it."""
    base = reports.report_of(playing("one", odd(17)))
    other = reports.report_of(playing("two", reports.event(12, "play", 5), odd(21), began=5000))

    assert new_in(base, other) == []
    assert other["baseline"]["known"] == len(list(locate_findings(base))) > 0


@pytest.mark.parametrize("params", [{"id": "clip-2"}, {"playerName": "tv"}])
def test_another_content_or_player_is_new(params: dict[str, Any]) -> None:
    base = reports.report_of(playing("one", odd(17)))

    assert new_in(base, reports.report_of(playing("two", odd(17), **params))) == [("unknown-parameter", "play")]


def test_another_event_type_path_or_rule_is_new() -> None:
    base = reports.report_of(playing("one", odd(17)))

    assert new_in(base, reports.report_of(playing("two", odd(17, "pauseStart")))) == [
        ("unknown-parameter", "pauseStart")
    ]
    other_key = reports.event(17, "play", 10, {"other": 1})
    assert new_in(base, reports.report_of(playing("two", other_key))) == [("unknown-parameter", "play")]


def test_one_more_of_the_same_is_new_and_the_last_one_by_time() -> None:
    base = reports.report_of(playing("one", odd(17)))
    report = reports.report_of(playing("late", odd(17), odd(27), began=600), playing("early", odd(17)))

    assert new_in(base, report) == [("unknown-parameter", "play")] * 2
    assert {each.session["id"] for each in locate_findings(report) if each.finding["new"]} >= {"late"}
    assert all(
        not each.finding["new"]
        for each in locate_findings(report)
        if each.session["id"] == "early" and each.finding["rule"] == "unknown-parameter"
    )


def test_another_ad_of_the_session_is_new() -> None:
    """Ads have places in the content, unlike plays and pings: the second one is not the first."""

    def breaks(first: dict[str, Any], second: dict[str, Any]) -> Report:
        more = [
            reports.event(20, "adBreakStart", 13, {"media.ad.podIndex": 2, "media.ad.podSecond": 13} | first),
            reports.event(20.1, "adBreakComplete", 13),
            reports.event(25, "adBreakStart", 18, {"media.ad.podIndex": 3, "media.ad.podSecond": 18} | second),
            reports.event(25.1, "adBreakComplete", 18),
        ]
        return reports.report_of(playing("s", *more))

    assert new_in(breaks({"odd": 1}, {}), breaks({"odd": 1}, {})) == []
    assert new_in(breaks({"odd": 1}, {}), breaks({}, {"odd": 1})) == [("unknown-parameter", "adBreakStart")]


def test_the_place_in_an_array_does_not_matter() -> None:
    """A downloaded session, which comes as one array: the same mistake one element later."""

    def downloaded(*events: reports.Body) -> Report:
        start = reports.event(0, "sessionStart", 0, reports.START | {"media.downloaded": True})
        bodies = [start, *events, reports.event(40, "sessionEnd", 33)]
        return reports.report_of([make_exchange("/api/v1/downloaded", bodies, call=Call.DOWNLOADED, status=201)])

    base = downloaded(odd(17))
    assert any(each.finding["path"] == "[1].params.odd" for each in locate_findings(base))
    assert new_in(base, downloaded(reports.event(12, "play", 5), odd(21))) == []


def test_a_line_of_the_file_is_one_identity_sorted() -> None:
    report = reports.report_of(playing("one", odd(17), odd(27), odd(30, "pauseStart")))
    known = count_known(report)
    lines = render_baseline(known).splitlines()

    rows = [json.loads(line.strip().rstrip(",")) for line in lines if '"rule"' in line]
    assert lines[:3] == ["{", '  "tapehead_baseline": 1,', '  "findings": [']
    assert {
        "rule": "unknown-parameter",
        "content": "clip-1",
        "player": "web-player",
        "event": "play",
        "path": "params.odd",
        "count": 2,
    } in rows
    assert rows == sorted(rows, key=lambda row: [str(value) for value in row.values()])
    assert parse_baseline(render_baseline(known)) == known
    assert parse_baseline(render_baseline({})) == Counter()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Input data was truncated"),
        ("[]", "Expected `object`, got `array`"),
        ('{"tapehead_baseline": 2, "findings": []}', "format 2 is newer than this tapehead reads"),
        ('{"tapehead_baseline": 1, "findings": [{"rule": "x", "content": "", "player": "", "count": 0}]}', ">= 1"),
        ('{"tapehead_baseline": 1, "findings": [{"rule": "x", "content": "", "player": "", "odd": 1}]}', "`odd`"),
    ],
)
def test_what_is_no_baseline_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_baseline(text)


def test_known_findings_fail_nothing_and_are_told_apart() -> None:
    report = reports.report_of(reports.faulty("faulty-session"))
    known = count_known(report)
    identity = next(identity for identity in known if identity.rule == "ad-outside-break")
    mark_new(report, Counter(known) - Counter({identity: 1}))

    assert [each.finding["rule"] for each in locate_findings(report) if fails(each.finding, "error")] == [
        "ad-outside-break"
    ]
    left = known.total() - 1
    assert report["baseline"] == {"new_errors": 1, "new_warnings": 0, "new_infos": 0, "known": left, "gone": 0}
    text = "".join(render_text(report, TextStyle(120)))
    assert "error ad-outside-break  1 place, 1 new" in text
    assert "wrong-type" not in text
    assert f"against the baseline: 1 new error, 0 new warnings, 0 new infos; {left} known, 0 gone" in text
    assert "faulty-s  known\n" in "".join(render_text(report, TextStyle(120, verbose=True)))
    junit = "".join(render_junit(report, "error"))
    assert 'type="ad-outside-break"' in junit
    assert "known error wrong-type" in junit
    page = "".join(render_html(report, [Detail()]))
    assert page.count('<span class="badge">new</span>') == 1
    assert page.count('<span class="badge">known</span>') == left
    assert 'data-baseline="new known"' in page


def test_what_is_not_found_any_more_is_gone() -> None:
    base = reports.report_of(reports.faulty("faulty-session"))
    report = reports.report_of(playing("one"))
    mark_new(report, count_known(base))

    assert (report["baseline"]["known"], report["baseline"]["gone"]) == (0, len(list(locate_findings(base))))
