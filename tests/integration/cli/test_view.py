"""`tapehead view`: the live page and the HTTP API on stored recordings, with what the audit says of them."""

import contextlib
import json
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from support import reports
from support.api_client import api_of
from support.live_client import API, Link, link_of, query, stream, viewing
from support.paths import RECORDINGS_FOLDER
from support.processes import Command, run_tapehead, start_program
from tapehead.cli.app import run

ALL = sorted(RECORDINGS_FOLDER.glob("*.jsonl"))


@pytest.fixture(scope="module")
def viewed() -> Iterator[Command]:
    with viewing(*ALL) as opened:
        yield opened


@pytest.fixture(scope="module")
def link(viewed: Command) -> Link:
    return link_of(viewed)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The sessions of the audit's report."""
    output = tmp_path_factory.mktemp("view") / "report.json"
    run(["audit", *map(str, ALL), "-o", str(output)])
    return list(json.loads(output.read_bytes())["sessions"])


def gist(finding: dict[str, Any]) -> tuple[object, ...]:
    event = finding["event"]
    return finding["rule"], finding["severity"], finding["message"], finding["path"], event and event["index"]


def test_it_has_the_sessions_and_the_findings_of_the_audit(link: Link, audited: list[dict[str, Any]]) -> None:
    sessions = query(link, "/sessions")["sessions"]
    assert len(sessions) == len(audited) == 7
    for each in (each for each in audited if each["id"]):
        (row,) = (row for row in sessions if row["session"] == each["id"])
        found = query(link, f"/sessions/{each['id']}")["findings"]
        assert list(map(gist, found)) == list(map(gist, each["findings"]))
        assert {one["state"] for one in found} <= {"confirmed"}
        assert sum(row["findings"].values()) == len(found)
        assert row["events"] == each["events"]


def test_a_finding_leads_to_its_call(link: Link) -> None:
    (row,) = (row for row in query(link, "/sessions")["sessions"] if row["content"] == "undefined")
    findings = query(link, f"/sessions/{row['session']}/timeline")["findings"]
    for finding in (each for each in findings if each["event"]):
        call = query(link, f"/events/{finding['call']}?bodies=text")
        assert call["index"] == finding["event"]["index"]
        assert (finding["rule"], finding["path"]) in [(each["rule"], each["path"]) for each in call["findings"]]
        assert isinstance(call["request"]["body"], str)


def test_the_timeline_has_the_lanes_of_the_report(link: Link, audited: list[dict[str, Any]], tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    run(["audit", *map(str, ALL), "-o", str(output)])
    block = output.read_text().partition('id="details">')[2].partition("</script>")[0]
    details = json.loads(block)
    for number, each in enumerate(audited):
        if each["id"]:
            told = query(link, f"/sessions/{each['id']}/timeline")
            assert told["timeline"]["lanes"] == details[str(number)]["timeline"]["lanes"]
            assert len(told["timeline"]["events"]) == len(details[str(number)]["timeline"]["events"])
            assert bool(told["metrics"]) is bool(each["metrics"])


def test_a_session_is_saved_as_a_recording_and_as_har(link: Link, tmp_path: Path) -> None:
    (row,) = (row for row in query(link, "/sessions")["sessions"] if row["content"] == "undefined")
    headers = {"Authorization": f"Bearer {link.token}"}
    verdicts = []
    for kind, name in (("recording", "saved.jsonl"), ("har", "saved.har")):
        saved = tmp_path / name
        path = f"{API}/sessions/{row['session']}/{kind}"
        saved.write_bytes(httpx.get(f"{link.origin}{path}", headers=headers, timeout=30).content)
        output = tmp_path / f"{kind}.json"
        run(["audit", str(saved), "-o", str(output)])
        (session,) = json.loads(output.read_bytes())["sessions"]
        verdicts.append((session["events"], [each["rule"] for each in session["findings"]], session["metrics"]))
    assert verdicts[0] == verdicts[1]
    assert verdicts[0][0] == row["events"] == 21


def test_events_are_the_calls_by_session_and_the_latest(link: Link) -> None:
    (row,) = (row for row in query(link, "/sessions")["sessions"] if row["content"] == "undefined")
    everything = query(link, "/events")["events"]
    own = query(link, f"/events?session={row['session']}")["events"]
    latest = query(link, f"/events?session={row['session']}&latest=1&limit=3")["events"]

    assert [each["number"] for each in everything] == list(range(1, 98))
    assert latest == own[-3:]
    assert {each["session"] for each in own} == {row["session"]}
    assert [each["number"] for each in query(link, "/events?latest=1&limit=5")["events"]] == list(range(93, 98))


@pytest.mark.parametrize(
    "path", ["/sessions/none", "/sessions/none/timeline", "/sessions/none/har", "/events/999999", "/none"]
)
def test_what_is_not_there_is_404(link: Link, path: str) -> None:
    answer = httpx.get(f"{link.origin}{API}{path}", headers={"Authorization": f"Bearer {link.token}"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("POST", "/reset", {}, "stored recordings, so there is nothing to forget"),
        ("POST", "/reset", {"key": "test-1"}, "stored recordings, so there is nothing to forget"),
        ("GET", "/misses", None, "answers no calls itself"),
        ("GET", "/unused", None, "answers no calls itself"),
        ("GET", "/faults", None, "answers no calls itself"),
        ("POST", "/faults", {"fault": "session=500"}, "answers no calls itself"),
        ("DELETE", "/faults/1", None, "answers no calls itself"),
        ("PUT", "/recording", {"recordings": ["x.jsonl"]}, "answers no calls itself"),
    ],
)
def test_nothing_changes_what_is_stored(
    method: str, path: str, body: dict[str, Any] | None, reason: str, viewed: Command
) -> None:
    with api_of(viewed) as api:
        refused = api.send(method, path, body, status=409)
        assert len(api.get("/sessions")["sessions"]) == 7
    assert reason in refused["error"]


@pytest.mark.parametrize(
    ("until", "status"),
    [
        ("event:adStart", 200),
        ("quiet:60", 200),
        ("calls:97", 200),
        ("findings:0", 504),
        ("calls:98", 504),
        ("event:stateStart", 504),
    ],
)
def test_a_wait_is_answered_at_once(until: str, status: int, viewed: Command) -> None:
    """A wait that went on would last for 300 s: longer than the client waits."""
    with api_of(viewed) as api:
        answer = api.http.get("/wait", params={"until": until, "timeout": 300})
    assert answer.status_code == status, answer.text
    if status == 504:
        assert f"'{until}' does not hold in the recordings; the latest call is" in answer.json()["error"]


def test_another_origin_is_refused_without_an_option_that_view_has_not(link: Link) -> None:
    refused = httpx.get(f"{link.origin}{API}/status", headers={"Origin": "http://evil.test"})
    assert refused.json() == {"error": "requests of pages of this origin are not accepted"}


def test_har_files_are_viewed_as_they_are(tmp_path: Path, link: Link) -> None:
    (row,) = (row for row in query(link, "/sessions")["sessions"] if row["content"] == "undefined")
    har = tmp_path / "saved.har"
    har.write_bytes(
        httpx.get(
            f"{link.origin}{API}/sessions/{row['session']}/har", headers={"Authorization": f"Bearer {link.token}"}
        ).content
    )
    with viewing(har) as opened:
        (session,) = query(link_of(opened), "/sessions")["sessions"]
    assert session["events"] == 21


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number: int) -> None:
    with viewing(ALL[0]) as opened:
        assert opened.stop(number) == 0


