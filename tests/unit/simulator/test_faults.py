"""Faults and latency on demand: what the words mean, which calls are struck, what a client sees."""

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import msgspec
import orjson
import pytest

from support.exchanges import NOW, Step, event, request, response, sent, session, start
from support.processes import TIMEOUT_SECONDS, run_tapehead, running
from support.resend import COMMANDS, resend, summary_of, write
from tapehead.answers import Answer
from tapehead.errors import UsageError
from tapehead.protocol.messages import Request
from tapehead.protocol.routes import sid_of_location
from tapehead.simulator.faults import (
    ANY,
    FAULT_PATTERN,
    Fault,
    FaultInjector,
    Latency,
    fault_name,
    parse_fault,
    parse_latency,
)

# ---- What the words mean ----

GOOD = [
    ("session=500", Fault("session", ANY, status=500)),
    ("event=drop", Fault("event", ANY, drop=True)),
    ("*=503", Fault(ANY, ANY, status=503)),
    ("event:ping=410", Fault("event", "ping", status=410)),
    ("event:*=404", Fault("event", ANY, status=404)),
    ("event:ping:3=410", Fault("event", "ping", first=3, last=3, status=410)),
    ("event:ping:3+=410", Fault("event", "ping", first=3, status=410)),
    ("event:*:/5=cut", Fault("event", ANY, step=5, cut=True)),
    ("event:20%=drop", Fault("event", ANY, share=0.2, drop=True)),
    ("event:play:12.5%=500", Fault("event", "play", share=0.125, status=500)),
    ("session:2=delay:1500", Fault("session", ANY, first=2, last=2, delay_ms=1500)),
    ("event:adStart=500+delay:2000", Fault("event", "adStart", status=500, delay_ms=2000)),
    ("session=drop+delay:10", Fault("session", ANY, drop=True, delay_ms=10)),
    ("session=400+cut", Fault("session", ANY, status=400, cut=True)),
    ("preflight=500", Fault("preflight", ANY, status=500)),
    ("schema=404", Fault("schema", ANY, status=404)),
    ("downloaded=400", Fault("downloaded", ANY, status=400)),
]


@pytest.mark.parametrize(("text", "fault"), GOOD, ids=[text for text, _ in GOOD])
def test_a_fault_reads_as_documented(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize("text", [text for text, _ in GOOD])
def test_the_pattern_of_faults_matches_what_is_parsed(text: str) -> None:
    assert re.search(FAULT_PATTERN, text)


BAD = [
    ("ping", "expected WHERE=WHAT"),
    ("", "expected WHERE=WHAT"),
    ("=410", "expected WHERE=WHAT"),
    ("event:ping:x=410", "expected WHERE=WHAT"),
    ("event:ping:3:4=410", "expected WHERE=WHAT"),
    ("evnt:ping=410", "unknown call 'evnt'; did you mean event"),
    ("event:pong=410", "unknown event type 'pong'; did you mean ping"),
    ("event:ping:0=410", "expected 1 or more"),
    ("event:ping:/0=410", "expected 1 or more"),
    ("event:120%=410", "120% is more than 100%"),
    ("event:ping=", "unknown effect ''"),
    ("event:ping=gone", "unknown effect 'gone'; expected a status, drop, cut or delay:MS"),
    ("event:ping=99", "unknown effect '99'"),
    ("event:ping=600", "unknown effect '600'"),
    ("event:ping=410+", "unknown effect ''"),
    ("event:ping=delay", "unknown effect 'delay'"),
    ("event:ping=delay:-5", "unknown effect 'delay:-5'"),
    ("event:ping=delay:" + "9" * 5000, "unknown effect 'delay:99"),
    ("event:ping:" + "9" * 5000 + "=410", "expected WHERE=WHAT"),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=[text[:40] or "nothing" for text, _ in BAD])
def test_what_is_no_fault_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(UsageError, match="--fault") as refused:
        parse_fault(text)

    assert said in str(refused.value)
    assert text in str(refused.value)
    assert not re.search(FAULT_PATTERN, text)


@pytest.mark.parametrize(
    ("text", "latency"),
    [("recorded", Latency(0, 0, recorded=True)), ("250", Latency(250, 250)), ("50-400", Latency(50, 400))],
)
def test_a_latency_reads_as_documented(text: str, latency: Latency) -> None:
    assert parse_latency(text) == latency


@pytest.mark.parametrize("text", ["", "fast", "-5", "400-50", "1.5", "5-", "recorded-5", "9" * 5000])
def test_what_is_no_latency_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected milliseconds, MIN-MAX or 'recorded'"):
        parse_latency(text)


@pytest.mark.parametrize("effect", ["410", "drop", "cut", "delay:5", "500+delay:2000", "400+cut+delay:1"])
def test_a_fault_is_named_in_the_words_in_which_it_was_given(effect: str) -> None:
    assert fault_name(parse_fault(f"event={effect}")) == effect


@pytest.mark.parametrize(("option", "text"), [("--fault", "evnt=410"), ("--latency", "fast")])
@pytest.mark.parametrize("command", ["replay", "serve"])
def test_the_command_line_refuses_it_in_one_line(command: str, option: str, text: str, tmp_path: Path) -> None:
    done = run_tapehead(command, write(tmp_path / "one.jsonl", session("recorded", [])), option, text)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"tapehead: invalid {option} '{text}")
    assert len(done.stderr.splitlines()) == 1


