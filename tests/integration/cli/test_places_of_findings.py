"""Findings of a run that adds to a recording, or fills several files: those of the audit, with file and line."""

import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from support.api_client import ApiClient, api_of, event_of, open_session
from support.live_client import LIVE
from support.processes import TIMEOUT_SECONDS, Command, running
from support.upstream_server import upstream
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionFinding
from tapehead.interop.reader import read_recordings

Found = Counter[tuple[str, str, str, str, int | None]]


def play(player: httpx.Client, url: str, sid: str, *types: str) -> None:
    for event_type in types:
        player.post(f"{url}/api/v1/sessions/{sid}/events", json=event_of(event_type))


def told(api: ApiClient) -> Found:
    """The findings of a run, once each has its place."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        rows = api.get("/findings")["findings"]
        if all(row["line"] for row in rows) or time.monotonic() > deadline:
            return Counter(
                (row["rule"], row["severity"], row["message"], row["recording"], row["line"]) for row in rows
            )
        time.sleep(0.05)


def audited(*paths: Path) -> list[SessionFinding]:
    results = audit(read_recordings(paths, warn=pytest.fail))
    return [finding for result in results for finding in result.findings]


def places(found: list[SessionFinding]) -> Found:
    return Counter((each.rule, each.severity, each.message, each.recording, each.line) for each in found)


def verdict(opened: Command) -> str:
    """What the summary says of findings."""
    return next(line for line in opened.lines if line.startswith("recorded ")).rpartition(": ")[2]


def words(found: list[SessionFinding]) -> str:
    counts = Counter(each.severity for each in found)
    parts = [f"{counts[each]} {each}{'s' * (counts[each] != 1)}" for each in ("error", "warning", "info")]  # type: ignore[index]
    return ", ".join(part for part in parts if not part.startswith("0 ")) or "no findings"


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst"])
def test_a_session_goes_on_in_a_recording_that_is_added_to(name: str, tmp_path: Path) -> None:
    out = tmp_path / name
    with upstream() as endpoint, httpx.Client() as player:
        with running("record", "--to", endpoint.url, "--out", out) as first:
            sid = open_session(player, first.url)
            play(player, first.url, sid, "play", "adStart", "adBreakStart", "sessionEnd")
            first.stop()
        before = len(list(read_recordings([out], warn=pytest.fail)))
        assert any(each.rule == "ad-outside-break" for each in audited(out))

        with running("record", "--to", endpoint.url, "--out", out, "--append", *LIVE) as second:
            play(player, second.url, sid, "play")
            again = open_session(player, second.url)
            play(player, second.url, again, "adStart", "sessionEnd")
            with api_of(second) as api:
                found = told(api)
            second.stop()

    own = [each for each in audited(out) if each.line > before]
    assert {"event-after-end", "ad-outside-break"} <= {each.rule for each in own}
    assert found == places(own)
    assert verdict(second) == words(own)


def test_a_session_that_goes_on_has_no_finding_of_its_own_if_it_is_right(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as endpoint, httpx.Client() as player:
        with running("record", "--to", endpoint.url, "--out", out) as first:
            sid = open_session(player, first.url)
            play(player, first.url, sid, "play")
            first.stop()
        with running("record", "--to", endpoint.url, "--out", out, "--append", *LIVE) as second:
            play(player, second.url, sid, "ping", "sessionComplete", "sessionEnd")
            with api_of(second) as api:
                found = told(api)
            second.stop()

    own = [each for each in audited(out) if each.line > 2]
    assert found == places(own)
    assert verdict(second) == words(own)


def test_findings_stay_with_their_calls_when_files_are_full(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with upstream() as endpoint, httpx.Client() as player:
        command = ("record", "--to", endpoint.url, "--out", folder / "a.jsonl", "--rotate", "3KB", *LIVE)
        with running(*command) as opened:
            for _ in range(3):
                sid = open_session(player, opened.url)
                play(player, opened.url, sid, "adStart", "play", "adBreakStart", "ping", "sessionEnd", "play")
            with api_of(opened) as api:
                found = told(api)
            opened.stop()

    files = sorted(folder.glob("*.jsonl"))
    assert len(files) > 3
    own = audited(*files)
    assert len({each.recording for each in own}) > 2
    assert found == places(own)
    assert verdict(opened) == words(own)


def test_a_session_goes_on_from_a_file_that_is_full(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with upstream() as endpoint, httpx.Client() as player:
        command = ("record", "--to", endpoint.url, "--out", folder / "a.jsonl", "--rotate", "1KB")
        with running(*command) as first:
            sid = open_session(player, first.url)
            play(player, first.url, sid, "sessionEnd")
            first.stop()
        with running(*command, "--append", *LIVE) as second:
            play(player, second.url, sid, "play")
            with api_of(second) as api:
                found = told(api)
            second.stop()

    assert {place[0] for place in found} >= {"event-after-end"}
    assert found <= places(audited(*folder.glob("*.jsonl")))
