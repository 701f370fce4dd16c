"""What silence shows: on the terminal and over the HTTP API without a further call, until one takes it back."""

from pathlib import Path

import httpx

from support.api_client import api_of, event_of, open_session
from support.processes import running

SILENT = "play: no event has come for more than 2 s"


def test_a_gap_is_told_while_it_lasts_and_withdrawn_or_confirmed_then(tmp_path: Path) -> None:
    (tmp_path / "tapehead.toml").write_text("[thresholds]\nping-gap-seconds = 2\n")
    words = ["serve", "--verbose", "--live", "0", "--out", "a.jsonl"]
    with running(*words, cwd=tmp_path) as server, httpx.Client(timeout=30) as player, api_of(server) as api:
        sid = open_session(player, server.url)
        player.post(f"{server.url}/api/v1/sessions/{sid}/events", json=event_of("play"))
        line = server.wait_for(lambda line: SILENT in line)
        assert f"  {sid[:8]}  provisional: warning ping-gap: " in line
        gap = next(each for each in api.get("findings", rule="ping-gap")["findings"] if SILENT in each["message"])
        assert (gap["state"], gap["session"]) == ("provisional", sid)
        assert api.get("status")["totals"]["calls"] == 2

        player.post(f"{server.url}/api/v1/sessions/{sid}/events", json=event_of("sessionEnd"))
        found = api.get("findings", rule="ping-gap")["findings"]
        later = next(each for each in found if each["number"] == gap["number"])
        assert later["event"]["type"] == "sessionEnd"
        assert SILENT not in later["message"]
        server.stop()

    told = [line for line in server.lines if "ping-gap: sessionEnd: " in line]
    assert ["provisional: " in line for line in told][-1] is False
    assert not any("withdrawn" in line for line in server.lines)
