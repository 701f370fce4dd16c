"""Options of mitmproxy in a recording proxy: each has the effect that it has in mitmdump."""

import base64
import contextlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.processes import Command, run_tapehead, running, web_server
from support.upstream_server import Received

EVENTS = "/api/v1/sessions/0123456789/events"
PING: dict[str, Any] = {"playerTime": {"playhead": 0, "ts": 1795399200000}, "eventType": "ping"}
# A call, which waits for its end, and another request, which is streamed if no option is about it.
PATHS = [EVENTS, "/video.ts"]
BASIC = "Basic " + base64.b64encode(b"user:secret").decode()


@contextlib.contextmanager
def recording(folder: Path, *options: str) -> Iterator[tuple[Command, list[Received]]]:
    """A recording proxy with options of mitmproxy, and what its endpoint has received; header names in lower case."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received.append(Received("POST", self.path, headers, body))
            self.send_response(200)
            for name, value in {"Alt-Svc": 'h3=":443"', "Set-Cookie": "c=1", "Content-Length": "5"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            pass

    words = [word for option in options for word in ("--set", option)]
    with web_server(Handler) as url, running("record", "--to", url, "--out", folder / "a.jsonl", *words) as proxy:
        yield proxy, received


@pytest.mark.parametrize("path", PATHS)
def test_options_change_requests_and_answers(path: str, tmp_path: Path) -> None:
    options = (
        "anticache=true",
        "anticomp=true",
        "modify_headers=|~q|X-Added|1",
        "modify_body=|~q|ping|pong",
        "modify_body=|~s|hello|adieu",
        "map_remote=,^(.*)/moved,\\1/elsewhere",
        "stickyauth=~all",
        "stickycookie=~all",
    )
    with recording(tmp_path, *options) as (proxy, received):
        headers = {"If-None-Match": "x", "Accept-Encoding": "gzip", "Authorization": BASIC}
        answer = httpx.post(proxy.url + path, json=PING, headers=headers)
        httpx.post(f"{proxy.url}/moved{path}", json=PING)

    first, second = received
    assert "if-none-match" not in first.headers
    assert first.headers["accept-encoding"] == "identity"
    assert first.headers["x-added"] == "1"
    assert b"pong" in first.body
    assert answer.text == "adieu"
    assert second.path == f"/elsewhere{path}"
    assert second.headers["authorization"] == BASIC
    assert second.headers["cookie"] == "c=1"


@pytest.mark.parametrize("path", PATHS)
def test_options_answer_requests(path: str, tmp_path: Path) -> None:
    (tmp_path / "answer.txt").write_text("from a file")
    options = "block_list=,~u blocked,451", f"map_local=,/local,{tmp_path}/answer.txt"
    with recording(tmp_path, *options) as (proxy, received):
        blocked = httpx.post(f"{proxy.url}/blocked{path}", json=PING)
        local = httpx.post(f"{proxy.url}/local", json=PING)

    assert (blocked.status_code, local.text) == (451, "from a file")
    assert received == []


def test_a_login_for_the_endpoint_is_recorded_as_a_pseudonym(tmp_path: Path) -> None:
    with recording(tmp_path, "upstream_auth=user:secret") as (proxy, received):
        httpx.post(proxy.url + EVENTS, json=PING)

    assert received[0].headers["authorization"] == BASIC
    stored = (tmp_path / "a.jsonl").read_text()
    assert "authorization" in stored.lower()
    assert BASIC.removeprefix("Basic ") not in stored


@pytest.mark.parametrize(("options", "wanted"), [((), "{port}"), (("keep_alt_svc_header=true",), "443")])
def test_players_are_not_sent_to_another_service(options: tuple[str, ...], wanted: str, tmp_path: Path) -> None:
    with recording(tmp_path, *options) as (proxy, _):
        answers = [httpx.post(proxy.url + path, json=PING) for path in PATHS]

    wanted = f'h3=":{wanted.format(port=proxy.port)}"'
    assert [answer.headers["Alt-Svc"] for answer in answers] == [wanted, wanted]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("save_stream_file=a", "--set save_stream_file has no effect here; use --out; a flow file has no pseudonyms"),
        ("scripts=a.py", '--set scripts has no effect here; use mitmdump -s "$(tapehead addon-path)" for it'),
        ("showhost=true", "--set showhost has no effect here: it is about what mitmproxy's own tools show"),
        ("stickyaut=x", "Unknown option(s): stickyaut; mitmdump --options lists mitmproxy's options"),
    ],
)
def test_an_option_without_effect_is_refused(option: str, message: str, tmp_path: Path) -> None:
    done = run_tapehead("record", "--to", "http://127.0.0.1:9", "--set", option, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (2, f"tapehead: {message}\n")
    assert not list(tmp_path.glob("**/*.jsonl"))
