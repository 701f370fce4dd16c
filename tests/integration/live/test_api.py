"""The HTTP API over real processes: what it answers, that it never races, access, and what changes a run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.api_client import ApiClient, api_of, event_of
from support.live_client import LIVE, RECORDING, Link, ask, link_of, play
from support.paths import RECORDINGS_FOLDER
from support.processes import Command, run_tapehead, running
from support.upstream_server import upstream
from tapehead.live.api_model import PREFIX
from tapehead.protocol.request_key import KEY_HEADER

ITERATIONS = 200


@pytest.fixture(scope="module")
def served() -> Iterator[Command]:
    """Return a server with two sessions: one of three events, and one whose ad is outside of a break."""
    with running("serve", "-q", *LIVE) as opened, httpx.Client() as player:
        play(player, opened.url, event_of("play"), event_of("ping"))
        play(player, opened.url, event_of("play"), event_of("adComplete"))
        yield opened


@pytest.fixture(scope="module")
def api(served: Command) -> Iterator[ApiClient]:
    with api_of(served) as client:
        yield client


# ---- Reading ----


@pytest.mark.parametrize("command", ["record", "replay", "serve"])
def test_a_call_is_there_before_its_answer_is(command: str, tmp_path: Path) -> None:
    with upstream() as server:
        commands: dict[str, list[object]] = {
            "record": ["record", "--to", server.url, "--out", tmp_path / "out.jsonl"],
            "replay": ["replay", RECORDING],
            "serve": ["serve"],
        }
        with running(*commands[command], "-q", *LIVE) as opened, httpx.Client() as player, api_of(opened) as api:
            sid = play(player, opened.url)
            seen = []
            for number in range(2, ITERATIONS + 2):
                player.post(f"{opened.url}/api/v1/sessions/{sid}/events", json=event_of("ping"))
                (row,) = api.get("/events", after=number - 1)["events"]
                seen.append((row["number"], row["type"]))

    assert seen == [(number, "ping") for number in range(2, ITERATIONS + 2)]


def test_sessions_events_findings_and_metrics_are_told(api: ApiClient) -> None:
    sessions = api.get("/sessions")
    first, second = sessions["sessions"]
    events = api.get("/events", session=first["session"])["events"]
    findings = api.get("/findings", session=second["session"], severity="error")["findings"]
    (metrics,) = api.get("/metrics", session=first["session"])["sessions"]
    detail = api.get(f"/sessions/{second['session']}")

    assert [(each["content"], each["events"]) for each in (first, second)] == [("ClickMe", 3), ("ClickMe", 3)]
    assert {first["state"], second["state"]} <= {"playing", "silent"}  # which they are after some seconds
    assert [each["type"] for each in events] == ["sessionStart", "play", "ping"]
    assert "ad-not-open" in {each["rule"] for each in findings}
    assert {"media_starts", "content_time_spent"} <= {each["name"] for each in metrics["metrics"]}
    assert detail["session"]["session"] == second["session"]
    assert [each["rule"] for each in detail["findings"] if each["severity"] == "error"] == [
        each["rule"] for each in findings
    ]
    assert sessions["totals"]["calls"] == 6


@pytest.mark.parametrize(
    ("path", "query", "numbers"),
    [
        ("/events", {"type": "play"}, [2, 5]),
        ("/events", {"type": "play", "after": 2}, [5]),
        ("/events", {"rule": "ad-not-open"}, [6]),
        ("/events", {"limit": 2}, [1, 2]),
        ("/events", {"after": 4, "limit": 1}, [5]),
        ("/events", {"key": "none"}, []),
        ("/sessions", {"state": "paused"}, []),
        ("/sessions", {"limit": 1}, [1]),
    ],
)
def test_filters_choose_rows(path: str, query: dict[str, object], numbers: list[int], api: ApiClient) -> None:
    assert [row["number"] for row in api.get(path, **query)[path.strip("/")]] == numbers


@pytest.mark.parametrize(("path", "limit"), [("/events", 4), ("/events", 6), ("/events", 5), ("/findings", 1)])
def test_pages_follow_each_other_to_the_last(path: str, limit: int, api: ApiClient) -> None:
    name = path.strip("/")
    everything = api.get(path)
    pages: list[list[Any]] = []
    after: int | None = 0
    while after is not None:
        page = api.get(path, after=after, limit=limit)
        pages.append(page[name])
        after = page["next"]

    assert everything["next"] is None
    assert [row for page in pages for row in page] == everything[name]
    assert all(len(page) == limit for page in pages[:-1])
    assert pages[-1]


def test_bodies_come_page_by_page_as_far_as_they_fit_in_an_answer() -> None:
    big = "import tapehead.live.api_queries as r; r.MOST_BYTES = 20_000"
    with running("serve", "-q", *LIVE, broken=big) as opened, httpx.Client() as player, api_of(opened) as api:
        sid = play(player, opened.url)
        for _ in range(9):
            event = event_of("ping", customMetadata={"x": "y" * 9_000})
            player.post(f"{opened.url}/api/v1/sessions/{sid}/events", json=event)
        pages: list[list[Any]] = []
        after: int | None = 0
        while after is not None:
            page = api.get("/events", after=after, bodies=1)
            pages.append(page["events"])
            after = page["next"]

    assert [row["number"] for page in pages for row in page] == list(range(1, 11))
    assert all(len(json.dumps(page)) < 40_000 for page in pages)
    assert pages[-1][-1]["request"]["body"]["eventType"] == "ping"
    assert pages[-1][-1]["response"]["status"] == 400


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("/events", "typ=play", "unknown filter 'typ'; did you mean type?; known ones: key, session, type, severity"),
        ("/status", "session=1", "unknown filter 'session'; known ones: key, settle"),
        ("/events", "type=play&type=ping", "the filter 'type' is given twice"),
        ("/events", "limit=0", "invalid limit '0': expected a whole number from 1 to 10000"),
        ("/events", "limit=-1", "invalid limit '-1'"),
        ("/events", "after=x", "invalid after 'x'"),
        ("/events", "after=99999999999999999999", "invalid after"),
        ("/events", "severity=bad", "invalid severity 'bad': expected error, warning, info"),
        ("/findings", "state=open", "invalid state 'open': expected provisional, confirmed, withdrawn"),
        ("/findings", "rule=ad-not-opn", "invalid rule 'ad-not-opn': did you mean ad-not-open?"),
        ("/events", "key=a%20b", "invalid key 'a b'"),
        ("/events", "key=", "invalid key ''"),
        ("/wait", "", "missing 'until'"),
        ("/wait", "until=sessionCompleet", "unknown condition 'sessionCompleet'; did you mean sessionComplete?"),
        ("/wait", "until=quiet:x", "unknown condition 'quiet:x'"),
        ("/wait", "until=ping&timeout=1e9", "invalid timeout '1e9'"),
        ("/wait", "until=ping&timeout=301", "invalid timeout '301': expected seconds, such as 2.5, 300 at most"),
        ("/wait", "until=ping&after=x", "invalid after 'x': expected a whole number from 0"),
        ("/wait", "until=findings:1&severity=bad", "invalid severity 'bad'"),
        ("/stream", "after=x", "invalid after 'x'"),
        ("/stream", "aftr=1", "unknown filter 'aftr'; did you mean after?"),
        ("/stream", "timeout=-1", "invalid timeout '-1': expected seconds"),
        ("/wait", "until=ping&severity=error", "'severity' goes with findings:COUNT only"),
        ("/wait", "until=findings:1&after=1", "'after' goes with event:TYPE and calls:COUNT only"),
    ],
)
def test_wrong_queries_are_refused_in_one_sentence(path: str, query: str, message: str, api: ApiClient) -> None:
    answer = api.http.get(f"{path}?{query}")

    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith(message)


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nothing", 404, "no such path; below /tapehead/v1 there are /status, /sessions"),
        ("GET", "/sessions/none", 404, "no session 'none' is in the journal"),
        ("GET", "/events/", 404, "no such path"),
        ("POST", "/stream", 405, "method not allowed; expected GET"),
        ("DELETE", "/faults/7", 404, "no fault has the number 7"),
        ("DELETE", f"/faults/{'9' * 5000}", 404, "'99999"),
        ("DELETE", "/faults/abc", 404, "'abc' is no number of a fault; 'GET /faults' lists them"),
        ("DELETE", "/events", 405, "method not allowed; expected GET, HEAD"),
        ("PATCH", "/faults", 405, "method not allowed; expected"),
    ],
)
def test_what_is_not_there_is_told(method: str, path: str, status: int, message: str, api: ApiClient) -> None:
    answer = api.http.request(method, path)

    assert answer.status_code == status
    assert answer.json()["error"].startswith(message)


def test_what_record_cannot_do_is_told(tmp_path: Path) -> None:
    command = ["record", "--to", "http://127.0.0.1:9", "--out", tmp_path / "out.jsonl"]
    with running(*command, *LIVE) as opened, api_of(opened) as api:
        said = {
            api.refused("/misses", 409)["error"],
            api.refused("/faults", 409)["error"],
            api.send("PUT", "/recording", {"recordings": ["x"]}, 409)["error"],
        }
        status = api.get("/status")

    assert said == {"'record' answers no calls itself; use 'replay' or 'serve'"}
    assert (status["command"], status["engine"], status["audited"]) == ("record", None, True)


# ---- Control ----


def test_faults_are_set_listed_and_removed_while_it_runs() -> None:
    with running("serve", "-q", *LIVE) as opened, httpx.Client() as player, api_of(opened) as api:
        sid = play(player, opened.url)
        events = f"{opened.url}/api/v1/sessions/{sid}/events"
        added = api.send("POST", "/faults", {"fault": "event:ping=503"}, 201)
        failed = player.post(events, json=event_of("ping")).status_code
        (row,) = api.get("/events", after=1)["events"]
        listed = api.get("/faults")["faults"]
        removed = api.send("DELETE", f"/faults/{added['id']}")
        answered = player.post(events, json=event_of("ping")).status_code
        of_a_key = api.send("POST", "/faults", {"fault": "session=500", "key": "one"}, 201)
        starts = [httpx.post(f"{opened.url}/k/{key}/api/v1/sessions", json={}).status_code for key in ("one", "two")]
        wrong = api.send("POST", "/faults", {"fault": "evnt:ping=503"}, 400)["error"]

    assert (failed, answered) == (503, 204)
    assert row["answered"]["outcome"] == "fault"
    assert listed == [added] == [removed]
    assert of_a_key["key"] == "one"
    assert starts == [500, 400]
    assert wrong == "invalid fault 'evnt:ping=503': unknown call 'evnt'; did you mean event?"


def test_another_recording_is_loaded_and_what_missed_is_told() -> None:
    with running("replay", RECORDINGS_FOLDER / "timeline-2.jsonl", "-q", *LIVE) as opened, api_of(opened) as api:
        with httpx.Client() as player:
            before = api.get("/status")["engine"]
            play(player, opened.url, **{"media.id": "another"})
            missed = api.get("/misses")
            loaded = api.send("PUT", "/recording", {"recordings": [str(RECORDING)], "on_miss": "error"})
            api.send("POST", "/reset", {})
            play(player, opened.url)
            after = api.get("/status")["engine"]
            unused = api.get("/unused", limit=2)
        wrong = api.send("PUT", "/recording", {"recordings": ["/none.jsonl"]}, 400)["error"]
        relative = api.send("PUT", "/recording", {"recordings": ["none.jsonl"]}, 400)["error"]
        simulated = api.send("PUT", "/recording", {"recordings": []})
        forwarded = api.send("PUT", "/recording", {"recordings": [str(RECORDING)], "on_miss": "forward"}, 400)["error"]

    assert len(before["recordings"]) == 1
    assert (missed["count"], missed["misses"][0]["call"]) == (1, "sessionStart of another")
    assert missed["misses"][0]["why"] == "no recorded session has this content"
    assert loaded["recordings"] == after["recordings"] == [str(RECORDING)]
    assert simulated["recordings"] == []
    assert f"; relative paths begin in '{Path.cwd()}'" in relative
    assert (after["hits"], after["misses"], after["playbacks"]) == (1, 0, 1)
    assert len(unused["unused"]) == 2
    assert "/none.jsonl" in wrong
    assert "forward" in forwarded


def test_a_reset_forgets_what_came_of_one_key_or_of_all() -> None:
    with running("serve", "-q", *LIVE) as opened, api_of(opened) as api:
        for key in ("one", "two"):
            with httpx.Client(headers={KEY_HEADER: key}) as player:
                play(player, opened.url, event_of("ping"))
        by_key = [api.get("/events", key=key)["events"] for key in ("one", "two")]
        api.send("POST", "/reset", {"key": "one"})
        left = [api.get("/events", key=key)["events"] for key in ("one", "two")]
        api.send("POST", "/reset", {})
        nothing = api.get("/status")["totals"]

    assert [len(rows) for rows in by_key] == [2, 2]
    assert [len(rows) for rows in left] == [0, 2]
    assert (nothing["calls"], nothing["sessions"], nothing["resets"]) == (0, 0, 2)


# ---- Access ----

TOKEN = "a-token-of-a-test"
SHARED = "http://localhost:3000"


@pytest.fixture(scope="module")
def shared() -> Iterator[Link]:
    with running("serve", "-q", *LIVE, "--token", TOKEN, "--live-origin", SHARED) as opened:
        yield link_of(opened)


def test_a_token_can_be_fixed_and_comes_by_either_header(shared: Link) -> None:
    given = [{"X-Tapehead-Token": TOKEN}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"bearer {TOKEN}"}]

    assert shared.token == TOKEN
    assert [httpx.get(f"{shared.origin}{PREFIX}/status", headers=each).status_code for each in given] == [200] * 3


@pytest.mark.parametrize("path", ["/status", "/wait?until=ping", "/reset", "/faults", "/faults/1", "/recording", "/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "header",
    ["X-Other: 1", "X-Tapehead-Token: wrong", f"X-Tapehead-Token: Bearer {TOKEN}", f"Authorization: {TOKEN}",
     f"X-Tapehead-Token: {TOKEN}\r\nX-Tapehead-Token: {TOKEN}", "X-Tapehead-Token: "],
)  # fmt: skip
def test_without_the_token_nothing_is_told_or_changed(method: str, path: str, header: str, shared: Link) -> None:
    head = f"{method} {PREFIX}{path} HTTP/1.1\r\nHost: 127.0.0.1:{shared.port}\r\n{header}\r\n\r\n"
    answer = ask(shared.port, head.encode())

    assert answer.status == 401
    assert list(json.loads(answer.body)) == ["error"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        (PREFIX + "/status", "Origin: http://evil.test", 403),
        (PREFIX + "/status", "Origin: http://localhost:3001", 403),
        (PREFIX + "/status", "Sec-Fetch-Site: cross-site", 403),
        (PREFIX + "/status", f"Origin: {SHARED}\r\nOrigin: http://evil.test", 403),
        ("/", f"Origin: {SHARED}", 403),
        ("/lines", f"Origin: {SHARED}", 403),
    ],
)
def test_pages_of_other_origins_get_nothing(method: str, path: str, header: str, status: int, shared: Link) -> None:
    answer = ask(shared.port, shared.head(path, method, header))

    assert answer.status == status
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert (b"; pass --live-origin to allow them" in answer.body) is path.startswith(PREFIX)


def test_a_page_of_an_origin_that_was_named_may_use_the_api(shared: Link) -> None:
    asked = {"Origin": SHARED, "Sec-Fetch-Site": "cross-site", "Access-Control-Request-Method": "POST"}
    preflight = httpx.options(f"{shared.origin}{PREFIX}/reset", headers=asked)
    sent = {"Origin": SHARED, "Sec-Fetch-Site": "cross-site"}
    answers = [
        httpx.post(f"{shared.origin}{PREFIX}/reset", json={}, headers=sent | {"X-Tapehead-Token": TOKEN}),
        httpx.get(f"{shared.origin}{PREFIX}/status", headers=sent),
    ]

    assert preflight.status_code == 204
    assert "x-tapehead-token" in preflight.headers["access-control-allow-headers"]
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert {each.headers["access-control-allow-origin"] for each in (preflight, *answers)} == {SHARED}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--live-origin", SHARED], "--live-origin needs --live PORT"),
        ([*LIVE, "--live-origin", "*"], "invalid --live-origin '*': expected a scheme, a host"),
        ([*LIVE, "--live-origin", "http://a.test/"], "invalid --live-origin"),
        ([*LIVE, "--live-origin", "null"], "invalid --live-origin"),
        ([*LIVE, "--token", "short"], "invalid --token: expected 16 to 200"),
        ([*LIVE, "--token", ""], "--token is empty; expected 16 to 200 characters"),
        (["--token", TOKEN], "--token needs --live PORT; or keep the token in TAPEHEAD_TOKEN"),
        (["--on-miss", "error"], "--on-miss error needs a RECORDING"),
        (["--explain", "--quiet"], "--explain and --quiet exclude each other"),
        (["--explain", "--table"], "--explain and --table exclude each other"),
        (["--bogus"], "there is no option '--bogus'; see tapehead serve --help"),
        (["--lve", "0"], "there is no option '--lve'; did you mean --live? See tapehead serve --help"),
    ],
)
def test_wrong_options_are_told(options: list[object], message: str) -> None:
    done = run_tapehead("serve", *options)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert message in done.stderr


def test_a_token_in_the_environment_waits_for_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPEHEAD_TOKEN", TOKEN)
    with running("serve", "-q"), running("serve", "-q", *LIVE) as opened:
        assert link_of(opened).token == TOKEN


@pytest.mark.parametrize("path", ["", "\0", "a\0b", "-", "x" * 5_000])
def test_paths_that_no_recording_has_are_told(path: str, api: ApiClient) -> None:
    assert api.send("PUT", "/recording", {"recordings": [path]}, 400)["error"]


@pytest.mark.parametrize("path", ["/", "/page.js", f"{PREFIX}/stream", f"{PREFIX}/events"])
def test_a_method_that_is_not_allowed_gets_those_that_are(path: str, served: Command) -> None:
    link = link_of(served)
    answer = ask(link.port, link.head(path, "TRACE"))

    assert answer.status == 405
    assert "get" in answer.headers["allow"].split(", ")


def test_a_stream_ends_in_time_once_it_told_what_was_there(api: ApiClient) -> None:
    told = [json.loads(line) for line in api.http.get("/stream", params={"timeout": 0}).text.splitlines() if line]

    assert [each["kind"] for each in told] == ["hello", "changes"]
    assert [row["number"] for row in told[1]["calls"]] == [1, 2, 3, 4, 5, 6]


def test_the_stream_is_described(api: ApiClient) -> None:
    described = api.get("/openapi.json")["paths"][f"{PREFIX}/stream"]["get"]

    assert described["responses"]["200"]["content"] == {"application/x-ndjson": {}}
