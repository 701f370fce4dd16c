"""`tapehead diff` on the command line: exit codes, the three forms, and the page in a browser."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from playwright.sync_api import ConsoleMessage, Request

from support.browser import chromium
from support.diff_variants import ACTS, Act, altered, compare, play, with_act, without, write
from support.paths import RECORDINGS_FOLDER
from support.processes import run_tapehead
from support.sessions import Timeline, ad, mix
from tapehead.comparison.differences import Change, Scope
from tapehead.protocol.exchange import Exchange
from tapehead.reports.diff.html_diff import render_html
from tapehead.reports.diff.json_diff import build_report, diff_schema
from tapehead.reports.diff.text_diff import render_text
from tapehead.reports.json_output import stream_json
from tapehead.reports.terminal_text import TextStyle

RECORDINGS = RECORDINGS_FOLDER
EVIL = '</style><script>document.title = "x"</script><img src="http://127.0.0.1:9/x">'
SCHEMA = jsonschema_rs.validator_for(json.loads(diff_schema()))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write(tmp_path / "base.jsonl", play())


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write(tmp_path / "new.jsonl", play(without("sessionComplete")))


def changed() -> tuple[list[Exchange], list[Exchange]]:
    """Two recordings with every kind of difference between them, and values that nobody should trust."""
    acts = with_act(Act(70.5, "pauseStart"), Act(71, "play"))
    acts = [act for act in acts if act.type != "ping" or act.second > 10]
    acts[1] = acts[1]._replace(params=ad(1) | {"media.ad.name": EVIL, "media.ad.length": "5"})
    one = Timeline(sid="x").start(id="gone", name=EVIL).at(1, "play").exchanges
    other = Timeline(sid="y").start(id="fresh", name="\x1b[31mred").at(1, "play", status=400).exchanges
    return mix_all(play(), one), mix_all(play(acts, channel=EVIL), other)


def mix_all(*parts: list[Exchange]) -> list[Exchange]:
    return mix(*(Timeline(exchanges=part) for part in parts))


# ---- Exit codes ----


def test_no_difference_is_0(base: Path) -> None:
    done = run_tapehead("diff", base, base)

    assert (done.returncode, done.stdout, done.stderr) == (0, "no difference in 1 session\n", "")


def test_a_difference_is_1(base: Path, new: Path) -> None:
    done = run_tapehead("diff", base, new)

    assert (done.returncode, done.stderr) == (1, "")
    assert "- sessionComplete at 70 missing" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 session: 1 changed; ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["missing.jsonl", "missing.jsonl"], "there is no file 'missing.jsonl'"),
        (["empty", "empty"], "there is no recording (*.jsonl, *.jsonl.zst, *.jsonl.gz), HAR or flow file in 'empty'"),
        (["foreign.jsonl", "foreign.jsonl"], "'foreign.jsonl' is not a recording: line 1: "),
        (["base.jsonl"], "Missing argument 'NEW'"),
        (["base.jsonl", "base.jsonl", "--tolerance", "-1"], "--tolerance"),
        (["base.jsonl", "base.jsonl", "--tolerance", "inf"], "invalid --tolerance 'inf'"),
        (["base.jsonl", "base.jsonl", "--format", "xml"], "xml"),
        (["base.jsonl", "base.jsonl", "--output", "base.jsonl/x.html"], "cannot write 'base.jsonl/x.html': "),
    ],
)
def test_what_cannot_be_done_is_2_with_one_line(base: Path, arguments: list[str], line: str) -> None:
    (base.parent / "empty").mkdir()
    (base.parent / "foreign.jsonl").write_text("{}\n")
    done = run_tapehead("diff", *arguments, cwd=base.parent)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert line in done.stderr


def test_folders_are_compared_as_a_whole_and_a_bad_file_hides_nothing(tmp_path: Path) -> None:
    for side in ("one", "two"):
        (tmp_path / side).mkdir()
        for path in sorted(RECORDINGS.glob("*.jsonl")):
            (tmp_path / side / path.name).write_bytes(path.read_bytes())
    (tmp_path / "two" / "zero.jsonl").write_text("")
    done = run_tapehead("diff", tmp_path / "one", tmp_path / "two")

    assert (done.returncode, done.stdout) == (0, "no difference in 7 sessions\n")
    assert "zero.jsonl' is empty" in done.stderr


def test_ignore_and_tolerance_are_taken(base: Path, tmp_path: Path) -> None:
    acts = altered("adStart", ad(1) | {"media.ad.name": "Soap"})
    acts = [act._replace(more={"playhead": 62}) if act.type == "chapterComplete" else act for act in acts]
    other = write(tmp_path / "other.jsonl", play(acts))

    assert run_tapehead("diff", base, other).returncode == 1
    assert run_tapehead("diff", base, other, "--ignore", "media.ad.*", "--tolerance", "4").returncode == 0


# ---- Forms ----


def test_json_is_as_published(tmp_path: Path) -> None:
    one, other = (write(tmp_path / name, part) for name, part in zip(("a.jsonl", "b.jsonl"), changed(), strict=True))
    done = run_tapehead("diff", one, other, "--format", "json")
    report = json.loads(done.stdout)

    assert done.returncode == 1
    assert [error.message for error in SCHEMA.iter_errors(report)] == []
    assert report["summary"]["sessions"] == {"same": 0, "changed": 1, "missing": 1, "added": 1}
    assert report["base"] == [str(one)]


def test_the_schema_is_printed_and_lists_every_kind_of_change() -> None:
    done = run_tapehead("diff", "--schema")

    assert done.returncode == 0
    assert json.loads(done.stdout)["definitions"]["change"]["enum"] == list(Change)


def test_the_schema_takes_nothing_else() -> None:
    report = json.loads("".join(stream_json(build_report(compare(play(), play()), ["a"], ["b"], Scope()))))

    assert SCHEMA.is_valid(report)
    assert not SCHEMA.is_valid(report | {"more": 1})
    assert not SCHEMA.is_valid({key: value for key, value in report.items() if key != "same"})


@pytest.mark.parametrize(("name", "begins"), [("d.json", "{"), ("d.html", "<!doctype html>"), ("d.txt", "~ News")])
def test_the_form_goes_by_the_files_name(base: Path, new: Path, name: str, begins: str) -> None:
    done = run_tapehead("diff", base, new, "--output", base.parent / "made" / name)

    assert (done.returncode, done.stdout) == (1, "")
    assert (base.parent / "made" / name).read_text().startswith(begins)
    assert "; wrote '" in done.stderr


@pytest.mark.parametrize("width", [40, 80, 160])
def test_text_fits_its_columns(width: int) -> None:
    text = render_text(compare(*changed()), TextStyle(width))

    assert max(map(len, text.splitlines())) <= width


def test_text_from_the_wire_moves_no_cursor() -> None:
    found = compare(*changed())
    plain, coloured = render_text(found, TextStyle()), render_text(found, TextStyle(colour=True))

    assert "\x1b" not in plain
    assert "\x1b[1;31mred" not in coloured
    assert "\N{REPLACEMENT CHARACTER}[31mred" in plain


def test_the_same_change_in_many_events_is_one_line() -> None:
    acts = [act._replace(params=act.params | {"x": 1}) if act.type == "adStart" and act.params else act for act in ACTS]
    text = render_text(compare(play(), play(acts)), TextStyle())

    assert "+ params.x added, 1 (adStart, 2 events)" in text


def test_sessions_without_a_difference_are_only_counted() -> None:
    text = render_text(compare(play(sdkVersion="1"), play(sdkVersion="2")), TextStyle())

    assert text == '  note: params.media.sdkVersion: "1" -> "2"\nno difference in 1 session\n'


# ---- The page ----


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Any, list[str]]]:
    """The page of a diff in a browser, and whatever it said or asked for."""
    path, heard = tmp_path / "diff.html", list[str]()
    path.write_text("".join(render_html(compare(*changed()), ["base.jsonl"], ["new.jsonl"])), encoding="utf-8")
    with chromium() as browser:
        page = browser.new_page()

        def note_event(said: ConsoleMessage | Request) -> None:
            heard.append(said.text if isinstance(said, ConsoleMessage) else said.url)

        page.on("console", note_event)
        page.on("request", note_event)
        page.goto(path.as_uri())
        heard.remove(path.as_uri())
        yield page, heard


def test_the_page_asks_for_nothing_and_complains_of_nothing(opened: tuple[Any, list[str]]) -> None:
    page, heard = opened

    assert heard == []
    assert page.title().startswith("tapehead diff: 3 sessions")
    assert page.locator("script, img").count() == 0


def test_the_page_shows_both_timelines_with_what_differs(opened: tuple[Any, list[str]]) -> None:
    page, _ = opened

    assert page.locator("details.card").count() == 3
    assert page.locator("details.card.changed .row.added .cell.new .name").all_inner_texts() == ["pauseStart", "play"]
    assert page.locator("details.card.changed svg .tick.added").count() == 2
    assert EVIL in page.locator("details.card.missing summary b").inner_text()
    assert page.locator(".row.changed .detail.new", has_text="params.media.ad.length").inner_text().endswith('"5"')


def test_the_page_of_no_sessions_says_so() -> None:
    assert "No session was recorded." in "".join(render_html(compare([], []), ["a"], ["b"]))


def test_the_command_needs_no_proxy() -> None:
    script = "import sys, tapehead.cli.app as cli; cli.run(sys.argv[1:]); print('mitmproxy' in sys.modules)"
    recording = str(RECORDINGS / "timeline-1.jsonl")
    command = [sys.executable, "-c", script, "diff", recording, recording]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.splitlines() == ["no difference in 1 session", "False"]
