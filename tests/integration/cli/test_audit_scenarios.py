"""tapehead audit --scenario: names, exit codes, and the checklists in each report."""

from pathlib import Path

import jsonschema_rs
import orjson
import pytest

from support import reports
from support.sessions import make_exchange
from tapehead.auditor.scenario_catalog import SCENARIOS
from tapehead.cli.app import run
from tapehead.protocol.routes import Call
from tapehead.reports.audit.json_report import report_schema


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """The first documented timeline: three ads, content to its end, and no chapter."""
    return reports.write(tmp_path / "one.jsonl", reports.documented(1, "documented-1"))


def audited(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = run(["audit", *map(str, arguments)])
    return code, capsys.readouterr().out


def test_the_list_needs_no_recording(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = audited(capsys, "--scenario", "list")

    assert code == 0
    assert [line.partition(" ")[0] for line in out.splitlines()] == list(SCENARIOS)
    assert "chapters           Watch content with chapters: one to its end.\n" in out


def test_an_unknown_name_is_refused(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", str(recording), "--scenario", "chapter"]) == 2
    assert capsys.readouterr().err == (
        "tapehead: --scenario: unknown scenario 'chapter'; did you mean chapters? (scenarios: "
        f"{', '.join(SCENARIOS)})\n"
    )


def test_a_session_that_shows_all_steps_passes(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = audited(capsys, recording, "--scenario", "ads")

    assert code == 0
    assert out.endswith("\nscenario ads: 8 of 8 steps shown  documented-1  ClickMe\n\n")
    assert "adStart follows" not in out


def test_steps_are_listed_where_one_is_missing(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = audited(capsys, recording, "--scenario", "chapters", "--scenario", "standard-playback")

    assert code == 1
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "scenario chapters: 2 of 4 steps shown documented-1 ClickMe" in lines
    assert "missing chapterComplete comes at the chapter's end" in lines
    pause = lines.index("wrong event 24 1:14.0 the pause lasts 30 s, with pings and a playhead that rests")
    assert lines[pause + 1] == "lasts 10.0 s; expected 30 s at least"


def test_all_sessions_are_checked(tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports.write(tmp_path / "two.jsonl", reports.faulty("faulty-session"))
    code, out = audited(capsys, tmp_path, "--scenario", "ads", "--fail-on", "never", "--format", "json")

    checked = {each["id"]: each["scenarios"][0]["passed"] for each in orjson.loads(out)["sessions"]}
    assert (code, checked) == (1, {"documented-1": True, "faulty-session": False})


def test_verbose_lists_the_steps_of_sessions_that_pass(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = audited(capsys, recording, "--scenario", "ads", "-v")

    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "shown event 1 0:00.0 adBreakStart opens the break, with index and start" in lines


def test_the_json_report_has_the_checklists(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = audited(capsys, recording, "--scenario", "chapters", "--format", "json")
    report = orjson.loads(out)

    jsonschema_rs.validate(orjson.loads(report_schema()), report)
    (checklist,) = report["sessions"][0]["scenarios"]
    assert (checklist["scenario"], checklist["passed"]) == ("chapters", False)
    assert checklist["steps"][3] == {
        "title": "sessionComplete comes at the end of the content",
        "status": "shown",
        "event": 26,
        "seconds": pytest.approx(88, abs=0.01),
        "detail": "",
    }
    assert [step["status"] for step in checklist["steps"]] == ["shown", "missing", "missing", "shown"]


def test_the_page_has_the_checklists(tmp_path: Path, recording: Path) -> None:
    page = tmp_path / "page.html"
    assert run(["audit", str(recording), "--scenario", "standard-playback", "-o", str(page)]) == 1

    text = page.read_text()
    assert "<caption>standard-playback: not passed</caption>" in text
    assert 'class="wrong"><td>the pause lasts 30 s, with pings and a playhead that rests<br>' in text
    assert "lasts 10.0 s; expected 30 s at least" in text


def test_a_report_without_scenarios_has_none(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = audited(capsys, recording, "--format", "json")

    assert "scenarios" not in orjson.loads(out)["sessions"][0]


def test_a_refused_preflight_is_no_session_to_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = make_exchange("/api/v1/sessions", b"", call=Call.PREFLIGHT, sid=None, status=403)
    code, out = audited(capsys, reports.write(tmp_path / "one.jsonl", [refused]), "--scenario", "ads")

    assert code == 1
    assert out.endswith("\nno session to check for a scenario\n")


def test_names_of_content_steer_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bodies = [
        reports.event(0, "sessionStart", 0, reports.START | {"media.name": "x\x1b[31m", "media.resume": "\x1b[5m"})
    ]
    path = reports.write(tmp_path / "one.jsonl", reports.session("one", bodies))
    _, out = audited(capsys, path, "--scenario", "resume")

    assert "scenario resume" in out
    assert "\x1b" not in out
