"""Options of audit for CI and for analysts: the baseline, the least coverage, tables, and the date of a report."""

import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path

import orjson
import pytest

from support import reports
from support.junit_schema import violations_in
from tapehead.cli.app import run

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return reports.write(tmp_path / "bad.jsonl", reports.faulty("faulty-session"))


def test_only_findings_that_the_baseline_has_not_make_it_exit_with_1(
    bad: Path, tmp_path: Path, capsys: Captured
) -> None:
    baseline = tmp_path / "known.json"

    assert run(["audit", str(bad), "--baseline", str(baseline), "--write-baseline"]) == 0
    told = capsys.readouterr()
    count = sum(row["count"] for row in orjson.loads(baseline.read_bytes())["findings"])
    assert told.err == f"tapehead: wrote the baseline '{baseline}'\n"
    assert f"0 new errors, 0 new warnings, 0 new infos; {count} known, 0 gone" in told.out
    other = reports.write(tmp_path / "other.jsonl", reports.faulty("another-session"))
    assert run(["audit", str(other), "--baseline", str(baseline)]) == 0
    assert f"0 new errors, 0 new warnings, 0 new infos; {count} known, 0 gone" in capsys.readouterr().out
    known = orjson.loads(baseline.read_bytes())
    known["findings"] = [row for row in known["findings"] if row["rule"] != "ad-outside-break"]
    baseline.write_bytes(orjson.dumps(known))
    assert run(["audit", str(other), "--baseline", str(baseline)]) == 1
    assert "error ad-outside-break  1 place, 1 new" in capsys.readouterr().out


def test_with_files_alone_the_line_names_the_baseline_too(bad: Path, tmp_path: Path, capsys: Captured) -> None:
    report, baseline = tmp_path / "r.json", tmp_path / "known.json"

    run(["audit", str(bad), "-o", str(report), "--baseline", str(baseline), "--write-baseline"])
    assert capsys.readouterr().err.endswith(f"; wrote '{report}', '{baseline}'\n")


