"""Proxies in several processes on one port: one recording and one summary, whichever worker a call comes to."""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.load import bare
from support.exchanges import NOW, event, start_with
from support.live_client import link_of
from support.load import LoadGenerator, numbers_in
from support.many_players import BURSTS, SimulatedPlayer, distinct_recording, play_all
from support.processes import TIMEOUT_SECONDS, Command, run_tapehead, running, start_program, workers_of
from support.resend import summary_of, write
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.request_key import KEY_HEADER
from tapehead.protocol.routes import location_of, sid_of_location
from tapehead.recording.capture import WORKER_MARK
from tapehead.recording.reader import read_recording
from tapehead.server.workers import TIMEOUT_SECONDS as TIMEOUT_OF_WORKERS

SESSIONS = "/api/v1/sessions"
PLAYERS = 32
# The calls of a session over connections of their own: as many as surely come to both workers.
CALLS = 24


@pytest.fixture(scope="module")
def server() -> Iterator[Command]:
    with bare() as opened:
        yield opened


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Command]:
    """An endpoint with sessions."""
    with running("serve", "-q", "--no-audit") as opened:
        yield opened


def record(server: Command, *options: object) -> tuple[object, ...]:
    return ("record", "-q", "--to", server.url, "--workers", 2, *options)


def exchanges_in(path: Path) -> list[Exchange]:
    return [item.exchange for item in read_recording(path) if isinstance(item, Entry)]


def worker_of(exchange: Exchange) -> str:
    return exchange.source.rpartition(WORKER_MARK)[2]


def post(proxy: Command, path: str, body: object) -> httpx.Response:
    """Send a call over a connection of its own, which comes to any of the workers."""
    return httpx.post(f"{proxy.url}{path}", json=body, timeout=TIMEOUT_SECONDS, trust_env=False)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_all_workers_record_into_one_file_with_one_summary(number: int, server: Command, tmp_path: Path) -> None:
    out, summary = tmp_path / "a.jsonl", tmp_path / "summary.json"
    with running(*record(server, "--out", out, "--rotate", "1GB", "--summary", summary)) as proxy:
        load = LoadGenerator(proxy.port, range(200))
        load.play(PLAYERS)
        assert proxy.stop(number) == 0

    assert sorted(load.answered) == sorted(numbers_in(out)) == list(range(200))
    assert {worker_of(each) for each in exchanges_in(out)} == {"1", "2"}
    found = json.loads(summary.read_bytes())
    assert (found["exchanges"], found["lost"], found["is_whole"], found["dead_workers"]) == (200, 0, True, 0)
    ready, into, told = (line for line in proxy.lines if not line.startswith("worker"))
    assert (ready.startswith("listening on "), into) == (True, f"recording into {out}")
    assert told.startswith(f"recorded 200 exchanges of 1 session in {out}: ")


def test_a_worker_that_is_killed_is_replaced_and_all_that_was_answered_is_recorded(
    server: Command, tmp_path: Path
) -> None:
    out, summary = tmp_path / "a.jsonl", tmp_path / "summary.json"
    with running(*record(server, "--out", out, "--summary", summary)) as proxy:
        load = LoadGenerator(proxy.port, range(50_000))
        playing = threading.Thread(target=load.play, args=(PLAYERS,))
        playing.start()
        wait_until(lambda: len(load.answered) >= 200)
        killed, other = workers_of(proxy.process.pid)
        os.kill(killed, signal.SIGKILL)
        # Others go on meanwhile, and new connections come to both once there is another worker.
        before = len(load.answered)
        wait_until(lambda: len(load.answered) >= before + 50)
        told = proxy.wait_for(lambda line: " died: " in line)
        wait_until(lambda: len(workers_of(proxy.process.pid)) == 2)
        more = LoadGenerator(proxy.port, range(50_000, 50_100))
        more.play(PLAYERS)
        new = set(workers_of(proxy.process.pid)) - {killed}
        assert proxy.stop() == 1
        playing.join()

    recorded = numbers_in(out)
    assert set(more.answered) == set(range(50_000, 50_100)) <= set(recorded)
    assert set(load.answered) - set(recorded) <= load.late
    assert len(recorded) == len(set(recorded))
    assert other in new
    assert len(new) == 2
    assert told in [
        f"tapehead: worker {number} of 2 died: killed by SIGKILL; another one starts in 0.5 s" for number in (1, 2)
    ]
    assert [line for line in proxy.lines if "tapehead: 1 worker died: calls that were in flight there" in line]
    found = json.loads(summary.read_bytes())
    assert (found["lost"], found["is_whole"], found["dead_workers"]) == (0, False, 1)


