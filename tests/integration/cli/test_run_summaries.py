"""The verdict of the audit in the summary of a run as JSON."""

from collections import Counter
from pathlib import Path

import httpx
import orjson
import pytest

from support.api_client import event_of, open_session
from support.live_client import RECORDING
from support.processes import TIMEOUT_SECONDS, run_tapehead, running
from support.upstream_server import upstream


@pytest.mark.parametrize("command", ["record", "replay", "serve"])
@pytest.mark.parametrize("fail_on", ["never", "error"])
def test_the_summary_has_the_verdict(command: str, fail_on: str, tmp_path: Path) -> None:
    summary, out = tmp_path / "summary.json", tmp_path / "run.jsonl"
    with upstream() as server:
        arguments: dict[str, list[object]] = {"record": ["--to", server.url], "replay": [RECORDING], "serve": []}
        options = ["--out", out, "--summary", summary, "--fail-on", fail_on, "-q"]
        with running(command, *arguments[command], *options) as opened, httpx.Client() as player:
            sid = open_session(player, opened.url)
            for event in ("play", "adStart"):
                player.post(f"{opened.url}/api/v1/sessions/{sid}/events", json=event_of(event))
            code = opened.stop()
    told = orjson.loads(summary.read_bytes())
    audited = orjson.loads(run_tapehead("audit", out, "--format", "json", "--fail-on", "never").stdout)
    found = Counter(finding["severity"] for session in audited["sessions"] for finding in session["findings"])

    assert code == (fail_on == "error")
    assert told["audit"] == {
        "verdict": "error",
        "sessions": 1,
        "findings": {name: found[name] for name in ("error", "warning", "info")},
        "left_out_sessions": 0,
        "fails": fail_on == "error",
    }
    if command == "record":
        assert {name: told[name] for name in ("recording", "exchanges", "lost", "is_whole")} == {
            "recording": str(out), "exchanges": 3, "lost": 0, "is_whole": True,
        }  # fmt: skip


@pytest.mark.parametrize(
    "arguments", [["serve"], ["serve", "--workers", "2"], ["replay", "--mode", "reverse:http://x.invalid"]]
)
@pytest.mark.parametrize("is_called", [True, False])
def test_a_simulation_tells_how_much_it_answered(arguments: list[str], is_called: bool, tmp_path: Path) -> None:
    """With `--strict`, a run without a call has failed."""
    summary = tmp_path / "summary.json"
    with (
        running(*arguments, "-q", "--strict", "--summary", summary) as opened,
        httpx.Client(timeout=TIMEOUT_SECONDS) as player,
    ):
        if is_called:
            sid = open_session(player, opened.url)
            player.post(f"{opened.url}/api/v1/sessions/{sid}/events", json=event_of("play"))
        code = opened.stop()
    told = orjson.loads(summary.read_bytes())

    assert code == (not is_called)
    assert (told["calls"], told["session_starts"]) == ((2, 1) if is_called else (0, 0))
    assert ("answered 2 calls: 1 session start" in opened.lines) == is_called


def test_without_a_session_or_an_audit_the_summary_says_so(tmp_path: Path) -> None:
    told = []
    for number, more in enumerate([[], ["--no-audit"]]):
        summary = tmp_path / f"{number}.json"
        with running("serve", "--summary", summary, *more) as opened:
            opened.stop()
        told.append(orjson.loads(summary.read_bytes())["audit"])

    assert (told[0]["verdict"], told[0]["sessions"], told[1]) == ("no session", 0, None)


@pytest.mark.parametrize(("path", "message"), [("no/such/s.json", "there is no folder"), ("out.jsonl", "out.jsonl")])
def test_a_summary_of_record_that_cannot_be_written_is_told_before_the_run(
    path: str, message: str, tmp_path: Path
) -> None:
    done = run_tapehead("record", "--to", "http://127.0.0.1:9", "--out", "out.jsonl", "--summary", path, cwd=tmp_path)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert message in done.stderr