# ---- Which calls are struck ----


class Fine:
    """An engine that answers everything, and counts."""

    def __init__(self) -> None:
        self.asked = 0

    def answer(self, _request: Request, _now: float) -> Answer:
        self.asked += 1
        return Answer(response=response(204, content=b""), recorded_ms=40)


def faults_injected(fault: str, *asked: Request) -> list[bool]:
    """Which of some requests a fault strikes."""
    faulty = FaultInjector(Fine(), [parse_fault(fault)])
    return [faulty.answer(each, NOW).response != response(204) for each in asked]


def of(event_type: str, sid: str = "one") -> Request:
    return request(event(event_type), f"/api/v1/sessions/{sid}/events")


PINGS = [of("ping")] * 6
STRUCK: list[tuple[str, list[Request], str]] = [
    ("event:ping=410", [of("play"), of("ping"), request(start()), of("ping")], "-x-x"),
    ("event:ping:3=410", PINGS, "--x---"),
    ("event:ping:3+=410", PINGS, "--xxxx"),
    ("event:ping:/2=410", PINGS, "-x-x-x"),
    ("event:*:/3=410", [of("play"), of("ping"), of("ping"), of("play"), of("ping"), of("ping")], "--x--x"),
    ("event:ping:2=410", [of("play"), of("ping"), of("play"), of("ping")], "---x"),
    ("event:ping:2=410", [of("ping", "a"), of("ping", "b"), of("ping", "a"), of("ping", "b")], "--xx"),
    ("session=500", [request(start()), of("play"), request(start())], "x-x"),
    ("session:2=500", [request(start())] * 3, "-x-"),
    ("session:50%=500", [request(start())] * 6, "-x-x-x"),
    ("event:0%=500", PINGS, "------"),
    ("event:100%=500", PINGS, "xxxxxx"),
    ("*=500", [request(start()), of("play"), request(path="/api/v1/schemas/play", method="GET")], "xxx"),
    ("*=500", [request(path="/player.html", method="GET")], "-"),
    ("preflight=500", [request(method="OPTIONS"), request(start())], "x-"),
    ("session=500", [request(method="OPTIONS"), request(start())], "-x"),
]


@pytest.mark.parametrize(("fault", "asked", "expected"), STRUCK, ids=[f"{one} {third}" for one, _, third in STRUCK])
def test_a_fault_strikes_what_it_names(fault: str, asked: list[Request], expected: str) -> None:
    assert "".join("x" if each else "-" for each in faults_injected(fault, *asked)) == expected


def test_a_share_strikes_whole_sessions_about_that_many() -> None:
    asked = [of("ping", f"session-{number}") for number in range(1000) for _ in range(3)]
    strikes = faults_injected("event:20%=410", *asked)

    sessions = [strikes[first : first + 3] for first in range(0, len(strikes), 3)]
    assert all(len(set(each)) == 1 for each in sessions)
    assert 140 < sum(each[0] for each in sessions) < 260


def test_of_several_faults_the_first_that_strikes_counts() -> None:
    faulty = FaultInjector(Fine(), [parse_fault("event:ping:2=404"), parse_fault("event:ping=410")])
    statuses = [each.status for _ in range(3) if (each := faulty.answer(of("ping"), NOW).response)]

    assert statuses == [410, 404, 410]
    assert faulty.faults_injected == 3


def test_a_session_start_that_is_refused_opens_no_session() -> None:
    engine = Fine()
    FaultInjector(engine, [parse_fault("session=500")]).answer(request(start()), NOW)
    assert engine.asked == 0

    FaultInjector(engine, [parse_fault("session=drop")]).answer(request(start()), NOW)
    assert engine.asked == 1


def test_latency_is_what_was_recorded_or_lies_between_its_bounds() -> None:
    def waits(latency: str) -> list[float]:
        faulty = FaultInjector(Fine(), [], parse_latency(latency), Random(0).random)
        return [faulty.answer(of("ping"), NOW).delay_ms for _ in range(50)]

    assert set(waits("recorded")) == {40}
    assert set(waits("7")) == {7}
    assert all(10 <= each <= 20 for each in waits("10-20"))
    assert len(set(waits("10-20"))) > 1
    drawn = Random(0)
    assert waits("10-20") == pytest.approx([10 + 10 * drawn.random() for _ in range(50)])


