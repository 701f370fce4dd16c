"""A client of the live page: its link, raw requests to its server, and the lines of its stream."""

import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from support.paths import RECORDINGS_FOLDER
from support.processes import TIMEOUT_SECONDS, Command, start_program
from support.upstream_server import SID
from tapehead.demo.timelines import VIEW_TO_END

RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"
EVENTS = f"/api/v1/sessions/{SID}/events"
LIVE = ("--live", "0")
API = "/tapehead/v1"
STREAM = f"{API}/stream"
COMMANDS: dict[str, list[object]] = {
    "record": ["record", "--to", "http://127.0.0.1:9"],
    "replay": ["replay", RECORDING],
    "serve": ["serve"],
}
PAUSE = {"eventType": "pause", "playerTime": {"playhead": 1, "ts": 1_795_401_600_000}}
LINK_PREFIX = "live page: "
# In the words of the endpoint's own event types: a session with one mistake.
START = {"eventType": "sessionStart", "playerTime": {"playhead": 0, "ts": 0}, "params": dict(VIEW_TO_END[0].params)}


class Link(NamedTuple):
    """The link that tapehead prints: port and token."""

    port: int
    token: str

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __str__(self) -> str:
        return f"{self.origin}/#{self.token}"

    def head(self, path: str = STREAM, method: str = "GET", *more: str, host: str | None = None) -> bytes:
        """Return the head of a request with the right token and Host, and more headers."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{self.port}'}"]
        return "\r\n".join([*lines, f"Authorization: Bearer {self.token}", *more, "", ""]).encode()


def link_of(opened: Command) -> Link:
    """Return the link that a command printed before it was ready."""
    (line,) = (line for line in opened.lines if line.startswith(LINK_PREFIX))
    address, _, token = line.removeprefix(LINK_PREFIX).partition("/#")
    return Link(int(address.removeprefix("http://127.0.0.1:")), token)


@contextlib.contextmanager
def viewing(*recordings: object, cwd: Path | None = None) -> Iterator[Command]:
    """`tapehead view` of some recordings, whose page is ready."""
    with start_program(sys.executable, "-m", "tapehead", "view", *recordings, cwd=cwd) as opened:
        opened.wait_for(lambda line: line.startswith(LINK_PREFIX))
        yield opened


class Answered(NamedTuple):
    """A raw answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(port: int, head: bytes) -> Answered:
    """Send a request, and return its answer up to its content length."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(head)
        with connection.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            lines = iter(stream.readline, b"\r\n")
            headers = dict(line.decode().strip().lower().split(": ", 1) for line in lines)
            return Answered(status, headers, stream.read(int(headers.get("content-length", "0"))))


@contextlib.contextmanager
def stream(link: Link, after: int = 0) -> Iterator[Iterator[str]]:
    """Yield the lines that a page gets, as they arrive."""
    headers = {"Authorization": f"Bearer {link.token}"}
    with (
        httpx.Client(timeout=TIMEOUT_SECONDS) as client,
        client.stream("GET", f"{link.origin}{STREAM}?after={after}", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        yield (line for line in answer.iter_lines() if line)


def read_until(lines: Iterator[str], calls: int, rule: str | None = None) -> list[dict[str, Any]]:
    """Return the stream's objects up to the totals that count so many calls, all of which have been told.

    Findings are told when the audit has seen the calls: name the rule of one to read until it came.
    """
    objects = []
    is_found, is_counted = rule is None, False
    for line in lines:
        objects.append(json.loads(line))
        if objects[-1]["kind"] == "changes":
            is_found = is_found or rule in [finding["rule"] for finding in objects[-1]["findings"]]
            is_counted = is_counted or (objects[-1]["is_last"] and objects[-1]["totals"]["calls"] == calls)
            if is_found and is_counted:
                return objects
    raise AssertionError("the stream ended")


def rows_of(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the rows of a kind, `calls`, `sessions` or `findings`, each as it was told last."""
    rows = [row for each in objects if each["kind"] == "changes" for row in each[kind]]
    return list({row["number"]: row for row in rows}.values())


def query(link: Link, path: str) -> Any:
    """Return the answer of the HTTP API, as JSON."""
    answer = httpx.get(f"{link.origin}{API}{path}", headers={"Authorization": f"Bearer {link.token}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def play(player: httpx.Client, url: str, *events: dict[str, Any], **params: object) -> str:
    """Open a session, send its events, and return its session id."""
    start = START | {"params": {**START["params"], **params}}  # type: ignore[dict-item]
    answer = player.post(f"{url}/api/v1/sessions", json=start)
    sid = answer.headers["Location"].rpartition("/")[2]
    for each in events:
        player.post(f"{url}/api/v1/sessions/{sid}/events", json=each)
    return sid
