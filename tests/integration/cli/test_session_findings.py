"""Findings of sessions on the terminal of a process that players call, and at the end those of the audit."""

import re
import shutil
from collections import Counter
from pathlib import Path

import httpx
import pytest

from support.api_client import api_of, event_of
from support.captured_traffic import read
from support.exchanges import event, start
from support.live_client import LIVE, play
from support.paths import RECORDINGS_FOLDER
from support.processes import running
from support.resend import resend
from support.upstream_server import upstream
from tapehead.auditor.recordings_audit import audit
from tapehead.interop.reader import read_recordings

MISTAKES = RECORDINGS_FOLDER / "mistakes.jsonl"
_RULE = re.compile(r"\b(?:error|warning|info) +([a-z-]+): ")


def printed(lines: list[str]) -> Counter[str]:
    """The rules of the findings in some lines."""
    return Counter(match[1] for line in lines if "withdrawn: " not in line and (match := _RULE.search(line)))


def withdrawn(lines: list[str]) -> Counter[str]:
    """The rules of the findings that were withdrawn in some lines."""
    return Counter(match[1] for line in lines if "withdrawn: " in line and (match := _RULE.search(line)))


def audited(path: Path) -> Counter[str]:
    results = audit(read_recordings([path], warn=pytest.fail))
    return Counter(finding.rule for result in results for finding in result.findings)


def test_a_recorder_prints_what_the_audit_of_all_bundled_recordings_finds(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as endpoint, running("record", "--to", endpoint.url, "--out", out) as proxy:
        with httpx.Client() as player:
            for path in sorted(RECORDINGS_FOLDER.glob("*.jsonl")):
                resend(player, proxy.url, read(path))
        proxy.stop()

    told, found = printed(proxy.lines) - withdrawn(proxy.lines), audited(out)
    assert len(found) > 20
    assert told >= found
    # A finding of the call alone is printed with each, where the audit may have one of all.
    at_once = {each.rule for exchange in read(out) for each in exchange.findings}
    assert {rule: number for rule, number in told.items() if rule not in at_once} == {
        rule: number for rule, number in found.items() if rule not in at_once
    }


@pytest.mark.parametrize("keys", [("one", "one"), ("one", "two")])
def test_a_recorder_and_the_audit_of_its_recording_compare_sessions_of_one_key(
    keys: tuple[str, str], tmp_path: Path
) -> None:
    """One visitor's second session, while the first one still plays: a restart, but not in another test."""
    out, sids = tmp_path / "a.jsonl", iter(["a" * 64, "b" * 64])
    with (
        upstream(location=lambda: f"/api/v1/sessions/{next(sids)}") as endpoint,
        running("record", "--to", endpoint.url, "--out", out) as proxy,
    ):
        with httpx.Client() as player:
            for key in keys:
                opened = player.post(f"{proxy.url}/api/v1/sessions", json=start(), headers={"X-Tapehead-Key": key})
                events = f"{proxy.url}{opened.headers['Location']}/events"
                for at, event_type in enumerate(("play", "ping", "ping")):
                    assert player.post(events, json=event(event_type, at, at)).status_code == 204
        proxy.stop()

    assert ("session-restarted" in audited(out)) == (keys[0] == keys[1])
    at_once = {each.rule for exchange in read(out) for each in exchange.findings}
    live, found = (
        Counter({r: n for r, n in c.items() if r not in at_once}) for c in (printed(proxy.lines), audited(out))
    )
    assert live == found


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_a_server_prints_what_the_audit_of_all_bundled_recordings_finds(command: str, tmp_path: Path) -> None:
    out, paths = tmp_path / "a.jsonl", sorted(RECORDINGS_FOLDER.glob("*.jsonl"))
    with running(command, *paths, "--on-miss", "simulate", "--out", out) as server:
        with httpx.Client() as player:
            for path in paths:
                resend(player, server.url, read(path))
        server.stop()

    assert len(audited(out)) > 20
    assert printed(server.lines) - withdrawn(server.lines) == audited(out)


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_a_server_prints_findings_and_the_verdict(command: str, tmp_path: Path) -> None:
    recording = Path(shutil.copy(MISTAKES, tmp_path))
    with running(command, recording) as server:
        with httpx.Client() as player:
            resend(player, server.url, read(MISTAKES))
        server.stop()

    assert {"ad-outside-break", "event-after-end", "missing-parameter"} <= printed(server.lines).keys()
    assert any(line.startswith("audit of ") for line in server.lines)


def test_after_a_reset_findings_are_printed_and_the_verdict_is_on_all() -> None:
    sids = []
    with running("serve", "--fail-on", "error", *LIVE) as server, httpx.Client() as player, api_of(server) as api:
        for event_type in ("adComplete", "chapterComplete", "play"):
            sids.append(play(player, server.url, event_of(event_type), event_of("sessionEnd")))
            api.get("/findings")
            api.send("POST", "/reset", {})
        shown = api.get("/findings")["findings"]
        assert server.stop() == 1

    assert shown == []
    lines = [re.sub(r"\x1b\[\d*m", "", line) for line in server.lines]
    told = [printed([line for line in lines if sid[:8] in line]) for sid in sids]
    assert (told[0]["ad-not-open"], told[1]["chapter-not-open"]) == (1, 1)
    (verdict,) = (line for line in lines if line.startswith("audit of "))
    assert verdict.startswith("audit of 3 sessions: 5 errors")


@pytest.mark.parametrize("options", [["--no-audit"], ["--quiet"]])
def test_nothing_is_printed_without_an_audit_or_if_it_is_to_be_quiet(options: list[str], tmp_path: Path) -> None:
    with (
        upstream() as endpoint,
        running("record", "--to", endpoint.url, "--out", tmp_path / "a.jsonl", *options) as proxy,
    ):
        with httpx.Client() as player:
            resend(player, proxy.url, read(MISTAKES))
        proxy.stop()

    assert "ad-outside-break" not in printed(proxy.lines)