def test_a_delay_comes_on_top_of_the_latency() -> None:
    faulty = FaultInjector(Fine(), [parse_fault("event=delay:500")], parse_latency("recorded"))

    assert faulty.answer(of("ping"), NOW).delay_ms == 540


# ---- Through the door ----

STEPS: list[Step] = [(float(at), float(at), "ping", {}) for at in range(10, 70, 10)]
FAULTS = (
    "session:1=503",
    "event:ping:1=410",
    "event:ping:2=drop",
    "event:ping:4=500+cut",
    "event:ping:5=delay:400",
    "schema=cut",
)


def raw_post(url: str, path: str, body: bytes) -> bytes:
    """All that comes back for one request until the connection ends."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), TIMEOUT_SECONDS) as line:
        head = f"POST {path} HTTP/1.1\r\nHost: example\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        line.sendall(head.encode() + body)
        return b"".join(chunks(line))


def chunks(line: socket.socket) -> Iterator[bytes]:
    """What comes until the end, or until the connection breaks."""
    try:
        while chunk := line.recv(65536):
            yield chunk
    except ConnectionResetError:
        return


@pytest.mark.parametrize("command", COMMANDS)
def test_a_client_sees_each_fault(command: str, tmp_path: Path) -> None:
    recording, summary = write(tmp_path / "one.jsonl", session("recorded", STEPS)), tmp_path / "summary.json"
    options = [word for fault in FAULTS for word in ("--fault", fault)]
    with running(command, recording, *options, "--summary", summary) as opened, httpx.Client() as player:
        url = opened.url
        refused, started = (player.post(f"{url}/api/v1/sessions", json=start()) for _ in range(2))
        path = f"/api/v1/sessions/{sid_of_location(started.headers['Location'])}/events"
        pings = [orjson.dumps(event("ping", playhead, playhead)) for playhead in (10, 20, 30, 40, 50, 60)]
        answers = [raw_post(url, path, ping) for ping in pings[:4]]
        began = time.monotonic()
        late = raw_post(url, path, pings[4])
        took = time.monotonic() - began
        last = raw_post(url, path, pings[5])
        with pytest.raises(httpx.RemoteProtocolError):
            player.get(f"{url}/api/v1/schemas/play")
        assert opened.stop() == 0

    assert (refused.status_code, started.status_code) == (503, 201)
    assert "a fault that tapehead was told to make: 503" in refused.json()["message"]
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    gone, dropped, untouched, cut = answers
    assert gone.startswith(b"HTTP/1.1 410 ")
    assert dropped == b""
    assert untouched.startswith(b"HTTP/1.1 204 ")
    assert_cut(cut, 500)
    assert late.startswith(b"HTTP/1.1 204 ")
    assert 0.4 <= took < 5
    assert last.startswith(b"HTTP/1.1 204 ")
    assert summary_of(summary)["faults"] == 6
    assert "faults injected: 6" in opened.lines


def assert_cut(answer: bytes, status: int) -> None:
    """Less came than was announced."""
    head, _, body = answer.partition(b"\r\n\r\n")
    announced = {line.split(b":")[0].lower(): line.split(b":")[1] for line in head.split(b"\r\n")[1:]}
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert 0 < len(body) < int(announced[b"content-length"])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("latency", "least"), [("recorded", 250), ("150", 150), ("100-200", 100)])
def test_answers_wait_as_long_as_was_asked_for(command: str, latency: str, least: int, tmp_path: Path) -> None:
    """The recorded event took 250 ms."""
    slow = msgspec.structs.replace(sent("recorded", event("play", 0, 1), 1), elapsed_ms=250)
    exchanges = [*session("recorded", []), slow]
    recording = write(tmp_path / "slow.jsonl", exchanges)
    with running(command, recording, "--latency", latency) as opened, httpx.Client() as player:
        *_, answer = resend(player, opened.url, exchanges)

    assert answer is not None
    assert least <= answer.elapsed.total_seconds() * 1000 < least + 5000


@pytest.mark.parametrize("command", COMMANDS)
def test_without_latency_a_slow_recording_is_answered_at_once(command: str, tmp_path: Path) -> None:
    slow = [msgspec.structs.replace(each, elapsed_ms=60_000) for each in session("recorded", STEPS)]
    with running(command, write(tmp_path / "slow.jsonl", slow)) as opened, httpx.Client() as player:
        answers = resend(player, opened.url, slow)

    assert all(answer and answer.elapsed.total_seconds() < 10 for answer in answers)
