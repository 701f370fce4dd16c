"""The commands audit and rules on the command line: what is read, where reports go, and by what they exit."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path
from xml.etree.ElementTree import fromstring

import orjson
import pytest

from support import reports
from support.processes import run_tapehead
from support.timelines import TIMELINES
from tapehead.cli.app import run
from tapehead.cli.audit import pair
from tapehead.demo.timelines import bodies
from tapehead.protocol.exchange import encode
from tapehead.reports.audit.json_report import report_schema
from tapehead.reports.report_formats import Format
from tapehead.reports.report_wording import totals_of


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return reports.write(tmp_path / "good.jsonl", reports.documented(1, "documented-1"))


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return reports.write(tmp_path / "bad.jsonl", reports.faulty("faulty-session"))


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    return reports.write(tmp_path / "warned.jsonl", reports.long_film("long-session"))


def sessions(out: str) -> list[str]:
    return [session["id"] for session in orjson.loads(out)["sessions"]]


# ---- Exit codes ----


def test_all_is_well(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", str(good)]) == 0
    told = capsys.readouterr()
    assert told.out.endswith("1 session, 27 events: 0 errors, 0 warnings, 0 infos\n")
    assert told.err == ""


@pytest.mark.parametrize(("limit", "code"), [(None, 1), ("error", 1), ("warning", 1), ("never", 0)])
def test_errors_make_it_exit_with_1_as_asked(bad: Path, limit: str | None, code: int) -> None:
    assert run(["audit", str(bad), *(["--fail-on", limit] if limit else [])]) == code


@pytest.mark.parametrize(("limit", "code"), [("error", 0), ("warning", 1)])
def test_warnings_do_so_only_where_they_are_asked_for(warned: Path, limit: str, code: int) -> None:
    assert run(["audit", str(warned), "--fail-on", limit]) == code


# ---- What is read ----


def test_a_folder_stands_for_the_recordings_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports.write(tmp_path / "b" / "deep.jsonl", reports.documented(2, "deep"))
    reports.write(tmp_path / "a.jsonl", reports.documented(1, "near"))
    (tmp_path / "notes.txt").write_text("no recording")

    assert run(["audit", str(tmp_path), "--format", "json"]) == 0
    told = capsys.readouterr()
    assert sorted(sessions(told.out)) == ["deep", "near"]
    assert told.err == "tapehead: 1 other file not read: notes.txt\n"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["faulty-session", "documented-1"]),
        (("--order", "worst"), ["faulty-session", "documented-1"]),
        (("--order", "time"), ["documented-1", "faulty-session"]),
    ],
)
def test_sessions_stand_worst_first_or_by_time(
    good: Path, bad: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], expected: list[str]
) -> None:
    for given in ((bad, good), (good, bad, good)):
        run(["audit", *map(str, given), "--format", "json", *options])
        assert sessions(capsys.readouterr().out) == expected


def test_recordings_are_merged_by_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two sessions, five minutes apart, whose lines went to two files in turn."""
    lines = [
        *map(encode, reports.documented(1, "first")),
        *map(encode, reports.session("second", bodies(TIMELINES[1], reports.BEGAN_MS), began=300)),
    ]
    parts = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for number, part in enumerate(parts):
        part.write_bytes(b"".join(lines[number::2]))

    for given in (parts, parts[::-1]):
        assert run(["audit", *map(str, given)]) == 0
        assert capsys.readouterr().out.endswith("2 sessions, 54 events: 0 errors, 0 warnings, 0 infos\n")


def test_a_dash_stands_for_stdin(good: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tapehead", "audit", "-", "--format", "json"],
        input=good.read_bytes(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert orjson.loads(done.stdout)["sessions"][0]["recording"] == "stdin"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty: no exchange was recorded"),
        (b'{"logs": {"version": "1.2"}}\n', "is not a recording: line 1: not an exchange: "),
        (b'{"log": {"version": "1.2"}}\n', "is not a HAR file: Object missing required field `entries`"),
        (b"\x89PNG\r\n\x1a\n", "is a picture, which tapehead does not read; "),
        (b"no recording", "is not a recording: line 1: not an exchange: malformed JSON: "),
        (b'{"tapehead": 99}\n', "format 99 is newer than this tapehead reads"),
    ],
    ids=["empty", "foreign JSON", "HAR", "picture", "text", "newer"],
)
def test_what_is_no_recording_is_told_and_hides_nothing(
    tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str], content: bytes, complaint: str
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(content)

    assert run(["audit", str(broken), str(good), "--format", "json"]) == 2
    told = capsys.readouterr()
    assert sessions(told.out) == ["documented-1"]
    (line,) = told.err.splitlines()
    assert line.startswith((f"tapehead: {broken}", f"tapehead: '{broken}' is "))
    assert complaint in line
    assert run(["audit", str(broken)]) == 2


