"""A reverse proxy behind a company's proxy: `--upstream-proxy`, with and without a login, and the environment."""

import base64
import json
import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from support.certificates import proxy_options
from support.forward_proxy import Passed, forward_proxy
from support.paths import ROOT
from support.processes import Command, run_tapehead, running
from support.upstream_server import SID, upstream

EVENTS = f"/api/v1/sessions/{SID}/events"
PING = {"playerTime": {"playhead": 0, "ts": 1795399200000}, "eventType": "ping"}
LOGIN = "user:p@ss:word"
IN_URL = "user:p%40ss%3Aword@"
ENCODED = base64.b64encode(LOGIN.encode()).decode()
SECRETS = (ENCODED, "p@ss", "p%40ss")
RECORDING = ROOT / "recordings" / "timeline-1.jsonl"


def call(proxy: Command, *, times: int = 1) -> list[int]:
    with httpx.Client(base_url=proxy.url, timeout=10) as player:
        return [player.post(EVENTS, json=PING).status_code for _ in range(times)]


def test_an_endpoint_with_tls_is_reached_by_a_tunnel(
    tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path
) -> None:
    out = tmp_path / "a.jsonl"
    with upstream(tls) as server, forward_proxy(LOGIN) as company:
        options = ["--upstream-proxy", f"http://{IN_URL}127.0.0.1:{company.port}", "--keep-ids"]
        with running(
            "record", "--to", server.url, "--out", out, *options, *proxy_options(tmp_path, authority)
        ) as proxy:
            assert call(proxy, times=3) == [204] * 3
            proxy.stop()

    assert company.passed == [Passed("CONNECT", f"127.0.0.1:{server.port}", f"Basic {ENCODED}")]
    assert all("proxy-authorization" not in map(str.lower, got.headers) for got in server.received)
    assert len(server.received) == len(out.read_text().splitlines()) == 3
    assert not any(secret in text for secret in SECRETS for text in (out.read_text(), "\n".join(proxy.lines)))


