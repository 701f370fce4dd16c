"""A large body takes long to check: no other call waits for it, and the disk is not blamed."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.load import bare
from support.load import LoadGenerator, event_of, numbers_in
from support.processes import TIMEOUT_SECONDS, Command, running

# The checks of a large body, or the search for identifiers in it, begin, and take until the flag is gone. Answers wait
# until their calls are stored, on a busy machine, too: other calls that waited for the large one would be noticed.
SLOW_CHECKS = """
import time
from tapehead.recording import writer
writer.TIMEOUT_SECONDS = writer.LARGE_TIMEOUT_SECONDS = 60
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
SLOW_REDACTION = """
import time
from tapehead.recording import writer
writer.TIMEOUT_SECONDS = writer.LARGE_TIMEOUT_SECONDS = 60
from pathlib import Path
from tapehead.redaction.redactor import Redactor
flag, begun, whole = Path({flag!r}), Path({begun!r}), Redactor.redact
def slow(self, exchange):
    if len(exchange.request.content()) > 1_000_000:
        begun.touch()
        while flag.exists():
            time.sleep(0.02)
    return whole(self, exchange)
Redactor.redact = slow
"""
# The end waits for a shorter time, and large bodies take longer.
SLOW_END = """
import time
from tapehead.recording import writer
from tapehead.redaction.redactor import Redactor
whole, writer.CLOSE_SECONDS, writer.LARGE_TIMEOUT_SECONDS = Redactor.redact, 0.3, 0.1
def slow(self, exchange):
    if len(exchange.request.content()) > 50_000:
        time.sleep(0.5)
    return whole(self, exchange)
Redactor.redact = slow
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Command]:
    with bare() as opened:
        yield opened


@pytest.mark.parametrize("slow", [SLOW_CHECKS, SLOW_REDACTION], ids=["checks", "redaction"])
def test_others_do_not_wait_for_a_large_body(slow: str, server: Command, tmp_path: Path) -> None:
    out, flag, begun, answered = tmp_path / "a.jsonl", tmp_path / "flag", tmp_path / "begun", threading.Event()
    flag.touch()

    def send_large(url: str) -> None:
        body = event_of(0, 2_000_000)
        httpx.post(f"{url}/api/v1/sessions/large/events", content=body, timeout=TIMEOUT_SECONDS).raise_for_status()
        answered.set()

    command = "record", "-q", "--to", server.url, "--out", out
    with running(*command, broken=slow.format(flag=str(flag), begun=str(begun))) as proxy:
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


def test_large_bodies_that_wait_are_recorded_at_the_end(server: Command, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with running("record", "-q", "--to", server.url, "--out", out, broken=SLOW_END) as proxy:
        load = LoadGenerator(proxy.port, range(6), 100_000)
        load.play(6)
        assert proxy.stop() == 0
    assert sorted(numbers_in(out)) == sorted(load.answered) == list(range(6))
    (told,) = (line for line in proxy.lines if line.startswith("tapehead: "))
    assert "a large call takes long to check; responses of its session do not wait for it" in told


def test_the_next_calls_of_its_session_know_the_identifiers_in_a_large_body(server: Command, tmp_path: Path) -> None:
    out, secret = tmp_path / "a.jsonl", "visitor-17-of-nobody"
    params = {"visitor": {"customerIDs": {"shop": {"id": secret}}}}
    with running("record", "-q", "--to", server.url, "--out", out, broken=SLOW_END) as proxy:
        with httpx.Client(base_url=proxy.url, timeout=TIMEOUT_SECONDS) as player:
            for metadata in ({"filler": "x" * 100_000}, {"note": secret}):
                event = {"eventType": "ping", "params": params, "customMetadata": metadata}
                player.post("/api/v1/sessions/large/events", json=event).raise_for_status()
                params = {}
        assert proxy.stop() == 0
    assert secret not in out.read_text()
    assert len(out.read_text().splitlines()) == 2
