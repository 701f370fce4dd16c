"""Machines that share the key of pseudonyms: one viewer on two of them is the same in one audit."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from support.exchanges import NOW as EXAMPLE_NOW
from support.exchanges import event, start_with
from support.processes import Command, run_tapehead, running
from tapehead.recording.pseudonym_keys import KEY_BYTES, KEY_VARIABLE

VIEWER = {"analytics.visitorId": "jane.doe@example.com", "visitor.marketingCloudUserId": "1" * 38}
TOKEN = "not-a-secret-of-anybody"


@contextmanager
def machines(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Iterator[list[Command]]:
    """Two servers that share neither a folder nor a place of secrets."""
    with ExitStack() as opened:
        servers = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            monkeypatch.setenv("XDG_STATE_HOME", str(folder / f"state of {name}"))
            servers.append(opened.enter_context(running("serve", *options, cwd=folder / name)))
        yield servers
        for each in servers:
            each.stop()


def play(server: Command, begun: float) -> None:
    """Play for some seconds, and go away without a word."""
    # As behind a balancer, or of the vendor's host.
    with httpx.Client(base_url=server.url, headers={"Host": "collection.example"}, timeout=60) as player:
        location = player.post("/api/v1/sessions", json=start_with(VIEWER, begun)).headers["Location"]
        for nth, (name, at) in enumerate([("play", 0.2), ("ping", 10), ("ping", 20)]):
            player.post(f"{location}/events", json=event(name, nth * 10 if nth else 0, begun + at))


def restarts(*inputs: object, folder: Path) -> int:
    done = run_tapehead("audit", *inputs, "--format", "json", "--fail-on", "never", cwd=folder)
    report = json.loads(done.stdout)
    assert len(report["sessions"]) == 2
    return sum(each["rule"] == "session-restarted" for one in report["sessions"] for each in one["findings"])


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_viewer_who_goes_from_one_machine_to_another_is_known(
    is_shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_shared:
        (tmp_path / "key").write_bytes(os.urandom(KEY_BYTES))
        monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "key"))
    now = time.time() - EXAMPLE_NOW
    with machines(tmp_path, monkeypatch, "--out", "a.jsonl") as (one, two):
        play(one, now - 60)
        play(two, now - 30)

    assert restarts("one/a.jsonl", "two/a.jsonl", folder=tmp_path) == is_shared


def test_journals_of_machines_share_pseudonyms_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_bytes(os.urandom(KEY_BYTES))
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "key"))
    now = time.time() - EXAMPLE_NOW
    with machines(tmp_path, monkeypatch, "--live", "0", "--token", TOKEN) as (one, two):
        play(one, now - 60)
        play(two, now - 30)
        first, second = (
            next(line.split()[-1] for line in each.lines if line.startswith("live page: ")) for each in (one, two)
        )
        assert restarts(first, second, folder=tmp_path) == 1
