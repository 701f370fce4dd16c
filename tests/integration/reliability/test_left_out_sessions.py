"""Sessions that the audit leaves out under a flood of calls: real processes, whose audit stands still meanwhile."""

import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from support.captured_traffic import read
from support.exchanges import AD, event, start_with
from support.live_client import API, LIVE, Link, link_of, query
from support.processes import Command, memory_of, running
from support.upstream_server import upstream
from tapehead.auditor.recordings_audit import audit
from tapehead.protocol.exchange import Entry, Exchange, decode
from tapehead.protocol.routes import SESSIONS_PATH, location_of, sid_of_location
from tapehead.recording.pipeline import words_of

MOST_CALLS, MOST_BYTES = 120, 2_000_000
CONNECTIONS, SESSIONS = 6, 24
# The second event is a mistake.
TYPES = ("play", "adStart", *["ping"] * 8, "sessionEnd")
LARGE = {**event("ping", 5, 5), "customMetadata": {"text": "x" * 100_000}}
_LEFT_OUT = re.compile(r"(\d+) sessions left out of the audit under load: (.+?)(?: and (\d+) more)?$")

# The audit begins when the other end of the pipe is opened; until then, everything waits.
HELD = f"""
from pathlib import Path
from tapehead.journal.audit_thread import AuditThread
from tapehead.journal.backlog import Backlog

Backlog.__init__.__defaults__ = ({MOST_CALLS}, {MOST_BYTES})
run = AuditThread._run

def run_when_allowed(self):
    Path("PIPE").read_bytes()
    run(self)

AuditThread._run = run_when_allowed
"""


class Flood(NamedTuple):
    """A flood of calls, the statuses of their answers, and the process that gave them, which audits from now on.

    Attributes:
        opened: the process.
        calls: the number of calls of each session.
        long: the session that began first, and found no room in the end.
        statuses: the number of answers with each status.
        grown: by how many bytes the process has grown while the large calls came.
    """

    opened: Command
    calls: Counter[str]
    long: str
    statuses: Counter[int]
    grown: int


