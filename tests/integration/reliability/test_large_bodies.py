"""A large body takes long to check: no other call waits for it, and the disk is not blamed."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.load import bare
from support.load import LoadGenerator, event_of, numbers_in
from support.processes import TIMEOUT_SECONDS, Command, running

# The checks of a large body begin, and take until the flag is gone.
SLOW = """
import time
from pathlib import Path
from tapehead.recording import pipeline as module
flag, begun, whole = Path({flag!r}), Path({begun!r}), module.check_exchange
def slow(call, request, *others, **named):
    if len(request.content()) > 1_000_000:
        begun.touch()
        while flag.exists():
            time.sleep(0.02)
    return whole(call, request, *others, **named)
module.check_exchange = slow
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Command]:
    with bare() as opened:
        yield opened


def test_others_do_not_wait_for_a_large_body(server: Command, tmp_path: Path) -> None:
    out, flag, begun, answered = tmp_path / "a.jsonl", tmp_path / "flag", tmp_path / "begun", threading.Event()
    flag.touch()

    def send_large(url: str) -> None:
        body = event_of(0, 2_000_000)
        httpx.post(f"{url}/api/v1/sessions/abc/events", content=body, timeout=TIMEOUT_SECONDS).raise_for_status()
        answered.set()

    command = "record", "-q", "--to", server.url, "--out", out
    with running(*command, broken=SLOW.format(flag=str(flag), begun=str(begun))) as proxy:
        large = threading.Thread(target=send_large, args=(proxy.url,))
        large.start()
        while not begun.exists():
            threading.Event().wait(0.02)
        load = LoadGenerator(proxy.port, range(1, 40))
        load.play(4)
        assert sorted(load.answered) == list(range(1, 40))
        assert sorted(numbers_in(out)) == list(range(1, 40))
        assert not answered.is_set()
        flag.unlink()
        large.join(TIMEOUT_SECONDS)
        assert proxy.stop() == 0
    assert answered.is_set()
    assert sorted(numbers_in(out)) == list(range(40))
    assert [line for line in proxy.lines if line.startswith("tapehead: ")] == []
