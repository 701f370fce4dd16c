"""Three replicas behind a real balancer without affinity answer 50 players at once as one process does."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from support.balancers import balancer
from support.exchanges import exchange, request, response, start
from support.processes import TIMEOUT_SECONDS, Command, run_tapehead, running
from support.resend import write
from support.retrying_players import play_all, recording, wait_for_workers
from tapehead.protocol.routes import location_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PLAYERS = 50
RECORDED = len(recording(PLAYERS))
COUNTED = {"playbacks": PLAYERS, "hits": RECORDED, "misses": 0, "missed": [], "unused": []}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("fleet") / "recorded.jsonl", recording(PLAYERS))


def start_replicas(stack: ExitStack, command: str, recorded: Path, folder: Path) -> list[Command]:
    """Start three replicas, each with a summary of its own."""
    summaries = [folder / f"{number}.json" for number in range(3)]
    options = ["-q", "--no-audit", "--summary"]
    return [stack.enter_context(running(command, recorded, *options, each, cwd=folder)) for each in summaries]


def summary_of_one(recorded: Path, folder: Path, *options: str) -> dict[str, Any]:
    """Play everything with one process, and return its summary."""
    path = folder / "one.json"
    with running("serve", recorded, "-q", "--no-audit", "--strict", "--summary", path, *options, cwd=folder) as opened:
        wait_for_workers(opened.port)
        wrong = play_all(opened.port, range(PLAYERS), 0)
        code = opened.stop()
    told: dict[str, Any] = orjson.loads(path.read_bytes())

    assert (wrong, code) == ([], 0)
    assert {name: told["replay"][name] for name in COUNTED} == COUNTED
    return told


@pytest.fixture(scope="module")
def one(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of one process."""
    return summary_of_one(recorded, tmp_path_factory.mktemp("one"))


@pytest.mark.parametrize(("name", "command"), [("haproxy", "serve"), ("nginx", "replay")])
def test_replicas_behind_a_balancer_are_as_one_process(
    name: str, command: str, recorded: Path, one: dict[str, Any], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        replicas = start_replicas(stack, command, recorded, tmp_path)
        port = stack.enter_context(balancer(name, [each.port for each in replicas], tmp_path))
        wrong = play_all(port, range(PLAYERS), 502)
        codes = [each.stop() for each in replicas]
    files = [tmp_path / f"{number}.json" for number in range(3)]
    parts = [orjson.loads(file.read_bytes()) for file in files]
    merged = run_tapehead("summary", *files, "--strict", "--json")

    assert (wrong, codes) == ([], [0, 0, 0])
    assert all(len(part["replay"]["unused"]) > RECORDED / 3 for part in parts)
    assert (merged.returncode, merged.stderr) == (0, "")
    assert orjson.loads(merged.stdout) == one
    assert run_tapehead("summary", *files[:2], "--strict").returncode == 1


def test_workers_are_as_one_process(recorded: Path, one: dict[str, Any], tmp_path: Path) -> None:
    assert summary_of_one(recorded, tmp_path, "--workers", "3") == one


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_workers_take_turns_of_equal_sessions_together(command: str, tmp_path: Path) -> None:
    starts = [
        exchange(
            request(start(number)), response(201, [("Location", location_of(f"s{number}")), ("X-Session", str(number))])
        )
        for number in range(12)
    ]
    path, summary = write(tmp_path / "equal.jsonl", starts), tmp_path / "summary.json"
    options = ["-q", "--no-audit", "--strict", "--workers", "3", "--summary", summary]
    with running(command, path, *options, cwd=tmp_path) as opened:
        url = f"{opened.url}/api/v1/sessions"
        # A connection each, so that different workers get them; the second round has a key.
        keys: list[dict[str, str]] = [{}] * 24 + [{"X-Tapehead-Key": "k"}] * 12
        followed = [
            httpx.post(url, json=start(), headers=key, trust_env=False, timeout=TIMEOUT_SECONDS).headers["X-Session"]
            for key in keys
        ]
        code = opened.stop()

    assert code == 0
    assert followed == [str(number) for number in [*range(12)] * 3]
    assert orjson.loads(summary.read_bytes())["replay"]["playbacks"] == 36
