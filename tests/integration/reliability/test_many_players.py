"""Many players at once, and tapehead killed under them: each gets the answers of its own session, and no others."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from support.many_players import EVENTS, SimulatedPlayer, connections_to, distinct_recording, play_all
from support.processes import Command, running
from support.resend import COMMANDS, assert_all_hits, write

SESSIONS, TAKES = 20, 2
SECONDS = 60.0


@pytest.mark.parametrize(("command", "players", "connections"), [("replay", 50, 150), ("serve", 500, 600)])
def test_no_answer_is_crossed_among_many_players(command: str, players: int, connections: int, tmp_path: Path) -> None:
    """Interleaved, with the events of a burst in flight together and out of order."""
    recording = write(tmp_path / "telling.jsonl", distinct_recording(SESSIONS, TAKES))
    summary = tmp_path / "summary.json"
    viewers = [SimulatedPlayer(number, f"clip-{number % (SESSIONS // TAKES)}") for number in range(players)]
    with running(command, recording, "--strict", "-q", "--summary", summary) as opened:
        asyncio.run(asyncio.wait_for(play_all(opened.port, viewers, connections), SECONDS))
        assert opened.stop() == 0

    assert [viewer.wrong for viewer in viewers if viewer.wrong] == []
    assert len({viewer.sid for viewer in viewers}) == players
    assert all(viewer.follows // TAKES == number % 10 for number, viewer in enumerate(viewers))
    turns = Counter(viewer.follows for viewer in viewers)
    assert max(turns.values()) - min(turns.values()) <= 1
    assert_all_hits(summary, players * (1 + len(EVENTS)))


async def play_parts(port: int, viewers: list[SimulatedPlayer], first: list[int], end: list[int]) -> None:
    """Each viewer's events from its own first to before its own end."""
    async with connections_to(port, 3 * len(viewers)) as lines:
        parts = zip(viewers, first, end, strict=True)
        await asyncio.gather(*(viewer.play(lines, *part) for viewer, *part in parts))


def killed(opened: Command) -> str:
    """Kill -9; the address that was listened on."""
    opened.process.kill()
    opened.process.wait()
    return f"127.0.0.1:{opened.port}"


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_and_started_again_in_the_middle_all_playbacks_end_as_recorded(command: str, tmp_path: Path) -> None:
    """Each of 20 players is at another place when it happens, many within a burst; a 410 comes at the very end."""
    recording = write(tmp_path / "telling.jsonl", distinct_recording(SESSIONS, TAKES))
    viewers = [SimulatedPlayer(number, f"clip-{number % 10}") for number in range(20)]
    reached = [number % len(EVENTS) for number in range(20)]
    with running(command, recording, "-q") as first:
        asyncio.run(play_parts(first.port, viewers, [0] * 20, reached))
        listen = killed(first)
    with running(command, recording, "-q", "--summary", tmp_path / "summary.json", listen=listen) as second:
        asyncio.run(play_parts(second.port, viewers, reached, [len(EVENTS)] * 20))
        assert second.stop() == 0

    assert [viewer.wrong for viewer in viewers if viewer.wrong] == []
