"""Journals of three replicas behind HAProxy, and what they recorded, are together those of one process."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson
import pytest

from support.balancers import balancer
from support.exchanges import AD, Step, event, session, start_with
from support.live_client import Link, link_of
from support.processes import TIMEOUT_SECONDS, Command, run_tapehead, running
from support.resend import write
from support.retrying_players import now_ms
from tapehead.protocol.routes import sid_of_location

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SESSIONS = 9
# An ad outside a break, and an end twice.
STEPS: list[Step] = [
    (0, 0, "play", {}),
    (1, 1, "adStart", AD),
    (2, 1, "adComplete", {}),
    (3, 2, "sessionComplete", {}),
    (4, 2, "sessionEnd", {}),
]


class Played(NamedTuple):
    """One process or several that were called, and still run.

    Attributes:
        links: their live pages.
        summaries, recordings: the files that they write.
    """

    links: list[Link]
    summaries: list[Path]
    recordings: list[Path]


def play_all(port: int) -> None:
    """Play all recorded sessions at once, call by call."""
    url = f"http://127.0.0.1:{port}/api/v1/sessions"
    with httpx.Client(trust_env=False, timeout=TIMEOUT_SECONDS) as player:
        bodies = [start_with({"media.id": f"clip-{number}"}) for number in range(SESSIONS)]
        answers = [player.post(url, json=body | {"playerTime": {"playhead": 0, "ts": now_ms()}}) for body in bodies]
        sids = [sid_of_location(answer.headers["Location"]) for answer in answers]
        for _, playhead, kind, params in STEPS:
            for sid in sids:
                body = event(kind, playhead, 0, params or None) | {"playerTime": {"playhead": playhead, "ts": now_ms()}}
                assert player.post(f"{url}/{sid}/events", json=body).status_code == 204


@contextmanager
def played(count: int, recorded: Path, folder: Path) -> Iterator[Played]:
    """Start some replicas, behind HAProxy if there are several, and play everything; they end after the block."""
    files = [[folder / f"{count}-{number}{suffix}" for number in range(count)] for suffix in (".json", ".jsonl")]
    replicas: list[Command] = []
    with ExitStack() as stack:
        for summary, out in zip(*files, strict=True):
            options = ["-q", "--strict", "--live", "0", "--summary", summary, "--out", out]
            replicas.append(stack.enter_context(running("serve", recorded, *options, cwd=folder)))
        port = replicas[0].port
        if count > 1:
            port = stack.enter_context(balancer("haproxy", [each.port for each in replicas], folder))
        play_all(port)
        yield Played([link_of(each) for each in replicas], *files)


def outlines_of(*recordings: object) -> tuple[list[Any], dict[str, Any]]:
    """What the report of an audit says of its sessions, but for times, ids, and where calls were recorded."""
    told = orjson.loads(run_tapehead("audit", *recordings, "--format", "json").stdout)
    sessions = [
        (
            each["media_id"],
            each["outcome"],
            each["events"],
            [
                (found["rule"], found["severity"], found["path"], re.sub(r"\d+\.\d s", "N s", found["message"]))
                for found in each["findings"]
            ],
            {name: each["metrics"][name] for name in ("media_starts", "content_completes")},
        )
        for each in told["sessions"]
    ]
    return sorted(sessions, key=lambda each: str(each[0])), told["summary"]


def merged(*inputs: object, code: int = 0) -> dict[str, Any]:
    done = run_tapehead("summary", *inputs, "--strict", "--json")
    assert (done.returncode, done.stderr) == (code, "")
    told: dict[str, Any] = orjson.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = [each for number in range(SESSIONS) for each in session(f"s{number}", STEPS, f"clip-{number}", number * 10)]
    return write(tmp_path_factory.mktemp("recorded") / "recorded.jsonl", made)


def test_journals_and_recordings_of_replicas_are_those_of_one_process(recorded: Path, tmp_path: Path) -> None:
    with played(1, recorded, tmp_path) as alone:
        of_one, outlines = merged(*alone.links), outlines_of(*alone.links)
    one = orjson.loads(alone.summaries[0].read_bytes())
    with played(3, recorded, tmp_path) as fleet:
        running_together = merged(*fleet.links)
        named = merged(*fleet.links, "--audit", alone.recordings[0])
        together = outlines_of(*fleet.links)
        partly = merged(fleet.links[0], fleet.links[1], code=1)
    parts = [orjson.loads(path.read_bytes()) for path in fleet.summaries]
    audited: Sequence[object] = [word for path in fleet.recordings for word in ("--audit", path)]

    assert one["audit"]["sessions"] == SESSIONS
    assert one["audit"]["findings"]["error"] >= SESSIONS
    assert all(part["replay"]["unused"] and part["audit"] != one["audit"] for part in parts)
    assert of_one == running_together == named == one
    assert merged(*fleet.summaries, *audited) == one
    assert partly["audit"] != one["audit"]
    assert merged(*fleet.summaries, *audited, "--fail-on", "error", code=1) == one | {
        "audit": one["audit"] | {"fails": True}
    }
    assert together == outlines
    assert len(together[0]) == SESSIONS
    assert outlines_of(*fleet.recordings) == outlines