def test_new_connections_are_refused_while_calls_in_hand_are_finished(tmp_path: Path) -> None:
    """So that a balancer tries another recorder at once."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        options = ["record", "-q", "--to", url, "--workers", 2, "--no-audit", "--out", tmp_path / "a.jsonl"]
        with running(*options) as proxy, socket.create_connection(proxy.address) as player:
            body = b"{}"
            head = f"POST {SESSIONS}/abc/events HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            player.sendall(head.encode() + body)
            upstream, _ = silent.accept()
            with upstream:
                assert upstream.recv(1000)
                proxy.process.send_signal(signal.SIGTERM)
                wait_until(lambda: is_refused(proxy.address))
                assert proxy.process.poll() is None
                upstream.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                assert player.recv(1000).startswith(b"HTTP/1.1 204")
            assert proxy.process.wait(TIMEOUT_SECONDS) == 0
            proxy.stop()


def test_what_waits_for_a_recording_process_that_hangs_is_limited(server: Command, tmp_path: Path) -> None:
    with running(*record(server, "--no-audit", "--out", tmp_path / "a.jsonl", "--backlog", "1MB")) as proxy:
        workers_of(proxy.process.pid)
        os.kill(proxy.process.pid, signal.SIGSTOP)
        for _ in range(12):
            assert post(proxy, "/api/v1/sessions/abc/events", {"text": "x" * 300_000}).status_code == 204
        os.kill(proxy.process.pid, signal.SIGCONT)
        proxy.wait_for(lambda line: "takes no more calls; traffic continues, and calls are LOST" in line)
        assert proxy.stop() == 1
    assert 0 < len(exchanges_in(tmp_path / "a.jsonl")) < 12


def is_refused(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address).close()
    except ConnectionRefusedError:
        return True
    return False


def test_players_of_a_worker_that_hangs_come_to_another_one(server: Command, tmp_path: Path) -> None:
    with running(*record(server, "--out", tmp_path / "a.jsonl")) as proxy:
        hanging = workers_of(proxy.process.pid)[0]
        os.kill(hanging, signal.SIGSTOP)
        for number in range(12):
            assert post(proxy, "/api/v1/sessions/abc/events", {"number": number}).status_code == 204
        os.kill(hanging, signal.SIGCONT)
        # Twice at once, as `timeout` sends it, and impatient users.
        for number in (signal.SIGINT, signal.SIGTERM):
            proxy.process.send_signal(number)
        assert proxy.process.wait(TIMEOUT_SECONDS) == 0
        proxy.stop()

    assert not [line for line in proxy.lines if "the audit ended before" in line]
    assert {worker_of(each) for each in exchanges_in(tmp_path / "a.jsonl")} <= {"1", "2"}
    assert len(exchanges_in(tmp_path / "a.jsonl")) == 12


def test_workers_end_with_their_parent_and_leave_a_recording_that_goes_on(server: Command, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    answered, late = [], set[int]()
    for first in (0, 50_000):
        with running(*record(server, "--out", out, "--append")) as proxy:
            workers = workers_of(proxy.process.pid)
            load = LoadGenerator(proxy.port, range(first, first + 50_000))
            playing = threading.Thread(target=load.play, args=(PLAYERS,))
            playing.start()
            wait_until(lambda load=load: len(load.answered) >= 100)
            proxy.process.kill()
            playing.join()
            wait_until(lambda workers=workers: not any(map(is_alive, workers)))
        answered += load.answered
        late |= load.late

    assert len(workers) == 2
    assert not [line for line in proxy.lines if "Traceback" in line]
    assert set(answered) - set(numbers_in(out)) <= late


def test_a_full_disk_holds_up_no_worker_and_one_summary_counts_the_loss(server: Command, disk: Path) -> None:
    out = disk / "a.jsonl"
    (disk / "filler").write_bytes(os.urandom(250_000))
    with running(*record(server, "--out", out)) as proxy:
        load = LoadGenerator(proxy.port, range(300), 1000)
        load.play(PLAYERS)
        assert proxy.stop() == 1

    kept = numbers_in(out)
    assert sorted(load.answered) == list(range(300))
    assert 0 < len(kept) < 300
    (told,) = (line for line in proxy.lines if line.startswith("recorded "))
    assert told.endswith(f"; {300 - len(kept)} exchanges LOST")
    assert len([line for line in proxy.lines if "traffic continues, but is not being recorded" in line]) == 1


@pytest.mark.parametrize(("last", "code"), [("sessionComplete", 0), ("nonsense", 1)])
def test_a_session_over_several_workers_is_audited_and_redacted_as_one(
    last: str, code: int, endpoint: Command, tmp_path: Path
) -> None:
    out, person = tmp_path / "a.jsonl", "person-8150372946"
    with running(*record(endpoint, "--out", out, "--fail-on", "error")) as proxy:
        started = start_with({"media.id": "clip", "visitor.marketingCloudUserId": person}, time.time() - NOW)
        sid = sid_of_location(post(proxy, SESSIONS, started).headers["Location"]) or ""
        for nth in range(CALLS):
            body: dict[str, Any] = event("ping" if nth else "play", nth, time.time() - NOW)
            body["customMetadata"] = {"note": f"seen by {person}"}
            post(proxy, f"{location_of(sid)}/events", body)
        post(proxy, f"{location_of(sid)}/events", event(last, CALLS, time.time() - NOW))
        assert proxy.stop() == code

    recorded = exchanges_in(out)
    assert len(recorded) == CALLS + 2
    assert {worker_of(each) for each in recorded} == {"1", "2"}
    assert person.encode() not in out.read_bytes()
    # A name that is unknown would be masked as a whole.
    assert b"seen by " in out.read_bytes()
    audited = run_tapehead("audit", out, "--fail-on", "error")
    assert audited.returncode == code


def test_live_page_metrics_and_keys_are_of_all_workers(endpoint: Command, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with running(*record(endpoint, "--out", out, "--live", 0)) as proxy:
        started = httpx.post(f"{proxy.url}{SESSIONS}", json=start_with({}), headers={KEY_HEADER: "a-test"})
        sid = sid_of_location(started.headers["Location"]) or ""
        for nth in range(CALLS):
            post(proxy, f"{location_of(sid)}/events", event("ping" if nth else "play", nth))
        link = link_of(proxy)
        metrics = httpx.get(f"{link.origin}/metrics", headers={"Authorization": f"Bearer {link.token}"}).text
        assert proxy.stop() == 0

    counted = [line for line in metrics.splitlines() if line.startswith("tapehead_calls_total{")]
    assert sum(int(float(line.rpartition(" ")[2])) for line in counted) == CALLS + 1
    recorded = exchanges_in(out)
    assert {worker_of(each) for each in recorded} == {"1", "2"}
    # Only its start named the key.
    assert [each.answered and each.answered.key for each in recorded] == ["a-test"] * (CALLS + 1)


def test_one_certificate_authority_signs_for_all_workers(endpoint: Command, tmp_path: Path) -> None:
    confdir = tmp_path / "certificates"
    with running(*record(endpoint, "--out", tmp_path / "a.jsonl", "--set", f"confdir={confdir}")) as proxy:
        context = ssl.create_default_context(cafile=confdir / "mitmproxy-ca-cert.pem")
        for _ in range(16):
            with socket.create_connection(proxy.address) as plain:
                context.wrap_socket(plain, server_hostname="localhost").close()


def test_workers_replay_as_one_process_does(tmp_path: Path) -> None:
    recording, summary = write(tmp_path / "telling.jsonl", distinct_recording(4, 1)), tmp_path / "summary.json"
    out = tmp_path / "out.jsonl"
    viewers = [SimulatedPlayer(number, f"clip-{number % 4}") for number in range(40)]
    options = ["--strict", "-q", "--workers", 2, "--summary", summary, "--out", out]
    with running("replay", recording, *options) as opened:
        asyncio.run(asyncio.wait_for(play_all(opened.port, viewers, PLAYERS), TIMEOUT_SECONDS))
        code = opened.stop()

    told = summary_of(summary)["replay"]
    sent = len(viewers) * (1 + sum(map(len, BURSTS)))
    assert [viewer.wrong for viewer in viewers if viewer.wrong] == []
    assert (told["hits"], told["misses"], told["unused"], told["playbacks"]) == (sent, 0, [], len(viewers))
    assert code == 0
    assert {worker_of(each) for each in exchanges_in(out)} == {"1", "2"}
    assert len(exchanges_in(out)) == sent


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("serve", signal.SIGINT, 130),
        ("serve", signal.SIGTERM, -signal.SIGTERM),
        ("replay", signal.SIGHUP, -signal.SIGTERM),
        ("record", signal.SIGINT, 130),
    ],
)
def test_a_signal_before_it_listens_ends_it_at_once_without_a_word(
    command: str, number: int, code: int, tmp_path: Path
) -> None:
    recording = write(tmp_path / "a.jsonl", distinct_recording(1, 1))
    needed: dict[str, list[object]] = {"replay": [recording], "record": ["--to", "http://127.0.0.1:9"]}
    arguments = needed.get(command, [])
    options = ["--workers", 2, "--listen", "127.0.0.1:0"]
    with start_program(sys.executable, "-m", "tapehead", command, *arguments, *options, cwd=tmp_path) as opened:
        wait_until(lambda: workers_of(opened.process.pid))
        # It would take forever until it is ready.
        workers = workers_of(opened.process.pid)
        os.kill(workers[0], signal.SIGSTOP)
        begun = time.monotonic()
        assert opened.stop(number) == code
        took = time.monotonic() - begun

    assert opened.lines == []
    assert not any(map(is_alive, workers))
    assert took < TIMEOUT_OF_WORKERS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["record", "--mode", "dns"], "--mode dns and --workers exclude each other"),
        (["replay", "--mode", "local:app"], "--mode local:app and --workers exclude each other"),
        (["record", "--mode", "sideways"], "invalid --mode 'sideways'"),
        (["record", "--mode", "regular", "--set", "nonsense=1"], "Unknown option"),
        (["record", "--mode", "regular", "--listen", "0.0.0.0:0"], "on 0.0.0.0 is an open proxy"),
    ],
)
def test_what_workers_cannot_do_is_said_in_a_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    ended = run_tapehead(*arguments, "--workers", "2", cwd=tmp_path)

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert said in line
    assert not list(tmp_path.glob("recordings/*"))


def test_a_port_in_use_is_said_before_anything_else(server: Command, tmp_path: Path) -> None:
    ended = run_tapehead(*record(server, "--listen", f"127.0.0.1:{server.port}"), cwd=tmp_path)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"tapehead: 127.0.0.1:{server.port} is in use")
