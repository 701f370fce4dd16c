"""Behind real listeners, no answer of a replay leads out of it, and record warns of answers that lead past it."""

import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from support.certificates import proxy_options, trust_proxy
from support.exchanges import event, exchange, request, response, sent, start
from support.processes import running
from support.resend import write
from support.upstream_server import upstream
from tapehead.protocol.routes import sid_of_location

SESSIONS = "/api/v1/sessions"
RECORDED = "company.hb-api.omtrdc.net"
SAID = f"Location of recorded answers names '{RECORDED}'; replayed answers name the called host instead"


@pytest.fixture
def leading_out(tmp_path: Path) -> Path:
    """A recording of an endpoint whose Location is absolute, and whose refusal names it."""
    located = response(201, [("Location", f"https://{RECORDED}{SESSIONS}/abc"), ("Alt-Svc", 'h3=":443"')])
    refused = response(400, [], b'{"message":"see https://company.hb-api.omtrdc.net/help"}')
    return write(tmp_path / "out.jsonl", [exchange(request(start()), located), sent("abc", event("play"), 1, refused)])


def follow(player: httpx.Client, url: str) -> tuple[str, httpx.Response]:
    """Open a session and send its play to where the Location leads; the Location, and the answer to the play."""
    location = player.post(url + SESSIONS, json=start()).headers["Location"]
    return location, player.post(f"{location}/events", json=event("play"))


@pytest.mark.parametrize("options", [("replay",), ("serve",), ("serve", "--workers", 2)])
def test_a_player_that_follows_the_location_stays(leading_out: Path, options: tuple[object, ...]) -> None:
    with running(options[0], leading_out, *options[1:]) as opened, httpx.Client() as player:
        followed = [follow(player, opened.url) for _ in range(3)]
        assert opened.stop() == 0

    for location, answer in followed:
        assert location == f"{opened.url}{SESSIONS}/{sid_of_location(location)}"
        assert (answer.status_code, answer.json()) == (400, {"message": f"see {opened.url}/help"})
    assert opened.lines.count(SAID) == 1
    assert f"the body of recorded answers names '{RECORDED}'" in "\n".join(opened.lines)
    assert "played 3 sessions: 6 hits, 0 misses, 0 recorded exchanges unused" in opened.lines


def test_the_called_host_is_the_one_that_the_player_named(leading_out: Path) -> None:
    """Also by a name of the player's own, and by https on the same port."""
    with running("replay", leading_out) as opened, httpx.Client() as player:
        answer = player.post(opened.url + SESSIONS, json=start(), headers={"Host": "tv.example:8443"})

    assert answer.headers["Location"].startswith(f"http://tv.example:8443{SESSIONS}/")


def test_through_https_the_location_is_https(leading_out: Path, tmp_path: Path, authority: trustme.CA) -> None:
    with running("replay", leading_out, *proxy_options(tmp_path, authority)) as opened:
        trust: ssl.SSLContext = trust_proxy(tmp_path)
        url = opened.url.replace("http:", "https:")
        with httpx.Client(verify=trust) as player:
            location, answer = follow(player, url)

    assert location.startswith(f"{url}{SESSIONS}/")
    assert answer.status_code == 400


def test_in_regular_mode_the_endpoints_own_host_stays(leading_out: Path, tmp_path: Path, authority: trustme.CA) -> None:
    options = ["--mode", "regular", *proxy_options(tmp_path, authority)]
    with running("replay", leading_out, *options) as opened:
        with httpx.Client(proxy=opened.url, verify=trust_proxy(tmp_path)) as player:
            location, answer = follow(player, f"https://{RECORDED}")
        assert opened.stop() == 0

    assert location.startswith(f"https://{RECORDED}{SESSIONS}/")
    assert answer.json() == {"message": f"see https://{RECORDED}/help"}
    assert SAID not in opened.lines


def test_a_miss_that_is_forwarded_goes_to_the_upstream_by_its_name(leading_out: Path) -> None:
    with upstream() as server, httpx.Client() as player:
        options = ["--on-miss", "forward", "--to", server.url]
        with running("replay", leading_out, *options) as opened:
            location, _ = follow(player, opened.url)
            forwarded = player.post(opened.url + SESSIONS, json=start(params={**start()["params"], "media.id": "new"}))
            assert opened.stop() == 0

    assert location.startswith(f"{opened.url}{SESSIONS}/")
    assert forwarded.status_code == 201
    assert [each.headers["Host"] for each in server.received] == [server.url.partition("://")[2]]


# ---- Recording ----

PAST = "an answer leads players past this proxy, so that their events are not recorded: its Location names '{host}'; "
REVERSE = "make this proxy the player's with --mode regular, or have the endpoint answer with a relative Location"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        (f"https://{RECORDED}{SESSIONS}/abc", RECORDED),
        (f"//{RECORDED}:8443{SESSIONS}/abc", f"{RECORDED}:8443"),
        (f"https://u:p@{RECORDED}{SESSIONS}/abc", RECORDED),
        ("{upstream}" + f"{SESSIONS}/abc", "{upstream}"),
        (f"{SESSIONS}/abc", ""),
        ("{proxy}" + f"{SESSIONS}/abc", ""),
        ("{localhost}" + f"{SESSIONS}/abc", ""),
    ],
)
def test_record_warns_once_of_a_location_that_leads_past_it(location: str, host: str, tmp_path: Path) -> None:
    answered: list[str] = []
    with (
        upstream(location=lambda: answered[0]) as server,
        running("record", "--to", server.url, "--out", tmp_path / "r.jsonl") as opened,
        httpx.Client() as player,
    ):
        localhost = f"http://localhost:{opened.port}"
        answered.append(location.format(upstream=server.url, proxy=opened.url, localhost=localhost))
        got = [player.post(opened.url + SESSIONS, json=start()) for _ in range(2)]
        assert opened.stop() == 0

    assert [each.headers["Location"] for each in got] == answered * 2
    host = host.format(upstream=server.url.partition("://")[2])
    warned = [line for line in opened.lines if line.startswith("an answer leads players past")]
    assert warned == ([PAST.format(host=host) + REVERSE] if host else [])


@pytest.mark.parametrize(
    ("location", "remedy"),
    [("http://127.0.0.1:{port}", None), (f"https://{RECORDED}", None), ("https://other.example", "other.example")],
)
def test_record_in_regular_mode_warns_of_hosts_that_are_no_endpoint(
    location: str, remedy: str | None, tmp_path: Path
) -> None:
    answered: list[str] = []
    with upstream(location=lambda: answered[0]) as server:
        answered.append(f"{location.format(port=server.port)}{SESSIONS}/abc")
        options = ["--mode", "regular", "--endpoint", "127.0.0.1", "--out", tmp_path / "r.jsonl"]
        with running("record", *options) as opened:
            with httpx.Client(proxy=opened.url) as player:
                assert player.post(server.url + SESSIONS, json=start()).status_code == 201
            assert opened.stop() == 0

    warned = [line for line in opened.lines if line.startswith("an answer leads players past")]
    assert warned == ([f"{PAST.format(host=remedy)}pass --endpoint {remedy}"] if remedy else [])