def test_a_torn_line_is_told_and_hides_nothing(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_bytes(good.read_bytes() + b'{"tapehead": 1, "star')

    assert run(["audit", str(good), "--format", "json"]) == 0
    told = capsys.readouterr()
    assert sessions(told.out) == ["documented-1"]
    assert told.err == f"tapehead: {good}:28: skipped, a write cut short\n"


def test_many_bad_lines_are_told_in_a_few(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_bytes(b"nonsense\n" * 100 + good.read_bytes())

    assert run(["audit", str(good)]) == 0
    violations_in = capsys.readouterr().err.splitlines()
    assert len(violations_in) == 21
    assert violations_in[-1].endswith("skipped 80 more lines that are not exchanges")


def test_what_a_newer_version_added_at_the_end_hides_nothing(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_bytes(good.read_bytes() + b'{"tapehead": 3}\n')

    assert run(["audit", str(good), "--format", "json"]) == 2
    told = capsys.readouterr()
    assert sessions(told.out) == ["documented-1"]
    assert "format 3 is newer" in told.err


def test_a_folder_without_recordings_is_told(tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    assert run(["audit", str(empty), str(good)]) == 0
    assert (
        capsys.readouterr().err
        == f"tapehead: there is no recording (*.jsonl, *.jsonl.zst, *.jsonl.gz), HAR or flow file in '{empty}'\n"
    )
    assert run(["audit", str(empty)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert run(["audit", str(empty), str(empty / "none.jsonl")]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "tapehead: nothing to audit: no recording could be read"


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", str(tmp_path / "none.jsonl")]) == 2
    assert capsys.readouterr().err.startswith(f"tapehead: there is no file '{tmp_path / 'none.jsonl'}'\n")


# ---- Where reports go ----


def test_forms_and_files_pair_in_order(bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {"json": tmp_path / "a", "html": tmp_path / "new" / "b", "junit": tmp_path / "c", "sarif": tmp_path / "d"}
    arguments = [part for form, path in wanted.items() for part in ("--format", form, "--output", str(path))]

    assert run(["audit", str(bad), *arguments, "--format", "text"]) == 1
    summary = orjson.loads(wanted["json"].read_bytes())["summary"]
    assert (summary["sessions"], summary["events"]) == (1, 17)
    assert capsys.readouterr().out.endswith(f"\n{totals_of(summary)}\n")
    assert wanted["html"].read_text(encoding="utf-8").startswith("<!doctype html>")
    assert fromstring(wanted["junit"].read_bytes()).tag == "testsuites"
    assert orjson.loads(wanted["sarif"].read_bytes())["version"] == "2.1.0"
    # What was recorded is in them.
    assert {path.stat().st_mode & 0o777 for path in wanted.values()} == {0o600}


@pytest.mark.parametrize(
    ("forms", "outputs", "expected"),
    [
        ([], [], [("text", None)]),
        (["json"], [], [("json", None)]),
        (["html"], ["a"], [("html", "a")]),
        (["json"], ["-"], [("json", None)]),
        (["json", "html"], ["a", "b"], [("json", "a"), ("html", "b")]),
        (["json", "html"], ["a"], [("json", "a"), ("html", None)]),
        (["text", "html"], ["a"], [("text", None), ("html", "a")]),
        (["html", "text", "json"], ["a", "b"], [("html", "a"), ("text", None), ("json", "b")]),
        (["text", "html"], ["a", "b"], [("text", "a"), ("html", "b")]),
        ([], ["a.sarif", "b.htm"], [("sarif", "a.sarif"), ("html", "b.htm")]),
    ],
)
def test_pairing(forms: list[str], outputs: list[str], expected: list[tuple[str, str | None]]) -> None:
    paired = pair([Format(form) for form in forms], outputs)

    assert [(target.form, target.output and str(target.output)) for target in paired] == expected


def test_with_files_alone_one_line_tells_the_totals(
    bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"

    run(["audit", str(bad), "--format", "json", "--output", str(report)])
    told = capsys.readouterr()
    assert told.out == ""
    summary = orjson.loads(report.read_bytes())["summary"]
    assert told.err == f"tapehead: {totals_of(summary)}; wrote '{report}'\n"


@pytest.mark.parametrize(
    ("name", "start"), [("r.json", "{"), ("r.xml", "<?xml"), ("r.html", "<!doctype"), ("r.txt", "audit of ")]
)
def test_a_file_without_a_form_gets_what_its_suffix_says(bad: Path, tmp_path: Path, name: str, start: str) -> None:
    run(["audit", str(bad), "--output", str(tmp_path / name)])

    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--format", "json", "--format", "html"], "only one --format can go to stdout"),
        (["--format", "json", "-o", "a", "-o", "b"], "2 --output for 1 --format; pass one --format for each"),
        (["-o", "tables/"], "'tables/' is a folder: pass --engine spark for tables in it, or name a file"),
        (["-o", "report.doc"], "missing --format for 'report.doc'"),
        (["--format", "pdf"], "'pdf' is not one of"),
        (["--assume", "error-spam=excluded"], "there is no assumption 'error-spam'; did you mean error-span?"),
        (["--fail-on", "info"], "'info' is not one of"),
    ],
)
def test_arguments_that_cannot_be_used_are_told_in_one_line(
    good: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert run(["audit", str(good), *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert complaint in told.err
    assert len(told.err.splitlines()) == 1


def test_a_file_that_cannot_be_written_is_told(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", str(good), "--format", "json", "--output", str(good / "report.json")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_assumptions_change_the_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = reports.write(tmp_path / "two.jsonl", reports.documented(2, "two"))
    spent = []
    for assume in ("error-span=counted", "error-span=excluded"):
        run(["audit", str(recording), "--format", "json", "--assume", assume])
        spent.append(orjson.loads(capsys.readouterr().out)["sessions"][0]["metrics"]["content_time_spent"])

    assert spent[0] - spent[1] == pytest.approx(5, abs=0.01)


def test_configured_timeouts_reach_the_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    minute = 60
    paused = [
        reports.event(0, "sessionStart", 0, reports.START),
        reports.event(0, "play"),
        reports.event(10, "pauseStart", 10),
        reports.event(10 + 15 * minute, "play", 10),
        reports.event(20 + 15 * minute, "sessionComplete", 20),
        reports.event(20 + 15 * minute, "sessionEnd", 20),
    ]
    recording = reports.write(tmp_path / "paused.jsonl", reports.session("paused", paused))
    config = tmp_path / "tapehead.toml"
    config.write_text("[thresholds]\nidle-minutes = 20\n")

    def audited(*options: str) -> tuple[str, int]:
        run(["audit", str(recording), "--format", "json", *options])
        (session,) = orjson.loads(capsys.readouterr().out)["sessions"]
        return session["outcome"], session["metrics"]["content_completes"]

    assert audited() == ("timed out", 0)
    assert audited("--config", str(config)) == ("completed", 1)


def test_the_schema_is_printed_without_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--schema"]) == 0
    assert capsys.readouterr().out == report_schema()


def test_reports_are_the_same_from_run_to_run(bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795411234")
    for form in Format:
        first, second = tmp_path / "1", tmp_path / "2"
        for path in (first, second):
            run(["audit", str(bad), "--format", form, "--output", str(path)])
        assert first.read_bytes() == second.read_bytes()


# ---- Terminals ----


def terminal(*arguments: str, **environment: str) -> str:
    """Return what a command writes to a terminal of 80 columns, stdout and stderr together."""
    main, side = pty.openpty()
    known = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    settings = known | {"TERM": "xterm-256color", "COLUMNS": "80", **environment}
    command = [sys.executable, "-m", "tapehead", *arguments]
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=settings) as process:
        os.close(side)
        shown = io.BytesIO()
        try:
            while part := os.read(main, 65536):
                shown.write(part)
        except OSError:
            pass
        process.wait(60)
    os.close(main)
    return shown.getvalue().decode()


def test_a_terminal_gets_colours_and_a_bar(bad: Path) -> None:
    shown = terminal("audit", str(bad))

    assert "\x1b[1;31merror wrong-type" in shown
    assert "1/1" in shown
    assert "exchanges" in shown


def test_no_color_is_respected(bad: Path) -> None:
    shown = terminal("audit", str(bad), NO_COLOR="1")

    assert "error wrong-type" in shown
    assert "\x1b[1;31m" not in shown
    assert "\x1b[31m" not in shown


def test_a_pipe_gets_neither(bad: Path) -> None:
    done = run_tapehead("audit", bad)

    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_a_reader_that_has_seen_enough_is_no_failure(bad: Path) -> None:
    command = f"'{sys.executable}' -m tapehead audit '{bad}' --format sarif | head -c 10"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)

    assert done.stderr == ""


def test_the_commands_do_without_mitmproxy(bad: Path) -> None:
    audit = f"run(['audit', {str(bad)!r}, '--format', 'html'])"
    script = f"import sys; from tapehead.cli.app import run; {audit}; sys.exit('mitmproxy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False).returncode == 0


def test_lines_from_stdin_that_are_none_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [encode(each) for each in reports.documented(1, "s")]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"".join([lines[0], b"no\n", *lines[1:]]))))

    assert run(["audit", "-"]) == 0
    assert capsys.readouterr().err.startswith("tapehead: stdin:2: skipped, not an exchange")