def test_a_report_on_half_the_recordings_becomes_no_baseline(bad: Path, tmp_path: Path, capsys: Captured) -> None:
    baseline = tmp_path / "known.json"

    assert run(["audit", str(bad), str(tmp_path / "none.jsonl"), "--baseline", str(baseline), "--write-baseline"]) == 2
    assert f"did not write '{baseline}': not all recordings could be read" in capsys.readouterr().err
    assert not baseline.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--write-baseline"], "missing --baseline FILE: --write-baseline writes that file"),
        (["--baseline", "none.json"], "there is no baseline 'none.json'; --write-baseline writes it"),
        (["--fail-under", "50"], "missing --coverage: --fail-under is about the coverage of the tracking plan"),
        (["--coverage", "--fail-under", "101"], "101.0 is not in the range 0<=x<=100"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    bad: Path, capsys: Captured, arguments: list[str], complaint: str
) -> None:
    assert run(["audit", str(bad), *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert complaint in told.err
    assert len(told.err.splitlines()) == 1


def test_a_file_that_is_no_baseline_is_told(bad: Path, tmp_path: Path, capsys: Captured) -> None:
    broken = tmp_path / "known.json"
    broken.write_text("{")

    assert run(["audit", str(bad), "--baseline", str(broken)]) == 2
    assert capsys.readouterr().err.startswith(f"tapehead: cannot use the baseline '{broken}': ")
    assert run(["audit", str(bad), "--baseline", str(bad)]) == 2
    assert "would be overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["<testsuites/>", '{"log": {"entries": []}}', '{"tapehead_baseline": 99, "findings": []}']
)
def test_a_baseline_overwrites_no_other_file(bad: Path, tmp_path: Path, capsys: Captured, content: str) -> None:
    other = tmp_path / "other.json"
    other.write_text(content)

    assert run(["audit", str(bad), "--baseline", str(other), "--write-baseline"]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == (
        "",
        f"tapehead: '{other}' is not a baseline and would be overwritten; name another file\n",
    )
    assert other.read_text() == content


def test_a_baseline_replaces_one_and_an_empty_file(bad: Path, tmp_path: Path, capsys: Captured) -> None:
    baseline = tmp_path / "known.json"
    for content in ("", '{"tapehead_baseline": 1, "findings": []}'):
        baseline.write_text(content)
        assert run(["audit", str(bad), "--baseline", str(baseline), "--write-baseline"]) == 0
        assert orjson.loads(baseline.read_bytes())["findings"]
    assert run(["audit", str(bad), "--baseline", str(tmp_path), "--write-baseline"]) == 2
    assert f"cannot write the baseline '{tmp_path}': Is a directory" in capsys.readouterr().err


def test_a_plan_that_is_not_exercised_enough_makes_it_exit_with_1(tmp_path: Path, capsys: Captured) -> None:
    good = reports.write(tmp_path / "good.jsonl", reports.documented(1, "documented-1"))

    run(["audit", str(good), "--coverage", "--format", "json"])
    coverage = orjson.loads(capsys.readouterr().out)["coverage"]
    counts = [(kind["exercised"], kind["planned"]) for kind in coverage["kinds"]]
    assert (coverage["exercised"], coverage["planned"]) == tuple(map(sum, zip(*counts, strict=True)))
    percent = round(100 * coverage["exercised"] / coverage["planned"], 1)
    assert coverage["percent"] == percent
    assert run(["audit", str(good), "--coverage", "--fail-under", str(percent)]) == 0
    assert capsys.readouterr().err == ""
    assert run(["audit", str(good), "--coverage", "--fail-under", str(percent + 0.1)]) == 1
    told = capsys.readouterr()
    assert told.err == f"tapehead: coverage is {percent:g} %, below --fail-under {percent + 0.1:g}\n"
    assert f"coverage of the documented API: {percent:g} %" in told.out


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        ([], 0, None),
        (["--scenario", "ads"], 0, None),
        (["--scenario", "chapters"], 1, "not every session shows all steps of its scenarios"),
        (["--scenario", "chapters", "--fail-on", "never"], 1, "not every session shows all steps of its scenarios"),
        (["--coverage"], 0, None),
        (["--coverage", "--fail-under", "1"], 0, None),
        (["--coverage", "--fail-under", "99.5"], 1, " %, below --fail-under 99.5"),
        (["notes.txt"], 2, "cannot read 'notes.txt'"),
        (["notes.txt", "--fail-on", "never"], 2, "cannot read 'notes.txt'"),
    ],
)
def test_a_junit_file_has_a_failure_if_the_audit_exits_with_another_code_than_0(
    options: list[str], code: int, problem: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reports.write(tmp_path / "good.jsonl", reports.documented(1, "documented-1"))
    (tmp_path / "notes.txt").write_text("Notes\n")

    assert run(["audit", "good.jsonl", *options, "--format", "junit", "--output", "junit.xml"]) == code
    root = ET.parse("junit.xml").getroot()
    assert violations_in(root) == []
    failures = [failure.attrib["message"] for failure in root.iter("failure")]
    assert len(failures) == bool(code)
    assert problem is None or failures[0].endswith(problem)


def test_sessions_and_findings_go_to_two_tables(bad: Path, tmp_path: Path) -> None:
    sessions, findings = tmp_path / "sessions.csv", tmp_path / "findings.csv"

    arguments = ["--output", str(sessions), "--format", "csv-findings", "--output", str(findings)]
    assert run(["audit", str(bad), "--format", "csv", *arguments, "--fail-on", "never"]) == 0
    assert sessions.read_bytes().count(b"\r\n") == sessions.read_bytes().count(b"\n") == 2
    (row,) = csv.DictReader(io.StringIO(sessions.read_bytes().decode(), newline=""))
    assert (row["id"], row["recordings"]) == ("faulty-session", str(bad))
    counted = sum(int(row[name]) for name in ("errors", "warnings", "infos"))
    assert findings.read_bytes().count(b"\r\n") == 1 + counted


def test_the_suffix_csv_means_the_table_of_sessions(bad: Path, tmp_path: Path) -> None:
    run(["audit", str(bad), "--output", str(tmp_path / "r.csv")])

    assert (tmp_path / "r.csv").read_bytes().startswith(b"media_id,media_name,player,")


def test_a_report_has_its_date_and_all_recordings(
    bad: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795411234")
    good = reports.write(tmp_path / "good.jsonl", reports.documented(1, "documented-1"))

    run(["audit", str(good), str(bad), "--format", "json"])
    report = orjson.loads(capsys.readouterr().out)
    assert (report["date"], report["recordings"]) == ("2026-11-23T05:20:34Z", [str(good), str(bad)])
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    assert run(["audit", str(bad)]) == 2
    assert capsys.readouterr().err == "tapehead: invalid SOURCE_DATE_EPOCH 'soon': expected seconds since 1970\n"
