"""What HAR files hold beside calls of the endpoint, and formats that are not read: each is named, with what to do."""

from pathlib import Path

import orjson
import pytest

import tapehead
from support.audits import audited
from support.exchanges import session
from support.har_files import entry, har, har_of
from tapehead.cli.app import run

CALLS = session("s1", [(1, 0, "play", {}), (9, 8, "ping", {}), (12, 11, "sessionComplete", {})])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# ---- Elsewhere, or another protocol ----

HEARTBEAT = "https://company.hb.omtrdc.net/?s:event:type=start&s:asset:type=main&l:event:playhead=0"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "https://company.hb.omtrdc.net/api/v1/sessions",
            "no call to the endpoint among 2 requests in 'a.har', but similar ones to company.hb.omtrdc.net (2)",
        ),
        (
            HEARTBEAT,
            "heartbeats of an older media SDK were seen (company.hb.omtrdc.net (2)), which tapehead does not read",
        ),
        (
            HEARTBEAT.replace("company.hb.omtrdc.net", "stats.example.com")
            .replace(":", "%3A")
            .replace("s%3A//", "s://"),
            "heartbeats of an older media SDK were seen (stats.example.com (2)), which tapehead does not read",
        ),
        (
            "https://stats.example.com/?s%3Asp%3Achannel=news",
            "heartbeats of an older media SDK were seen (stats.example.com (2)), which tapehead does not read",
        ),
        (
            "https://heartbeats.omtrdc.net/settings/company.xml?r=1",
            "heartbeats of an older media SDK were seen (heartbeats.omtrdc.net (2)), which tapehead does not read",
        ),
        (
            "https://edge.adobedc.net/ee/or2/va/v1/ping?configId=1",
            "calls of the Media Edge API were seen (edge.adobedc.net (2)), which tapehead does not read",
        ),
        (
            "https://metrics.example.com/ee/va/v1/sessionStart?configId=1",
            "calls of the Media Edge API were seen (metrics.example.com (2)), which tapehead does not read",
        ),
    ],
)
@pytest.mark.parametrize("command", [["audit"], ["show"], ["import"]])
def test_where_the_calls_went_is_said(
    command: list[str], url: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.har").write_bytes(har(entry(url), entry(url)))

    assert run([*command, "a.har"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert reason in lines[0]
    assert [line for line in lines[1:] if reason in line] == []
    assert lines[1:] in ([], ["tapehead: nothing to audit: no recording could be read"])


def test_calls_elsewhere_are_said_beside_those_that_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.har").write_bytes(har(*orjson.loads(har_of(CALLS))["log"]["entries"], entry(HEARTBEAT)))

    sessions, (line,) = audited(capsys, "a.har")
    assert sessions == {"s1": 4}
    assert line.startswith("tapehead: heartbeats of an older media SDK were seen (company.hb.omtrdc.net (1)), ")


ENDPOINT = "https://company.hb-api.omtrdc.net"


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("PUT", "/api/v1/sessions", "wrong method PUT; did you mean POST?"),
        ("POST", "/api/v1/session", "not a Media Collection call; did you mean /api/v1/sessions?"),
        (
            "POST",
            "/api/v1/sessions/jane/event?x=y",
            "not a Media Collection call; did you mean /api/v1/sessions/{sid}/events?",
        ),
    ],
)
def test_near_misses_at_the_endpoint_are_told(
    method: str, path: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    near = entry(ENDPOINT + path, request={"method": method})
    Path("a.har").write_bytes(har(*orjson.loads(har_of(CALLS))["log"]["entries"], near, near))
    Path("b.har").write_bytes(har(near, entry(f"{ENDPOINT}/crossdomain.xml")))
    line = f"2 other requests to the endpoint: {hint}"

    assert audited(capsys, "a.har") == ({"s1": 4}, [f"tapehead: {line}"])
    assert run(["import", "b.har"]) == 2
    told = (
        f"no Media Collection call among 2 requests in 'b.har'; {line.replace('2 other requests', '1 other request')}"
    )
    assert capsys.readouterr().err == f"tapehead: {told}\n"


def test_the_real_url_of_a_roku_is_within_the_path(capsys: pytest.CaptureFixture[str]) -> None:
    made = orjson.loads(har_of(CALLS))
    for each in made["log"]["entries"]:
        each["request"]["url"] = f"http://192.168.1.5:8888/;{each['request']['url']}"
    Path("a.har").write_bytes(orjson.dumps(made))

    assert audited(capsys, "a.har") == ({"s1": 4}, [])
    assert [each.exchange.request.url for each in tapehead.read_recordings(["a.har"])] == [
        each.request.url for each in CALLS
    ]


# ---- Formats that are not read ----


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        (
            "a.chlsj",
            b'[{"status":"COMPLETE","method":"POST"}]',
            "is a Charles session, which tapehead does not read; in Ch",
        ),
        ("a.txt", b'[ { "status": "COMPLETE", "method": "POST" } ]', "is a Charles session"),
        (
            "a.saz",
            b"PK\x03\x04",
            "is a Fiddler archive, which tapehead does not read; in Fiddler, choose File > Export",
        ),
        ("a.proxymanlogv2", b"\x00", "is a Proxyman log"),
        (
            "a.bin",
            b"\xd4\xc3\xb2\xa1\x02\x00",
            "is a packet capture, which tapehead does not read; its TLS cannot be read",
        ),
        ("a.bin", b"\n\r\r\n\x1c\x00", "is a packet capture"),
        ("a.bin", b"%PDF-1.7\n", "is a PDF document"),
        ("a.bin", b"<!DOCTYPE html><html>", "is a web page"),
        ("a.json", b'{"constants": {"x": 1}}', "is a network log of Chrome"),
    ],
)
@pytest.mark.parametrize("command", ["audit", "show", "import"])
def test_a_format_that_is_not_read_is_named_with_advice(
    command: str, name: str, data: bytes, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_bytes(data)

    assert run([command, name]) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith(f"tapehead: '{name}' {reason}")


@pytest.mark.parametrize(
    ("command", "kinds"),
    [("import", "a HAR file nor"), ("audit", "a recording, a HAR file nor"), ("show", "a recording, a HAR file nor")],
)
def test_a_file_of_no_format_is_refused_with_what_could_be_read(
    command: str, kinds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.txt").write_text("GET / HTTP/1.1")

    assert run([command, "a.txt"]) == 2
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith(
        f"tapehead: 'a.txt' is neither {kinds} a flow file of mitmproxy; save the traffic as HAR, in a"
    )
