"""Journals of running commands as recordings, and their summaries so far."""

import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import httpx
import orjson
import pytest
from starlette.datastructures import QueryParams

from support.api_client import ApiClient, api_of, event_of
from support.exchanges import event, opened, sent, start
from support.live_client import COMMANDS, LIVE, RECORDING, link_of, play, viewing
from support.paths import RECORDINGS_FOLDER
from support.processes import Command, run_tapehead, running
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.journal.run_metrics import RunMetrics
from tapehead.journal.stored_rows import Limits
from tapehead.live.api_model import FILTERS, Api, ApiRequest, Query
from tapehead.live.api_run import PIECE_BYTES, join_lines, save_calls
from tapehead.live.wait_limit import WaitLimit
from tapehead.protocol.exchange import encode
from tapehead.remote.journal_urls import MISSING_HEADER, RESETS_HEADER

SESSIONS = 3
# A browser's question, which belongs to no session.
PREFLIGHT = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}


@pytest.fixture(scope="module", params=["serve", "replay"])
def called(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A command that has some sessions with an error each, and a preflight."""
    words = COMMANDS[request.param]
    with running(*words, "-q", *LIVE, cwd=tmp_path_factory.mktemp("called")) as command, httpx.Client() as player:
        player.options(f"{command.url}/api/v1/sessions", headers=PREFLIGHT)
        for _ in range(SESSIONS):
            play(player, command.url, event_of("play"), event_of("adComplete"))
        yield command


def lines_of(api: ApiClient, path: str, **query: str) -> list[bytes]:
    answer = api.http.get(path, params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    return answer.content.splitlines(keepends=True)


def test_the_recording_has_all_calls_as_those_of_their_sessions(called: Command) -> None:
    with api_of(called) as api:
        sids = [each["session"] for each in api.get("/sessions")["sessions"]]
        parts = {sid: lines_of(api, f"/sessions/{sid}/recording") for sid in sids}
        whole = lines_of(api, "/recording")
        of_one = lines_of(api, "/recording", session=sids[1])
        head = api.http.get("/recording").headers
        api.refused("/recording", 404, session="none-such")

    calls = [orjson.loads(line)["call"] for line in whole]
    assert calls.count("preflight") == 1
    assert [line for line, call in zip(whole, calls, strict=True) if call != "preflight"] == [*chain(*parts.values())]
    assert len(whole) == 3 * SESSIONS + 1
    assert of_one == parts[sids[1]]
    assert (head[MISSING_HEADER], head[RESETS_HEADER]) == ("0", "0")


def test_every_command_that_reads_recordings_reads_a_journal(called: Command, tmp_path: Path) -> None:
    link = link_of(called)
    with api_of(called) as api:
        (tmp_path / "saved.jsonl").write_bytes(api.http.get("/recording").content)
    saved = tmp_path / "saved.jsonl"

    def told(*words: object, path: object, code: int) -> str:
        done = run_tapehead(*words, path, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (code, ""), words
        assert link.token not in done.stdout
        return done.stdout.replace(link.origin, "NAME").replace(str(saved), "NAME")

    for more in ([], ["--jobs", 2]):
        report = told("audit", *more, "--format", "csv-findings", path=link, code=1)
        assert report == told("audit", *more, "--format", "csv-findings", path=saved, code=1)
        assert report.count("NAME") >= SESSIONS
    assert told("show", path=link, code=0) == told("show", path=saved, code=0)
    same = run_tapehead("diff", saved, link, cwd=tmp_path)
    assert (same.returncode, same.stderr) == (0, "")
    assert run_tapehead("export", "--parquet", "tables", link, cwd=tmp_path).returncode == 0
    with viewing(link, cwd=tmp_path) as viewed, api_of(viewed) as api:
        assert api.get("/status")["totals"]["sessions"] == SESSIONS
        assert "'view' has no summary" in api.refused("/summary", 409)["error"]
        assert run_tapehead("show", link_of(viewed), cwd=tmp_path).returncode == 0
        refused = run_tapehead("summary", link_of(viewed), cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"tapehead: cannot read '{link_of(viewed).origin}': it answers with 409: 'view'")
    with running("serve", link, "-q", cwd=tmp_path) as again:
        assert again.stop() == 0
    assert not [line for line in again.lines if link.token in line]


# The command lines of the processes that are endpoints of tests.
LISTING = """
import pathlib
for each in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    try:
        line = each.read_text()
    except OSError:  # it has ended
        continue
    if "endpoint_process" in line and "LISTING" not in line:
        print("listed:", line)
"""


@pytest.mark.parametrize("proxy", [[], ["--proxy"]])
def test_an_endpoint_of_a_test_answers_from_a_journal(called: Command, proxy: list[str], tmp_path: Path) -> None:
    link = link_of(called)
    words = ["test", *proxy, "--fail-on", "never", "--out", "results", "--replay", link]
    done = run_tapehead(*words, "--", sys.executable, "-c", LISTING, "LISTING", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "results" / "summary.json").read_bytes())["recordings"] == [link.origin]
    if Path("/proc/self/cmdline").exists():
        assert "listed:" in done.stdout
    assert link.token not in done.stdout + done.stderr


def test_a_wrong_token_is_told_in_one_line_by_each_command(called: Command, tmp_path: Path) -> None:
    url = f"{link_of(called).origin}/#wrong-secret-of-a-test"
    for words in (["audit"], ["show"], ["view"], ["serve"], ["summary"], ["export", "--parquet", "tables"], ["import"]):
        done = run_tapehead(*words, url, cwd=tmp_path)

        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "its token is another one; pass the URL as tapehead printed it" in line
        assert "wrong-secret" not in done.stderr + done.stdout

    done = run_tapehead("test", "--replay", url, "--", "true", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "its token is another one" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["summary", "http:/127.0.0.1:9/#{}"],
        ["audit", "127.0.0.1:9/#{}"],
        ["audit", " http://127.0.0.1:9/#{}"],
        ["audit", "{samples}", "-o", "http://127.0.0.1:9/#{}"],
        ["audit", "{samples}", "--expect", "http://localhost:9/tapehead/v1/#{}"],
        ["audit", "{samples}", "--fail-on", "http://127.0.0.1:9/#{}"],
        ["schema", "http://127.0.0.1:9/#{}"],
        ["record", "--to", "http://127.0.0.1:9/#{}"],
    ],
)
def test_a_token_is_not_told_where_its_url_stands_for_something_else(words: list[str], tmp_path: Path) -> None:
    token = "secret-of-a-test_1.2"
    done = run_tapehead(*(word.format(token, samples=RECORDINGS_FOLDER) for word in words), cwd=tmp_path)

    assert done.returncode == 2
    assert ":9/" in done.stderr
    assert token not in done.stdout + done.stderr


@pytest.mark.parametrize("url", ["s3://bucket/one.json", "http://127.0.0.1:9/one.json#secret-of-a-test"])
def test_a_summary_at_another_url_is_not_read(url: str) -> None:
    done = run_tapehead("summary", url)

    assert done.returncode == 2
    assert done.stderr == (
        f"tapehead: cannot read '{url.partition('#')[0]}':"
        " expected a file, or http://127.0.0.1:PORT/#TOKEN of a replica that runs\n"
    )


def test_the_summary_so_far_becomes_that_of_the_end(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    with running("serve", RECORDING, "-q", *LIVE, "--fail-on", "error", "--summary", path, cwd=tmp_path) as command:
        with api_of(command) as api, httpx.Client() as player:
            before = api.get("/summary")
            play(player, command.url, event_of("play"), event_of("bogus"))
            api.get("/wait", until="calls:3", timeout=60)
            after = api.get("/summary")
        merged = run_tapehead("summary", link_of(command), "--json", "--fail-on", "error", cwd=tmp_path)
        command.stop()
    end = json.loads(path.read_bytes())

    assert (before["calls"], before["replay"]["hits"], before["audit"]["verdict"]) == (0, 0, "no session")
    assert {name: value for name, value in after.items() if name != "audit"} == {
        name: value for name, value in end.items() if name != "audit"
    }
    assert end["calls"] == 3
    assert end["audit"]["findings"]["error"]
    assert (merged.returncode, json.loads(merged.stdout)) == (1, end)


def test_record_has_a_summary_so_far_too(tmp_path: Path) -> None:
    with running("serve", "-q", cwd=tmp_path) as endpoint:
        words = ["record", "--to", endpoint.url, "-q", *LIVE, "--out", "out.jsonl", "--summary", "summary.json"]
        with running(*words, cwd=tmp_path) as command, api_of(command) as api, httpx.Client() as player:
            play(player, command.url, event_of("play"))
            told = api.get("/summary")
            merged = run_tapehead("summary", link_of(command), "--json", cwd=tmp_path)
            command.stop()
    end = json.loads((tmp_path / "summary.json").read_bytes())

    assert (told["exchanges"], told["lost"], told["is_whole"], told["recording"]) == (2, 0, True, "out.jsonl")
    assert (merged.returncode, json.loads(merged.stdout)) == (0, end)


def test_what_a_reset_has_removed_is_told(tmp_path: Path) -> None:
    with running("serve", "-q", *LIVE, cwd=tmp_path) as command, api_of(command) as api, httpx.Client() as player:
        play(player, command.url)
        api.send("POST", "/reset", {})
        play(player, command.url)
        link = link_of(command)
        shown = run_tapehead("show", link, cwd=tmp_path)
        merged = run_tapehead("summary", link, "--fail-on", "error", "--json", cwd=tmp_path)

    lacks = f"tapehead: '{link.origin}' lacks the calls from before its journal was reset\n"
    assert (shown.returncode, shown.stderr) == (0, lacks)
    assert (merged.returncode, merged.stderr) == (1, lacks)
    assert json.loads(merged.stdout)["audit"]["verdict"] == "incomplete"


def test_calls_that_memory_has_no_room_for_are_counted() -> None:
    journal = Journal(Limits(calls=2))
    for each in [opened("s1", start()), *(sent("s1", event("ping", at, at), at) for at in range(1, 5))]:
        journal.add(each, encode(each))
    journal.leave_out(None, 3)
    api = Api(journal, None, "serve", WaitLimit(), lambda _error: None, RunMetrics(journal, "serve", InternalErrors()))
    asked = ApiRequest(Query(QueryParams(), FILTERS), {})

    assert save_calls(api, asked).headers[MISSING_HEADER] == "6"
    journal.is_recorded = True  # so that those which the audit left out are there
    assert save_calls(api, asked).headers[MISSING_HEADER] == "3"


def test_lines_are_sent_in_pieces() -> None:
    lines = [b"x" * 100_000 + b"\n"] * 7
    pieces = list(join_lines(lines))

    assert b"".join(pieces) == b"".join(lines)
    assert [len(piece) // 100_000 for piece in pieces] == [3, 3, 1]
    assert max(map(len, pieces)) < PIECE_BYTES + 100_001
    assert list(join_lines([])) == []
