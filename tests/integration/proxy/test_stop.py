"""The end of a proxy: players that send call after call are not cut in the middle of one."""

import threading
from pathlib import Path

import httpx
import pytest

from bench.load import bare
from support.load import event_of, numbers_in
from support.paths import RECORDINGS_FOLDER
from support.processes import TIMEOUT_SECONDS, Command, running

PLAYERS = 6


class Player:
    """A player that sends until it can no longer connect.

    Attributes:
        answered: how many calls were answered.
        failed: how a call ended that was sent and not answered.
    """

    def __init__(self, command: Command, number: int, *, http2: bool = False) -> None:
        self.answered: list[int] = []
        self.failed = ""
        self._url = command.url
        self._number = number
        self._http2 = http2
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def _play(self) -> None:
        http1, http2 = not self._http2, self._http2
        with httpx.Client(base_url=self._url, timeout=TIMEOUT_SECONDS, http1=http1, http2=http2) as client:
            for number in range(self._number, 1_000_000, PLAYERS):
                try:
                    client.post("/api/v1/sessions/abc/events", content=event_of(number))
                except httpx.ConnectError:
                    return
                except httpx.HTTPError as error:
                    self.failed = repr(error)
                    return
                self.answered.append(number)

    def wait(self) -> None:
        """Wait until it is done."""
        self._thread.join(TIMEOUT_SECONDS)
        assert not self._thread.is_alive()


def play_and_stop(command: Command, *, http2: bool) -> list[Player]:
    """Stop a command under load; its players when they have noticed."""
    players = [Player(command, number, http2=http2) for number in range(PLAYERS)]
    while not all(len(player.answered) > 5 for player in players):
        threading.Event().wait(0.02)
    assert command.stop() == 0
    for player in players:
        player.wait()
    return players


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
@pytest.mark.parametrize("command", ["record", "replay"])
def test_no_call_is_cut_by_the_end(command: str, http2: bool, tmp_path: Path) -> None:
    out, recording = tmp_path / "a.jsonl", RECORDINGS_FOLDER / "timeline-1.jsonl"
    with bare() as server:
        arguments = ["--to", server.url, "--out", out] if command == "record" else [recording]
        with running(command, "-q", *arguments) as proxy:
            players = play_and_stop(proxy, http2=http2)

    assert [player.failed for player in players] == [""] * PLAYERS
    if command == "record":
        assert sorted(numbers_in(out)) == sorted(number for player in players for number in player.answered)
