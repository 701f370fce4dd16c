"""Workers play what their parent has copied of an object store, also those that start once it is gone."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest
from msgspec import structs

from support.object_stores import KEY_ID, running_store
from support.paths import RECORDINGS_FOLDER
from support.processes import TIMEOUT_SECONDS, running, workers_of
from support.sessions import make_exchange
from tapehead import read_recordings
from tapehead.protocol.exchange import encode
from tapehead.protocol.messages import Response
from tapehead.protocol.routes import Call

RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"
SCHEMA = b'{"title":"stored beside the recording"}'
PATH = "/api/v1/schemas/play"


def stored_schema() -> bytes:
    call = make_exchange(PATH, b"", call=Call.SCHEMA, sid=None)
    return encode(structs.replace(call, response=Response(status=200, headers=[]).with_content(SCHEMA)))


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_a_worker_that_starts_while_the_store_is_down_plays_the_same(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = next(entry.exchange for entry in read_recordings([RECORDING]))
    with running_store() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        bucket = store.bucket()
        bucket.put("runs/schemas.jsonl", stored_schema())
        url = bucket.put("runs/one.jsonl", RECORDING.read_bytes())
        with running(command, url, "--workers", "2", cwd=tmp_path) as opened:
            first = workers_of(opened.process.pid)
            store.process.kill()
            store.process.wait()
            for pid in first:
                os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + TIMEOUT_SECONDS
            while len(set(workers_of(opened.process.pid)) - set(first)) < 2:
                assert time.monotonic() < deadline, opened.lines
                time.sleep(0.05)
            with httpx.Client(base_url=opened.url, timeout=60) as player:
                schemas = {player.get(PATH).content for _ in range(8)}
                answer = player.post("/api/v1/sessions", content=start.request.content())
            assert opened.stop() == 1  # for the workers that died

    assert (answer.status_code, schemas) == (201, {SCHEMA})
    assert not any("cannot" in line or KEY_ID in line for line in opened.lines)
