"""Keys of tests over the wire: in serve, replay, record, mitmproxy's tools and a server from Python."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_bytes
from threading import Barrier

import httpx
import msgspec
import pytest
import trustme
from msgspec.json import encode

import tapehead
from support.captured_traffic import read
from support.certificates import mitmdump
from support.exchanges import Step, event, start
from support.processes import running
from support.replay import marked
from support.resend import COMMANDS, summary_of, write
from support.upstream_server import SID, upstream
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Response
from tapehead.protocol.routes import sid_of_location

STEPS: list[Step] = [
    (1, 0, "play", {}),
    (11, 10, "ping", {}),
    (15, 12, "pauseStart", {}),
    (16, 12, "play", {}),
    (20, 16, "sessionEnd", {}),
]
WORKERS, TURNS = 8, 6

Keyed = Callable[[str, str], tuple[str, dict[str, str]]]
WAYS: dict[str, Keyed] = {
    "header": lambda url, key: (url, {"X-Tapehead-Key": key}),
    "query": lambda url, key: (f"{url}?tapehead={key}", {}),
    "path": lambda url, key: (url.replace("/api/", f"/k/{key}/api/"), {}),
}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Recorded sessions of equal content, as many as the turns of a test; answers tell theirs."""
    recorded: list[Exchange] = []
    for turn in range(TURNS):
        first, *events = marked(f"sid-{turn}", STEPS)
        recorded += [first, *(msgspec.structs.replace(each, response=told(turn)) for each in events)]
    return write(tmp_path / "equal.jsonl", recorded)


def told(turn: int) -> Response:
    return Response(status=204, headers=[("X-Turn", str(turn))])


def play(player: httpx.Client, url: str, key: str, way: Keyed) -> list[str | None]:
    """Play one session; the turns of those that answer its events, which have no key, or that in their path."""
    called, headers = way(f"{url}/api/v1/sessions", key)
    opened = player.post(called, json=start(), headers=headers)
    location = httpx.URL(called).join(opened.headers["Location"])
    turns = []
    for at, playhead, event_type, params in STEPS:
        answer = player.post(f"{location}/events", json=event(event_type, playhead, at, params or None))
        assert answer.status_code == 204
        turns.append(answer.headers.get("X-Turn"))
    return turns


def expected(turn: int) -> list[str]:
    return [str(turn)] * len(STEPS)


@pytest.mark.parametrize("command", COMMANDS)
def test_parallel_tests_do_not_see_each_other(command: str, recording: Path, tmp_path: Path) -> None:
    """Each of eight players gets the recorded sequence from its beginning, whichever way its key comes."""
    summary, together = tmp_path / "summary.json", Barrier(WORKERS)
    with running(command, recording, "--strict", "-q", "--summary", summary) as opened:

        def work(number: int) -> list[list[str | None]]:
            way = list(WAYS.values())[number % len(WAYS)]
            with httpx.Client() as player:
                together.wait()
                return [play(player, opened.url, f"worker-{number}", way) for _ in range(TURNS)]

        with ThreadPoolExecutor(WORKERS) as pool:
            played = list(pool.map(work, range(WORKERS)))
        assert opened.stop() == 0

    assert played == [[expected(turn) for turn in range(TURNS)]] * WORKERS
    assert (summary_of(summary)["replay"]["playbacks"], summary_of(summary)["replay"]["misses"]) == (WORKERS * TURNS, 0)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("way", WAYS)
def test_an_invalid_key_is_answered_in_a_sentence(command: str, way: str, recording: Path) -> None:
    url, headers = WAYS[way]("/api/v1/sessions", "a%20b" if way != "header" else "a b")
    with running(command, recording) as opened:
        answer = httpx.post(opened.url + url, headers=headers, json=start())
        opened.stop()

    assert answer.status_code == 400
    assert "'a b' is not one; expected 1 to 200 of" in answer.json()["message"]


def test_a_player_by_host_and_path_stays_below_its_path(recording: Path) -> None:
    """An SDK that takes a host and a path only; and the same in a forward proxy, in an absolute URL."""
    below = "/k/checkout-test/api/v1/sessions"
    with running("replay", recording, "--mode", "regular") as proxy, httpx.Client(proxy=proxy.url) as player:
        answer = player.post(f"http://company.hb-api.omtrdc.net{below}", json=start())
        proxy.stop()

    assert answer.headers["Location"].partition(below)[0] in ("", "http://company.hb-api.omtrdc.net")
    assert answer.headers["Location"].partition(below)[2].startswith("/")


def preflight(player: httpx.Client, url: str) -> httpx.Response:
    asked = {"Origin": "http://a", "Access-Control-Request-Method": "POST"}
    return player.options(url, headers=asked | {"Access-Control-Request-Headers": "content-type,x-tapehead-key"})