@pytest.mark.parametrize("login", [None, LOGIN])
def test_an_endpoint_without_tls_is_reached_by_whole_urls(login: str | None, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, forward_proxy(login, server.port) as company:
        options = ["--upstream-proxy", f"http://{IN_URL if login else ''}127.0.0.1:{company.port}", "--keep-ids"]
        with running("record", "--to", server.url, "--out", out, *options) as proxy:
            assert call(proxy, times=2) == [204] * 2
            other = httpx.post(f"{proxy.url}/video.ts", json={})
            proxy.stop()

    said = f"Basic {ENCODED}" if login else None
    paths = [EVENTS, EVENTS, "/video.ts"]
    assert company.passed == [Passed("POST", server.url + path, said) for path in paths]
    assert [got.path for got in server.received] == paths
    assert other.text.startswith("hello")
    lines = list(map(json.loads, out.read_text().splitlines()))
    assert [line["request"]["url"] for line in lines] == [server.url + EVENTS] * 2
    assert not any(secret in text for secret in SECRETS for text in (out.read_text(), "\n".join(proxy.lines)))


def test_the_proxy_itself_may_have_tls(tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path) -> None:
    with upstream() as server, forward_proxy(LOGIN, tls=tls) as company:
        options = ["--upstream-proxy", f"https://{IN_URL}127.0.0.1:{company.port}", *proxy_options(tmp_path, authority)]
        with running("record", "--to", server.url, "--out", tmp_path / "a.jsonl", *options) as proxy:
            assert call(proxy) == [204]

    assert company.passed == [Passed("CONNECT", f"127.0.0.1:{server.port}", f"Basic {ENCODED}")]


@pytest.mark.parametrize("secure", [False, True])
def test_a_refused_login_is_told_in_one_sentence(
    secure: bool, tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path
) -> None:
    with upstream(tls if secure else None) as server, forward_proxy(LOGIN) as company:
        options = [
            "--upstream-proxy",
            f"http://user:wrong@127.0.0.1:{company.port}",
            *proxy_options(tmp_path, authority),
        ]
        with running("record", "--to", server.url, "--out", tmp_path / "a.jsonl", *options) as proxy:
            assert call(proxy, times=2) == [502 if secure else 407] * 2
            proxy.stop()

    (line,) = (line for line in proxy.lines if "the proxy '" in line)
    assert line == (
        f"tapehead: the proxy 'http://127.0.0.1:{company.port}' refused a request: 407 Proxy Authentication Required; "
        "check the user and the password in --upstream-proxy http://USER:PASS@HOST:PORT"
    )


def test_a_forward_proxy_goes_through_another_one(tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    options = ["--mode", "regular", "--endpoint", "127.0.0.1", "--out", out, *proxy_options(tmp_path, authority)]
    with upstream(tls) as server, upstream() as plain, forward_proxy(LOGIN, plain.port) as company:
        options += ["--upstream-proxy", f"{IN_URL}127.0.0.1:{company.port}"]
        with running("record", *options) as proxy:
            trust = ssl.create_default_context(cafile=str(tmp_path / "confdir" / "mitmproxy-ca-cert.pem"))
            with httpx.Client(proxy=proxy.url, verify=trust, timeout=10) as player:
                codes = [player.post(url + EVENTS, json=PING).status_code for url in (server.url, plain.url)]
            proxy.stop()

    assert codes == [204, 204]
    assert [each.method for each in company.passed] == ["CONNECT", "POST"]
    assert {each.login for each in company.passed} == {f"Basic {ENCODED}"}
    assert len(out.read_text().splitlines()) == 2


def test_replay_forwards_through_it(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, forward_proxy() as company:
        options = ["--on-miss", "forward", "--to", server.url, "--out", out]
        through = ["--upstream-proxy", f"http://127.0.0.1:{company.port}"]
        with running("replay", RECORDING, *options, *through) as proxy:
            assert call(proxy) == [204]
            proxy.stop()

    assert [each.target for each in company.passed] == [server.url + EVENTS]
    assert server.received[0].headers["Host"] == f"127.0.0.1:{server.port}"
    assert json.loads(out.read_text())["request"]["url"] == server.url + EVENTS


@pytest.mark.parametrize(("bypass", "used"), [("", True), ("127.0.0.1", False)])
def test_the_environment_names_it_on_request(
    bypass: str, used: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with upstream() as server, forward_proxy(LOGIN) as company:
        monkeypatch.setenv("http_proxy", f"{IN_URL}127.0.0.1:{company.port}")
        monkeypatch.setenv("no_proxy", bypass)
        options = ["--to", server.url, "--out", tmp_path / "a.jsonl", "--upstream-proxy", "env"]
        with running("record", *options) as proxy:
            assert call(proxy) == [204]

    assert bool(company.passed) == used


WRONG = [
    (["--to", "https://x", "--upstream-proxy", "socks5://user:secret@x"], "invalid --upstream-proxy: expected an http"),
    (["--to", "https://x", "--upstream-proxy", "http://user:secret@x:y"], "invalid --upstream-proxy: expected an http"),
    (["--to", "https://x", "--upstream-proxy", "env"], "needs HTTPS_PROXY, which is not set"),
    (["--mode", "socks5", "--upstream-proxy", "http://x"], "mode 'socks5' cannot go through a proxy"),
    (["--to", "https://x", "--upstream-proxy", "http://x", "--set", "mode=regular"], "exclude each other"),
]


@pytest.mark.parametrize(("options", "wanted"), WRONG, ids=[" ".join(each[0]) for each in WRONG])
def test_what_is_wrong_is_said_in_one_line_without_the_login(
    options: list[str], wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    done = run_tapehead("record", *options, cwd=tmp_path)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert wanted in line
    assert "secret" not in line