@contextmanager
def flooded(folder: Path, command: str, *options: object, large: int = 0) -> Iterator[Flood]:
    """A process that has been called from several connections at once; then `large` calls of 100 kB came."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    numbers = itertools.count()
    with ExitStack() as stack:
        arguments: list[object] = [command, *options, *LIVE]
        if command == "record":
            server = stack.enter_context(upstream(location=lambda: location_of(f"sid-{next(numbers)}")))
            arguments += ["--to", server.url]
        opened = stack.enter_context(running(*arguments, cwd=folder, broken=HELD.replace("PIPE", str(pipe))))
        flood = make_flood(opened, large)
        pipe.write_bytes(b"")
        yield flood


def make_flood(opened: Command, large: int) -> Flood:
    """Call a server, and wait for every answer."""
    calls, statuses = Counter[str](), Counter[int]()

    def post(player: httpx.Client, path: str, body: object) -> httpx.Response:
        answer = player.post(opened.url + path, json=body)
        statuses[answer.status_code] += 1
        return answer

    def begin(player: httpx.Client, name: str) -> str:
        answer = post(player, SESSIONS_PATH, start_with({"media.id": name, "media.name": name}))
        sid = sid_of_location(answer.headers["Location"])
        assert sid
        calls[sid] += 1
        return sid

    def send(player: httpx.Client, sid: str, body: object) -> None:
        post(player, f"{location_of(sid)}/events", body)
        calls[sid] += 1

    def play(numbers: range) -> None:
        with httpx.Client(timeout=60) as player:
            for number in numbers:
                sid = begin(player, f"clip-{number}")
                for at, kind in enumerate(TYPES, start=1):
                    send(player, sid, event(kind, at, at, AD if kind == "adStart" else None))

    with httpx.Client(timeout=60) as player, ThreadPoolExecutor(CONNECTIONS) as pool:
        long = begin(player, "long")
        list(pool.map(play, [range(first, SESSIONS, CONNECTIONS) for first in range(CONNECTIONS)]))
        for _ in range(MOST_CALLS):
            send(player, long, event("ping", 5, 5))
        before = memory_of(opened)
        for _ in range(large):
            send(player, long, LARGE)
        grown = memory_of(opened) - before
    return Flood(opened, calls, long, statuses, grown)


def left_out_of(flood: Flood) -> set[str]:
    """Return the sessions that the API tells to be left out, after checking that all of its counts agree."""
    link = link_of(flood.opened)
    totals = query(link, "/status")["totals"]
    left_out = set(totals["left_out"])
    assert len(left_out) == totals["left_out_sessions"]
    assert left_out <= flood.calls.keys()
    assert totals["left_out_calls"] == sum(flood.calls[sid] for sid in left_out)
    # At most ten sessions can have begun before half of the room was taken, and six of them certainly have.
    assert flood.long in left_out
    assert SESSIONS - 10 <= len(left_out) - 1 <= SESSIONS - 6
    return left_out


def check_findings(flood: Flood, left_out: set[str], exchanges: list[Exchange]) -> None:
    """Fail unless the sessions that were not left out have the findings that their audit gives, and the end says so."""
    entries = [Entry(line, each) for line, each in enumerate(exchanges, start=1) if each.session not in left_out]
    expected = {result.id: result.findings for result in audit(entries)}
    assert expected.keys() == flood.calls.keys() - left_out
    link = link_of(flood.opened)
    for sid, findings in expected.items():
        rows = query(link, f"/findings?session={sid}")["findings"]
        assert findings
        assert sorted((row["rule"], row["message"]) for row in rows) == sorted(
            (found.rule, found.message) for found in findings
        )
    flood.opened.stop()
    (summary,) = (match for line in flood.opened.lines if (match := _LEFT_OUT.search(line)))
    named = set(summary[2].split(", "))
    assert named <= left_out
    assert int(summary[1]) == len(left_out) == len(named) + int(summary[3] or 0)
    words = words_of(Counter(found.severity for findings in expected.values() for found in findings))
    assert any(line.endswith(f": {words}") for line in flood.opened.lines)


@pytest.mark.parametrize("command", ["serve", "record"])
def test_of_a_recorded_flood_whole_sessions_are_left_out_of_the_audit_alone(command: str, tmp_path: Path) -> None:
    with flooded(tmp_path, command, "--out", "run.jsonl") as flood:
        left_out = left_out_of(flood)
        stored = read(tmp_path / "run.jsonl")
        check_findings(flood, left_out, stored)

    assert flood.statuses == {201: 1 + SESSIONS, 204: SESSIONS * len(TYPES) + MOST_CALLS}
    assert Counter(each.session for each in stored) == flood.calls


def test_of_a_flood_in_memory_whole_sessions_are_left_out_in_bounded_memory(tmp_path: Path) -> None:
    with flooded(tmp_path, "serve", large=600) as flood:
        left_out = left_out_of(flood)
        link = link_of(flood.opened)
        kept = [line for sid in flood.calls.keys() - left_out for line in lines_of(link, sid)]
        check_findings(flood, left_out, [decode(line) for line in kept])

    # The simulated endpoint refuses a value of that size.
    assert flood.statuses == {201: 1 + SESSIONS, 204: SESSIONS * len(TYPES) + MOST_CALLS, 400: 600}
    assert len(kept) == sum(count for sid, count in flood.calls.items() if sid not in left_out)
    assert flood.grown < 20_000_000


def lines_of(link: Link, sid: str) -> list[bytes]:
    """Return the recording of a session, as the API gives it."""
    headers = {"Authorization": f"Bearer {link.token}"}
    answer = httpx.get(f"{link.origin}{API}/sessions/{sid}/recording", headers=headers)
    assert answer.status_code == 200
    return answer.content.splitlines()
