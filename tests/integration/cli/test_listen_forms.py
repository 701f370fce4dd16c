"""--listen in the forms in which people write it, in each command that listens."""

from pathlib import Path

import httpx
import pytest

from support.exchanges import session
from support.processes import running
from support.resend import write
from support.upstream_server import free_port


@pytest.mark.parametrize("form", ["{}", ":{}", "localhost:{}", "[::1]:{}"])
@pytest.mark.parametrize("command", ["record", "replay", "serve"])
def test_the_address_is_listened_on(command: str, form: str, tmp_path: Path) -> None:
    recording = write(tmp_path / "a.jsonl", session("s1", [(0, 0, "play", {})]))
    arguments = {
        "record": ("--to", f"http://127.0.0.1:{free_port()}", "--out", tmp_path / "b.jsonl"),
        "replay": (recording,),
        "serve": (),
    }
    port = free_port()
    with running(command, *arguments[command], listen=form.format(port)) as server:
        host = "[::1]" if "::1" in form else "127.0.0.1"
        assert server.url == f"http://{host}:{port}"
        assert httpx.post(f"http://{host}:{port}/api/v1/sessions", json={}).status_code in (201, 400, 502)
