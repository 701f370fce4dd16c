"""Bodies, codings, protocols and paths through tapehead record: each is forwarded untouched and recorded whole."""

import gzip
import json
import ssl
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import brotli
import httpx
import pytest
import trustme

from support.captured_traffic import errors, read, rules
from support.certificates import proxy_options
from support.processes import Command, running
from support.upstream_server import SID, Upstream, upstream
from tapehead.protocol.exchange import Exchange

JSON = {"Content-Type": "application/json"}
SESSIONS, EVENTS = "/api/v1/sessions", f"/api/v1/sessions/{SID}/events"

# The sample of the reference's page on the sessions request.
SAMPLE: dict[str, Any] = {
    "playerTime": {"playhead": 0, "ts": 1509045324153},
    "eventType": "sessionStart",
    "params": {
        "media.playerName": "sample-html5-api-player",
        "analytics.trackingServer": "<your-aa-tracking-server>",
        "analytics.reportSuite": "<your-aa-rsid>",
        "analytics.visitorId": "<your-userId>",
        "media.contentType": "VOD",
        "media.length": 60.39333333333333,
        "media.id": "MA API Sample Player",
        "visitor.marketingCloudOrgId": "<your-org-id>",
        "media.name": "ClickMe",
        "media.channel": "sample-channel",
        "media.sdkVersion": "va-api-0.0.0",
        "analytics.enableSSL": False,
    },
    "customMetadata": {"myCustomData": "<your metadata>", "myCustomData2": "<your metadata>"},
    "qoeData": {"param1": "<your param-value>", "param2": "<your param-value>"},
}


class Bench(NamedTuple):
    """A recording proxy before a server, and where it records."""

    proxy: Command
    server: Upstream
    out: Path

    def recorded(self) -> list[Exchange]:
        """Stop the proxy, and return what it recorded; it ends with 1 if requests came by, but no call."""
        code, exchanges = self.proxy.stop(), read(self.out)
        assert code == (0 if exchanges else 1)
        return exchanges


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    out = tmp_path / "out.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out, "--keep-ids") as proxy:
        yield Bench(proxy, server, out)


def play(**more: object) -> bytes:
    body = {"eventType": "play", "playerTime": {"playhead": 0, "ts": int(time.time() * 1000)}, **more}
    return json.dumps(body).encode()


def sample(**params: object) -> bytes:
    changed = {**SAMPLE["params"], **params}
    kept = {key: value for key, value in changed.items() if value is not None}
    return json.dumps({**SAMPLE, "params": kept, "qoeData": {}, "customMetadata": {}}).encode()


def test_the_sample_of_the_reference_has_no_error(bench: Bench) -> None:
    httpx.post(bench.proxy.url + SESSIONS, json=SAMPLE)

    (exchange,) = bench.recorded()
    assert errors([exchange]) == []
    assert set(rules(exchange)) == {"placeholder-value", "unknown-parameter", "clock-skew", "stream-type"}


FAULTY = [
    (SESSIONS, sample(**{"media.id": None}), "missing-parameter", "params.media.id"),
    (SESSIONS, sample(**{"media.length": "60"}), "wrong-type", "params.media.length"),
    (SESSIONS, sample(**{"analytics.enableSSL": "false"}), "wrong-type", "params.analytics.enableSSL"),
    (EVENTS, b'{"eventType":"play",', "not-json", ""),
    (EVENTS, b"", "not-json", ""),
    (EVENTS, b"[" + play() + b"]", "not-an-object", ""),
    (SESSIONS, json.dumps({**SAMPLE, "customMetadata": {"n": 5}}).encode(), "wrong-type", "customMetadata.n"),
    (SESSIONS, json.dumps(SAMPLE).encode(), "unknown-parameter", "qoeData.param1"),
    (EVENTS, play(eventType="pause"), "unknown-event-type", "eventType"),
]


@pytest.mark.parametrize(("path", "body", "rule", "place"), FAULTY, ids=[each[2] + each[3] for each in FAULTY])
def test_a_faulty_body_gets_its_finding_and_is_forwarded_untouched(
    bench: Bench, path: str, body: bytes, rule: str, place: str
) -> None:
    answer = httpx.post(bench.proxy.url + path, content=body, headers=JSON)

    (exchange,) = bench.recorded()
    assert (rule, place) in [(finding.rule, finding.path) for finding in exchange.findings]
    assert exchange.request.content() == body
    assert [each.body for each in bench.server.received] == [body]
    assert answer.status_code in (201, 204)


@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("br", brotli.compress)])
def test_a_coded_body_is_forwarded_as_sent_and_recorded_decoded(bench: Bench, coding: str, encode: Any) -> None:
    body = play()
    packed = encode(body)
    httpx.post(bench.proxy.url + EVENTS, content=packed, headers={**JSON, "Content-Encoding": coding})

    (exchange,) = bench.recorded()
    assert bench.server.received[0].body == packed
    assert exchange.request.content() == body
    assert exchange.request.header("Content-Encoding") == coding
    assert errors([exchange]) == []


def test_a_body_that_does_not_unpack_is_kept_as_it_came(bench: Bench) -> None:
    httpx.post(bench.proxy.url + EVENTS, content=b"no gzip", headers={**JSON, "Content-Encoding": "gzip"})

    (exchange,) = bench.recorded()
    assert bench.server.received[0].body == b"no gzip"
    assert (exchange.request.content(), exchange.request.coded) == (b"no gzip", True)
    assert rules(exchange) == ["not-json"]