@pytest.mark.parametrize("command", ["view", "audit", "show", "import", "replay", "serve"])
def test_what_cannot_be_read_is_told_in_one_line(command: str, tmp_path: Path) -> None:
    done = run_tapehead(command, tmp_path / "none.jsonl")
    assert done.returncode == 2
    assert done.stderr == f"tapehead: there is no file '{tmp_path / 'none.jsonl'}'\n"


@contextlib.contextmanager
def opened_page(browser: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """`tapehead view --open` with a shell script as the browser, and a folder for temporary files."""
    script, temporary = folder / "browser", folder / "temporary"
    script.write_text(f"#!/bin/sh\n{browser}\n")
    script.chmod(0o700)
    temporary.mkdir()
    monkeypatch.setenv("BROWSER", str(script))
    monkeypatch.setenv("TMPDIR", str(temporary))
    with viewing(ALL[0], "--open") as opened:
        yield opened


def test_a_browser_is_started_without_the_token_on_its_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_page('echo "STARTED $@"', tmp_path, monkeypatch) as opened:
        _, *arguments = opened.wait_for(lambda line: line.startswith("STARTED ")).split()
        link = link_of(opened)
        (file,) = (Path(urlsplit(each).path) for each in arguments)
        assert link.token not in " ".join(arguments)
        assert f'content="0; url={link}"' in file.read_text()
        assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
        with stream(link) as lines:
            next(lines)
            assert not file.parent.exists()


@pytest.mark.parametrize("browser", ["echo STARTED; exit 1", "echo STARTED; exec sleep 600"])
def test_a_browser_that_fails_or_goes_on_holds_nothing_up(
    browser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_page(f"echo $$ > {tmp_path / 'pid'}; {browser}", tmp_path, monkeypatch) as opened:
        opened.wait_for(lambda line: line == "STARTED")
        if "exit 1" in browser:
            opened.wait_for(lambda line: "could not start a browser; open the link instead" in line)
        assert opened.process.poll() is None
        opened.process.send_signal(signal.SIGINT)
        assert opened.process.wait(30) == 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_folder_for_temporary_files_that_takes_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = "import tempfile\ndef fail(prefix, dir): raise OSError(28, 'No space left on device', '/tmp')\n"
    code = f"{failing}tempfile.mkdtemp = fail\nfrom tapehead.__main__ import main\nmain()"
    with start_program(sys.executable, "-c", code, "view", ALL[0], "--open") as opened:
        opened.wait_for(lambda line: "--open cannot write '/tmp': No space left on device; open the link" in line)
        assert opened.stop() == 0


def test_the_order_and_the_arguments_of_recordings_do_not_matter(tmp_path: Path) -> None:
    reports.all_in(tmp_path)
    with viewing(tmp_path) as opened:
        sessions = query(link_of(opened), "/sessions")["sessions"]
    assert len(sessions) == 5
    assert {row["state"] for row in sessions} <= {"completed", "ended", "silent", "unknown session"}
