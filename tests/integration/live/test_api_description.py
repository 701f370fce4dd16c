"""The HTTP API of real processes against its own description, with the requests that schemathesis makes of it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.api_client import event_of
from support.live_client import LIVE, RECORDING, link_of, play
from support.processes import Command, running
from support.tools import cached_tool
from support.upstream_server import upstream
from tapehead.live.api import ENDPOINTS
from tapehead.live.api_model import PREFIX
from tapehead.live.openapi import PATH
from tapehead.live.request_guard import TOKEN_HEADER

EXAMPLES = 4
# What they make of requests does not depend on chance, nor what they say of it on time.
OPTIONS: tuple[object, ...] = (
    *("--checks", "all", "--max-examples", EXAMPLES, "--generation-deterministic", "--suppress-health-check", "all"),
    # Random tokens beside the right one: test_api.py has those that matter.
    *("--generation-with-security-parameters", "false"),
)
# A reset takes away what other requests ask for, so one of the commands has none; that one has all phases.
CHOSEN: dict[str, tuple[object, ...]] = {
    "serve": ("--exclude-path", f"{PREFIX}/reset"),
    "replay": ("--phases", "fuzzing,stateful"),
    "record": ("--phases", "fuzzing,stateful"),
}
MOST_SECONDS = 540


@contextmanager
def played(command: str, folder: Path) -> Iterator[tuple[Command, str]]:
    """Yield a command that has a session with a finding, and the id of the session."""
    with upstream() as server:
        commands: dict[str, list[object]] = {
            "record": ["record", "--to", server.url, "--out", folder / "out.jsonl"],
            "replay": ["replay", RECORDING],
            "serve": ["serve"],
        }
        with running(*commands[command], "-q", *LIVE, cwd=folder) as opened, httpx.Client() as player:
            yield opened, play(player, opened.url, event_of("play"), event_of("adComplete"))


def config_of(sid: str) -> str:
    """Return the configuration of schemathesis: what there is to ask for, and what a valid request may be answered."""
    one_session: dict[str, object] = {"parameters": {"sid": sid}}
    operations: dict[str, dict[str, object]] = {
        "/sessions/{sid}": one_session,
        "/sessions/{sid}/timeline": one_session,
        "/sessions/{sid}/recording": one_session,
        "/sessions/{sid}/har": one_session,
        "/events/{number}": {"parameters": {"number": 1}},
        "/stream": {
            "parameters": {"timeout": 0},
            # No description can say that two parameters exclude each other, as `after` and `latest` do.
            "checks.positive_data_acceptance.expected-statuses": ["200", "400"],
        },
        "/wait": {
            "parameters": {"timeout": 0},
            # A condition that does not hold in time is a 504; some filters go with some conditions only, a 400.
            "checks.not_a_server_error.expected-statuses": ["2xx", "4xx", "503", "504"],
            "checks.positive_data_acceptance.expected-statuses": ["200", "400", "409", "503", "504"],
        },
        # No description can say which sessions there are, nor which types of events came.
        **{
            path: {"checks.positive_data_acceptance.expected-statuses": ["200", "400", "404"]}
            for path in ("/sessions", "/events", "/findings", "/metrics")
        },
        # No description can say which files there are, nor which sessions.
        "/recording": {"checks.positive_data_acceptance.expected-statuses": ["200", "400", "404", "409"]},
    }
    lines = []
    for path, settings in operations.items():
        lines += ["[[operations]]", f'include-path = "{PREFIX}{path}"']
        for name, value in settings.items():
            pairs = value.items() if isinstance(value, dict) else [("", value)]
            lines += [f"{name}{key and '.'}{key} = {json.dumps(each)}" for key, each in pairs]
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.timeout(MOST_SECONDS + 60)
@pytest.mark.parametrize("command", CHOSEN)
def test_the_api_keeps_to_its_description(command: str, tmp_path: Path) -> None:
    schemathesis = cached_tool("schemathesis/bin/schemathesis")
    with played(command, tmp_path) as (opened, sid):
        link, config = link_of(opened), tmp_path / "schemathesis.toml"
        config.write_text(config_of(sid))
        words = [schemathesis, "--config-file", config, "run", f"{link.origin}{PREFIX}{PATH}"]
        words += ["--header", f"{TOKEN_HEADER}: {link.token}", *OPTIONS, *CHOSEN[command]]
        done = subprocess.run(
            list(map(str, words)), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=MOST_SECONDS
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Tested: {len(ENDPOINTS) + (command != 'serve')}" in done.stdout
    assert not [line for line in opened.lines if "failed" in line]
