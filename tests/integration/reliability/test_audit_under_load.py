"""An audit beside a server under load: every call is answered and recorded, every session audited whole or named."""

import asyncio
import re
from collections import Counter
from pathlib import Path

import pytest

from support.captured_traffic import read
from support.many_players import EVENTS, SimulatedPlayer, distinct_recording, play_all
from support.processes import Command, running
from support.resend import write
from tapehead.auditor.recordings_audit import audit
from tapehead.interop.reader import read_recordings
from tapehead.recording.pipeline import words_of

PLAYERS, CONNECTIONS, SECONDS = 60, 60, 120.0
_LEFT_OUT = re.compile(r"(\d+) sessions? left out of the audit under load: (.+?)(?: and \d+ more)?$")


def played(folder: Path, *options: object) -> tuple[Command, list[SimulatedPlayer]]:
    """A server that many players have called at once, and that has ended; and the players."""
    recording = write(folder / "recording.jsonl", distinct_recording(20))
    players = [SimulatedPlayer(number, f"clip-{number % 10}") for number in range(PLAYERS)]
    with running("serve", recording, "--quiet", "--out", folder / "run.jsonl", *options) as opened:
        asyncio.run(asyncio.wait_for(play_all(opened.port, players, CONNECTIONS), SECONDS))
        opened.stop()
    return opened, players


def check_answers(folder: Path, players: list[SimulatedPlayer]) -> None:
    """Fail unless every call got its recorded answer, and is in the recording."""
    assert [player.wrong for player in players if player.wrong] == []
    calls = Counter(each.session for each in read(folder / "run.jsonl"))
    assert calls == {player.sid: 1 + len(EVENTS) for player in players}


def test_the_verdict_is_that_of_the_sessions_that_are_not_named(tmp_path: Path) -> None:
    opened, players = played(tmp_path)

    check_answers(tmp_path, players)
    left_out = [match for line in opened.lines if (match := _LEFT_OUT.search(line))]
    names = {name for match in left_out for name in match[2].split(", ")}
    assert names <= {player.sid for player in players}
    assert sum(int(match[1]) for match in left_out) == len(names)
    results = audit(read_recordings([tmp_path / "run.jsonl"], warn=pytest.fail))
    found = Counter(each.severity for result in results if result.id not in names for each in result.findings)
    assert found.total() > PLAYERS - len(names)
    assert any(line.endswith(f"run.jsonl: {words_of(found)}") for line in opened.lines)


def test_without_an_audit_the_findings_are_those_of_single_calls(tmp_path: Path) -> None:
    opened, players = played(tmp_path, "--no-audit")

    check_answers(tmp_path, players)
    found = Counter(each.severity for exchange in read(tmp_path / "run.jsonl") for each in exchange.findings)
    assert any(line.endswith(f"run.jsonl: {words_of(found)}") for line in opened.lines)