def test_a_megabyte_of_body_passes_whole(bench: Bench) -> None:
    body = play(customMetadata={"filler": "x" * 1_000_000})
    httpx.post(bench.proxy.url + EVENTS, content=body, headers=JSON)

    (exchange,) = bench.recorded()
    assert exchange.request.content() == body == bench.server.received[0].body


def test_a_beacon_is_recorded_with_a_warning_for_its_type(bench: Bench) -> None:
    httpx.post(bench.proxy.url + EVENTS, content=play(), headers={"Content-Type": "text/plain;charset=UTF-8"})

    (exchange,) = bench.recorded()
    assert rules(exchange) == ["content-type"]
    assert bench.server.received[0].headers["Content-Type"] == "text/plain;charset=UTF-8"


def test_one_connection_carries_many_calls(bench: Bench) -> None:
    with httpx.Client() as player:
        for _ in range(20):
            assert player.post(bench.proxy.url + EVENTS, content=play(), headers=JSON).status_code == 204

    assert len(bench.recorded()) == 20


def test_a_path_before_the_api_counts(bench: Bench) -> None:
    httpx.post(bench.proxy.url + "/tenant/va" + EVENTS, content=play(), headers=JSON)

    (exchange,) = bench.recorded()
    assert exchange.session == SID
    assert bench.server.received[0].path == "/tenant/va" + EVENTS


def test_a_path_in_the_target_is_put_before_the_players(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with upstream() as server, running("record", "--to", f"{server.url}/tenant/va", "--out", out) as proxy:
        httpx.post(proxy.url + EVENTS, content=play(), headers=JSON)
        httpx.post(proxy.url + "/tenant/va" + EVENTS, content=play(), headers=JSON)
        proxy.stop()

    assert {each.path for each in server.received} == {"/tenant/va" + EVENTS}
    assert len(read(out)) == 2


def test_other_requests_pass_untouched_and_unrecorded(bench: Bench) -> None:
    page = httpx.get(bench.proxy.url + "/player.html?x=1")
    httpx.post(bench.proxy.url + "/api/v2/sessions", content=b"x" * 100_000)

    assert page.text == "hello " * 1000
    assert [each.path for each in bench.server.received] == ["/player.html?x=1", "/api/v2/sessions"]
    assert bench.server.received[1].body == b"x" * 100_000
    assert bench.recorded() == []


class _OnlyHttp2(ssl.SSLContext):
    """Offers HTTP/2 alone; httpx would put HTTP/1.1 first, and mitmproxy takes what is first."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        super().set_alpn_protocols(["h2"])


def only_http2(ca: Path) -> ssl.SSLContext:
    context = _OnlyHttp2(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    return context


STRAYS = [
    ("POST", "/api/v1/session", "did you mean /api/v1/sessions?"),
    ("POST", "/api/v2/sessions", "did you mean /api/v1/sessions?"),
    ("POST", f"/api/v1/sessions/{SID}/event", "did you mean /api/v1/sessions/{sid}/events?"),
    ("PUT", "/api/v1/sessions", "did you mean POST?"),
]


@pytest.mark.parametrize(("method", "path", "hint"), STRAYS)
def test_a_call_gone_astray_is_shown(bench: Bench, method: str, path: str, hint: str) -> None:
    httpx.request(method, bench.proxy.url + path, content=play(), headers=JSON)
    line = bench.proxy.wait_for(lambda line: f"{method} {path.replace(SID, '...')}" in line)

    assert hint in line
    assert bench.recorded() == []
    assert any("1 other request passed on" in line for line in bench.proxy.lines)


def test_an_http2_player_is_recorded_before_an_http2_endpoint(tmp_path: Path) -> None:
    """The endpoint here is a second tapehead: mitmproxy offers HTTP/2 to players."""
    out, confdir = tmp_path / "out.jsonl", tmp_path / "confdir"
    options = ["--set", f"confdir={confdir}"]
    ca = confdir / "mitmproxy-ca-cert.pem"
    with upstream() as server, running("record", "--to", server.url, "--out", tmp_path / "far.jsonl", *options) as far:
        to = f"https://127.0.0.1:{far.port}"
        with running(
            "record", "--to", to, "--out", out, *options, "--set", f"ssl_verify_upstream_trusted_ca={ca}"
        ) as near:
            with httpx.Client(http2=True, verify=only_http2(ca)) as player:
                url = f"https://127.0.0.1:{near.port}{EVENTS}"
                answers = [player.post(url, content=play(), headers=JSON) for _ in range(3)]
            near.stop()

    assert [(each.http_version, each.status_code) for each in answers] == [("HTTP/2", 204)] * 3
    assert [each.request.header("content-type") for each in read(out)] == ["application/json"] * 3
    assert len(server.received) == 3


def test_https_and_http_come_in_on_one_port(tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext) -> None:
    out = tmp_path / "out.jsonl"
    options = proxy_options(tmp_path, authority)
    with upstream(tls) as server, running("record", "--to", server.url, "--out", out, *options) as proxy:
        trust = ssl.create_default_context(cafile=str(tmp_path / "confdir" / "mitmproxy-ca-cert.pem"))
        for scheme in ("http", "https"):
            answer = httpx.post(f"{scheme}://127.0.0.1:{proxy.port}{EVENTS}", content=play(), verify=trust)
            assert answer.status_code == 204
        proxy.stop()

    assert len(read(out)) == 2