@pytest.mark.parametrize("prefix", ["", "/media"])
@pytest.mark.parametrize("way", WAYS)
def test_the_endpoint_sees_no_key_and_the_recording_beside_the_request(way: str, prefix: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with upstream() as server, running("record", "--to", server.url + prefix, "--out", out) as proxy:
        with httpx.Client() as player:
            url, headers = WAYS[way](f"{proxy.url}{prefix}/api/v1/sessions", "secret-key")
            allowed = preflight(player, url)
            opened = player.post(url, headers=headers, json=start())
            events, headers = WAYS[way](
                f"{proxy.url}/api/v1/sessions/{SID}/events", "a b" if way == "header" else "%40"
            )
            sent = player.post(events, headers=headers, json=event("play"))
        assert proxy.stop() == 0

    assert [answer.status_code for answer in (allowed, opened, sent)] == [200, 201, 204]
    assert allowed.headers["Access-Control-Allow-Headers"] == "Content-Type, X-Tapehead-Key"
    assert opened.headers["Location"] == f"/api/v1/sessions/{SID}"
    sessions = f"{prefix}/api/v1/sessions"
    assert [each.path for each in server.received] == [sessions, sessions, f"{sessions}/{SID}/events"]
    recorded = read(out)
    sent_and_stored = [(each.path, each.headers) for each in server.received]
    seen = json.dumps(sent_and_stored) + encode([(each.request, each.response) for each in recorded]).decode()
    assert not [word for word in ("secret-key", "tapehead-key", "%40", "/k/") if word in seen.lower()]
    assert [(each.session, each.test_key) for each in recorded[1:]] == [(SID, "secret-key")] * 2
    assert sum("invalid key" in line for line in proxy.lines) == 1


def test_a_forwarded_call_has_no_key(recording: Path) -> None:
    with (
        upstream() as server,
        running("replay", recording, "--on-miss", "forward", "--to", f"{server.url}/media") as proxy,
    ):
        statuses = [
            httpx.post(url, headers=headers, json=start(params={"media.id": "other"})).status_code
            for url, headers in (way(f"{proxy.url}/api/v1/sessions", "t-1") for way in WAYS.values())
        ]
        proxy.stop()

    assert statuses == [201] * 3
    assert [each.path for each in server.received] == ["/media/api/v1/sessions"] * 3
    assert "t-1" not in json.dumps([each.headers for each in server.received])


@pytest.mark.parametrize("way", WAYS)
def test_mitmproxys_own_tools_know_keys(way: str, recording: Path, tmp_path: Path, authority: trustme.CA) -> None:
    with mitmdump(tmp_path, authority, f"tapehead_replay={recording}", "tapehead_on_miss=error") as tool:
        with httpx.Client(proxy=tool.url) as player:
            played = [play(player, "http://company.hb-api.omtrdc.net", key, WAYS[way]) for key in "aab"]
        tool.stop()

    assert played == [expected(0), expected(1), expected(0)]


def test_mitmproxys_own_tools_record_the_key_beside_the_request(tmp_path: Path, authority: trustme.CA) -> None:
    out = tmp_path / "out.jsonl"
    options = f"tapehead_record={out}", "tapehead_endpoint=127.0.0.1"
    with upstream() as server, mitmdump(tmp_path, authority, *options) as tool:
        with httpx.Client(proxy=tool.url) as player:
            url = f"{server.url}/k/t-1/api/v1/sessions?tapehead=t-1"
            opened = player.post(url, headers={"X-Tapehead-Key": "t-1"}, json=start())
            other = player.get(f"{server.url}/other")
        tool.stop()

    assert (opened.status_code, other.status_code) == (201, 200)
    (recorded,) = read(out)
    seen = json.dumps([(each.path, each.headers) for each in server.received])
    assert "t-1" not in seen + encode([recorded.request, recorded.response]).decode()
    assert recorded.test_key == "t-1"


def test_a_server_from_python_knows_keys(recording: Path) -> None:
    replayer = tapehead.Replayer.from_entries(tapehead.read_recordings([recording]), random_bytes=token_bytes)
    with tapehead.Server(replayer) as server, httpx.Client() as player:
        played = [play(player, server.url, key, WAYS["path"]) for key in "aba"]

    assert played == [expected(0), expected(0), expected(1)]
    assert (replayer.summary().playbacks, replayer.summary().misses) == (3, 0)


def test_a_key_that_is_a_files_name_plays_that_file(tmp_path: Path) -> None:
    for number, name in enumerate(("live.jsonl", "vod.jsonl")):
        write(tmp_path / name, marked(f"sid-{number}", STEPS[number:]))
    with running("serve", tmp_path, "--on-miss", "error") as opened, httpx.Client() as player:
        statuses = []
        for key in ("vod", "live", "vod"):
            location = player.post(f"{opened.url}/k/{key}/api/v1/sessions", json=start()).headers["Location"]
            url = f"{opened.url}/api/v1/sessions/{sid_of_location(location)}/events"
            statuses.append([player.post(url, json=event("play", 12, 16)).status_code for _ in range(2)])
        opened.stop()

    assert statuses == [[204, 502], [204, 204], [204, 502]]
