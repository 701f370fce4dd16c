"""Sessions that a recorder continues with `--append`: their rows have the names from the calls of the run before."""

from pathlib import Path

import httpx
import pytest

from support.api_client import api_of, event_of, open_session
from support.processes import running


@pytest.mark.parametrize("options", [[], ["--no-audit"]])
def test_a_continued_session_has_its_names_and_state(options: list[str], tmp_path: Path) -> None:
    words = ["--out", tmp_path / "a.jsonl", "--live", "0", "--append", *options]
    with running("serve") as endpoint, httpx.Client(timeout=30) as player:
        with running("record", "--to", endpoint.url, *words) as before, api_of(before) as api:
            sid = open_session(player, before.url)
            for event_type in ("play", "pauseStart"):
                player.post(f"{before.url}/api/v1/sessions/{sid}/events", json=event_of(event_type))
            (first,) = api.get("sessions")["sessions"]
            before.stop()
        with running("record", "--to", endpoint.url, *words) as after, api_of(after) as api:
            player.post(f"{after.url}/api/v1/sessions/{sid}/events", json=event_of("ping"))
            player.post(f"{after.url}/api/v1/sessions/unknown/events", json=event_of("ping"))
            again, unknown = api.get("sessions")["sessions"]
            after.stop()

    names = ("content", "content_id", "player", "channel", "state")
    assert first["content"] or first["content_id"]
    assert first["state"] == "paused"
    assert {name: again[name] for name in names} == {name: first[name] for name in names}
    assert again["events"] == 1
    assert (unknown["content"], unknown["player"]) == ("", "")
