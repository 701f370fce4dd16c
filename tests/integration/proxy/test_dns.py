"""Look-ups of devices: answered where tapehead is their name server, without what would hide the endpoint."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.namespaces import Namespace, namespace, need_namespaces
from support.paths import ROOT
from support.processes import READY, Command, start_program

PEER = Path(__file__).parents[2] / "support" / "dns_peer.py"
ENDPOINT = "company.hb-api.omtrdc.net"
RECORDING = ROOT / "recordings" / "timeline-1.jsonl"


@pytest.fixture
def network() -> Iterator[Namespace]:
    need_namespaces()
    hosts = f"203.0.113.7 {ENDPOINT}\n203.0.113.8 allowed.example\n"
    with namespace(hosts) as made, started(made, PEER, "serve", "127.0.0.1", 53, ENDPOINT):
        yield made


@contextlib.contextmanager
def started(space: Namespace, *command: object) -> Iterator[Command]:
    """A program in a namespace that says when it listens."""
    with start_program(*space.command(sys.executable, *command)) as program:
        program.wait_for(lambda line: line.startswith(READY))
        yield program


def look_up(space: Namespace, name: str, kind: str = "A") -> Any:
    return json.loads(space.run(sys.executable, PEER, "ask", "127.0.0.1", 5353, name, kind))


def record_options(folder: Path) -> list[object]:
    return ["--listen", "127.0.0.1:5353", "--out", folder / "a.jsonl", "--set", f"confdir={folder}"]


def test_a_name_server_mode_answers_names(network: Namespace, tmp_path: Path) -> None:
    with started(network, "-m", "tapehead", "record", "--mode", "dns", *record_options(tmp_path)):
        assert look_up(network, ENDPOINT) == {"code": 0, "records": ["203.0.113.7"]}


@pytest.mark.parametrize("mode", ["dns", "reverse:dns://127.0.0.1:53"])
def test_answers_do_not_tell_devices_to_hide_the_endpoint(mode: str, network: Namespace, tmp_path: Path) -> None:
    command = ["record", "--mode", mode, *record_options(tmp_path), "--set", "dns_name_servers=127.0.0.1"]
    with started(network, "-m", "tapehead", *command):
        assert look_up(network, ENDPOINT, "HTTPS") == {"code": 0, "records": [[None, ["h3", "h2"]]]}


def test_a_replay_answers_names_without_the_network(network: Namespace, tmp_path: Path) -> None:
    command = ["replay", RECORDING, "--mode", "dns", "--listen", "127.0.0.1:5353", "--allow", "allowed.example:443"]
    with started(network, "-m", "tapehead", *command, "--set", f"confdir={tmp_path}") as replay:
        assert look_up(network, ENDPOINT) == {"code": 0, "records": ["192.0.2.1"]}
        assert look_up(network, ENDPOINT, "AAAA") == {"code": 0, "records": []}
        assert look_up(network, "allowed.example") == {"code": 0, "records": ["203.0.113.8"]}
        replay.stop()

    assert "offline: 0 connections and look-ups attempted" in replay.lines


BREAK = """
from tapehead.proxy.replay_addon import ReplayAddon
def broken(*_):
    raise KeyError("planted")
ReplayAddon._answer_look_up.__code__ = broken.__code__
from tapehead.__main__ import main
main()
"""


def test_a_bug_in_answering_names_lets_nothing_out(network: Namespace, tmp_path: Path) -> None:
    command = ["replay", RECORDING, "--mode", "dns", "--listen", "127.0.0.1:5353", "--set", f"confdir={tmp_path}"]
    with started(network, "-c", BREAK, *command) as replay:
        assert look_up(network, ENDPOINT) == {"code": 2, "records": []}
        assert replay.stop() == 1
    (told,) = (line for line in replay.lines if "tapehead failed in" in line)
    assert "failed in answering a look-up;" in told
