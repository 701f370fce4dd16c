"""The live page's server without a browser: access control, contents of the stream, start."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.captured_traffic import read
from support.live_client import (
    COMMANDS,
    EVENTS,
    LIVE,
    PAUSE,
    RECORDING,
    STREAM,
    Answered,
    Link,
    ask,
    link_of,
    play,
    query,
    read_until,
    rows_of,
    stream,
)
from support.processes import TIMEOUT_SECONDS, Command, run_tapehead, running
from support.rules import PING
from support.upstream_server import SID, upstream
from tapehead.live.request_guard import SAFE_HEADERS


@pytest.fixture(scope="module")
def served() -> Iterator[Command]:
    with running("serve", "-q", *LIVE) as opened, httpx.Client() as player:
        play(player, opened.url, PING)
        query(link_of(opened), "/status")  # once the audit has seen the calls, nothing changes any more
        yield opened


@pytest.fixture(scope="module")
def link(served: Command) -> Link:
    return link_of(served)


# ---- Access control ----

FOREIGN = [
    (["Host: evil.test:{port}"], 421),
    (["Host: evil.test"], 421),
    (["Host: 127.0.0.1"], 421),
    (["Host: 127.0.0.1:1"], 421),
    (["Host: 127.0.0.1:{port}."], 421),
    (["Host: 127.0.0.1.evil.test:{port}"], 421),
    (["Host: [::1]:{port}"], 421),
    (["Host: "], 421),
    ([], 421),
    (["Host: 127.0.0.1:{port}", "Host: 127.0.0.1:{port}"], 421),
    (["Host: 127.0.0.1:{port}", "Host: evil.test"], 421),
    (["Host: evil.test", "X-Forwarded-Host: 127.0.0.1:{port}"], 421),
    (["Host: 127.0.0.1:{port}", "Origin: http://evil.test"], 403),
    (["Host: 127.0.0.1:{port}", "Origin: null"], 403),
    (["Host: 127.0.0.1:{port}", "Origin: "], 403),
    (["Host: 127.0.0.1:{port}", "Origin: https://127.0.0.1:{port}"], 403),
    (["Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:1"], 403),
    (["Host: 127.0.0.1:{port}", "Origin: http://localhost:{port}"], 403),
    (["Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:{port}", "Origin: null"], 403),
    (["Host: 127.0.0.1:{port}", "Sec-Fetch-Site: cross-site"], 403),
    (["Host: 127.0.0.1:{port}", "Sec-Fetch-Site: same-site"], 403),
]


@pytest.mark.parametrize("path", ["/", "/page.js", STREAM, "/tapehead/v1/sessions", "/none"])
@pytest.mark.parametrize(("headers", "status"), FOREIGN, ids=[" ".join(each[0]) or "nothing" for each in FOREIGN])
def test_other_origins_get_nothing_even_with_the_token(path: str, headers: list[str], status: int, link: Link) -> None:
    head = [f"GET {path} HTTP/1.1", f"Authorization: Bearer {link.token}", *headers, "", ""]
    answer = ask(link.port, "\r\n".join(head).format(port=link.port).encode())

    assert answer.status == status
    assert says_nothing(answer)


def says_nothing(answer: Answered) -> bool:
    """Return whether a refusal is empty, or, in the API, one sentence."""
    return not answer.body or list(json.loads(answer.body)) == ["error"]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Authorization: Bearer wrong"],
        ["Authorization: Bearer "],
        ["Authorization: {token}"],
        ["Authorization: Basic {token}"],
        ["Authorization: Bearer {token}x"],
        ["Authorization: Bearer {token}", "Authorization: Bearer {token}"],
        ["Authorization: Bearer \xff\xfe"],
        ["Cookie: token={token}"],
    ],
)
@pytest.mark.parametrize(
    "path",
    [STREAM, f"{STREAM}?token={{token}}", "/tapehead/v1/sessions", "/none", "/page.js/", "//", "/tapehead/v1/%73tream"],
)
def test_without_the_token_there_are_no_lines(path: str, headers: list[str], link: Link) -> None:
    head = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{link.port}", *headers, "", ""]
    answer = ask(link.port, "\r\n".join(head).replace("{token}", link.token).encode("latin-1"))

    assert answer.status == 401
    assert says_nothing(answer)


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "HEAD", "PUT", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/", STREAM])
def test_only_get_is_allowed(method: str, path: str, link: Link) -> None:
    answer = ask(link.port, link.head(path, method))

    assert answer.status == 405
    assert says_nothing(answer)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_page_gets_its_files(host: str, link: Link) -> None:
    own = f"{host}:{link.port}"
    for path, kind in (
        ("/", "html"),
        ("/page.css", "css"),
        ("/page.js", "javascript"),
        ("/rules.json", "json"),
    ):
        head = f"GET {path} HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\nSec-Fetch-Site: same-origin\r\n\r\n"
        answer = ask(link.port, head.encode())
        assert (answer.status, len(answer.body) > 500) == (200, True)
        assert kind in answer.headers["content-type"]


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET /tapehead/v1/stream HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n",
        "GET /none HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n",
        "GET /tapehead/v1/stream HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\r\n",
    ],
)
def test_every_answer_has_the_safe_headers(head: str, link: Link) -> None:
    answer = ask(link.port, head.format(host=f"127.0.0.1:{link.port}", token=link.token).encode())

    assert dict(SAFE_HEADERS).items() <= answer.headers.items()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not [name for name in answer.headers if name.startswith("access-control") or name == "set-cookie"]


def test_it_listens_on_loopback_only(served: Command, link: Link) -> None:
    inodes = {path.readlink().name for path in Path(f"/proc/{served.process.pid}/fd").iterdir()}
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    ours = {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}

    assert f"0100007F:{link.port:04X}" in ours
    assert all(address.startswith("0100007F:") for address in ours)


def test_an_endless_head_is_disconnected(link: Link) -> None:
    with socket.create_connection(("127.0.0.1", link.port), TIMEOUT_SECONDS) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            stranger.sendall(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 1_000_000)


def test_bad_requests_print_nothing(tmp_path: Path) -> None:
    with running("serve", *LIVE, cwd=tmp_path) as opened:
        port, before = link_of(opened).port, len(opened.lines)
        for said in (
            b"nonsense\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as stranger:
                stranger.sendall(said)
                stranger.recv(1000)
        assert opened.stop() == 0
        lines = [line for line in opened.lines[before:] if "no Media Collection call came" not in line]
        assert lines == ["offline: 0 connections and look-ups attempted"]


def test_an_idle_connection_is_closed() -> None:
    hasty = "import tapehead.live.app as app; app.SLOW_SECONDS = 2.0"
    with (
        running("serve", "-q", *LIVE, broken=hasty) as opened,
        stream(link_of(opened)) as lines,
        httpx.Client() as player,
    ):
        with socket.create_connection(("127.0.0.1", link_of(opened).port), TIMEOUT_SECONDS) as idle:
            assert idle.recv(1) == b""
        play(player, opened.url)
        assert len(rows_of(read_until(lines, 1), "calls")) == 1


# ---- The stream ----


def test_the_stream_has_calls_before_and_after_the_page_opened(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with (
        upstream() as server,
        running("record", "--to", server.url, "--out", out, *LIVE) as proxy,
        httpx.Client() as player,
    ):
        play(player, proxy.url)
        with stream(link_of(proxy)) as lines:
            before = read_until(lines, 1)
            player.post(proxy.url + EVENTS, json=PAUSE)
            after = read_until(lines, 2, "unknown-event-type")
        assert proxy.stop() == 0

    (start,) = rows_of(before, "calls")
    # The first call is told again if its findings came after it.
    *_, pause = rows_of(after, "calls")
    assert before[0] == {"kind": "hello", "title": "record", "beat": 3.0}
    assert (start["type"], start["status"], start["session"]) == ("sessionStart", 201, SID)
    assert (pause["type"], pause["playhead"]) == ("pause", 1)
    recorded = [[finding.rule for finding in each.findings] for each in read(out)]
    assert "unknown-event-type" in recorded[1]
    assert "unknown-event-type" in [finding["rule"] for finding in rows_of(after, "findings") if finding["call"] == 2]
    (session,) = rows_of(after, "sessions")
    assert (session["content"], session["player"], session["events"]) == ("ClickMe", "sample-html5-api-player", 2)


def test_a_page_that_reconnects_gets_the_changes_it_missed(served: Command, link: Link) -> None:
    with stream(link) as lines:
        everything = read_until(lines, 2)
    with stream(link, after=1) as lines:
        rest = read_until(lines, 2)
    with stream(link, after=10**9) as lines:
        again = read_until(lines, 2)

    assert [call["number"] for call in rows_of(everything, "calls")] == [1, 2]
    # The first call is told again if its findings came after it.
    assert [call["number"] for call in rows_of(rest, "calls")][-1:] == [2]
    assert rows_of(again, "calls") == rows_of(everything, "calls")


PLANTED, STRAY = "p1anted-somebody", "s0mebody-astray"


def plant(player: httpx.Client, url: str) -> None:
    """Send identifiers in every place that may hold some."""
    player.headers.update(
        {"Cookie": f"id={PLANTED}-c", "Authorization": f"Bearer {PLANTED}-a", "X-Forwarded-For": PLANTED}
    )
    known = {
        "visitor.marketingCloudUserId": PLANTED,
        "appInstallationId": f"{PLANTED}-i",
        "analytics.visitorId": PLANTED,
    }
    play(player, url, {**PAUSE, "customMetadata": {"note": f"of {PLANTED}", "crmId": f"{PLANTED}-k"}}, **known)
    player.post(f"{url}{EVENTS}?mid={PLANTED}&crmId={PLANTED}-k", json=PAUSE)
    player.get(f"{url}/none/{STRAY}?who={STRAY}")


def everything_shown(opened: Command, calls: int) -> str:
    """Return whatever pages get of so many calls: the stream, the bodies, the timelines, what they save."""
    link = link_of(opened)
    with stream(link) as lines:
        told: list[object] = list(read_until(lines, calls))
    told.append(query(link, "/events?bodies=1"))
    told += [query(link, f"/events/{number}?bodies=text") for number in range(1, calls + 1)]
    for row in query(link, "/sessions")["sessions"]:
        told += [query(link, f"/sessions/{row['session']}{path}") for path in ("", "/timeline", "/har")]
    return str(told)


@pytest.mark.parametrize("command", ["record", "replay", "serve"])
def test_no_identifier_is_shown(command: str, tmp_path: Path) -> None:
    with upstream() as server:
        named = ["--redact-key", "crmId"]
        commands: dict[str, list[object]] = {
            "record": ["record", "--to", server.url, "--out", tmp_path / "out.jsonl", *named],
            "replay": ["replay", RECORDING, "--explain", *named],
            "serve": ["serve", "--explain", *named],
        }
        with running(*commands[command], *LIVE) as opened, httpx.Client() as player:
            plant(player, opened.url)
            said = everything_shown(opened, 3)
            opened.stop()

    assert "pseudonym-" in said
    assert STRAY not in said
    assert PLANTED not in said


def test_no_identifier_of_an_unknown_session_is_shown() -> None:
    # Types of events are content, which the recording has, too. What is no call of the API is not kept.
    named = {"eventType": f"{PLANTED}-type", "playerTime": PAUSE["playerTime"]}
    event = {**PAUSE, "customMetadata": {"who": PLANTED}}
    with running("serve", "-q", *LIVE) as opened, httpx.Client() as player:
        player.post(opened.url + EVENTS, json=event)
        player.post(f"{opened.url}/collect", json=event, headers={"Referer": f"https://a.test/?who={PLANTED}"})
        said = everything_shown(opened, 1)
        player.post(opened.url + EVENTS, json=named)
        player.get(f"{opened.url}/api/v1/schemas/{PLANTED}")
        rows = query(link_of(opened), "/events")["events"]

    assert PLANTED not in said
    assert [row["type"] for row in rows[1:]] == [f"{PLANTED}-type", "(schema)"]


def test_no_identifier_is_shown_if_the_start_was_too_long_to_search() -> None:
    event = {**PAUSE, "customMetadata": {"who": PLANTED}}
    with running("serve", "-q", *LIVE) as opened, httpx.Client() as player:
        play(player, opened.url, event, **{"analytics.visitorId": PLANTED, "media.name": "x" * 70_000})
        said = everything_shown(opened, 2)

    assert PLANTED not in said


def test_kept_identifiers_are_shown(tmp_path: Path) -> None:
    asked = ["--out", tmp_path / "out.jsonl", "--keep-ids", *LIVE]
    with upstream() as server, running("record", "--to", server.url, *asked) as proxy, httpx.Client() as player:
        plant(player, proxy.url)
        said = everything_shown(proxy, 3)

    assert PLANTED in said


# ---- Starting ----


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (["serve", "--live", "65536"], "--live"),
        (["record", "--to", "http://127.0.0.1:9", "--live", "-1"], "--live"),
        (["record", "--to", "http://127.0.0.1:9", "--live", "x"], "--live"),
    ],
)
def test_wrong_options_are_reported_in_one_line(asked: list[str], wanted: str, tmp_path: Path) -> None:
    done = run_tapehead(*asked, cwd=tmp_path)

    assert done.returncode == 2
    assert wanted in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["record", "replay", "serve"])
def test_a_port_in_use_is_reported_before_anything_starts(command: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_tapehead(*COMMANDS[command], "--listen", "127.0.0.1:0", "--live", port, cwd=tmp_path)

    assert done.returncode == 2
    assert (
        done.stderr == f"tapehead: 127.0.0.1:{port} is in use; pass --live with another port, or 0 for any free one\n"
    )
    assert done.stdout == ""
    assert not list(tmp_path.rglob("*.jsonl"))
