"""Bugs of our own, planted at every hook and in every part: the player gets what it would get without tapehead."""

from pathlib import Path

import httpx
import pytest

from support.exchanges import start_with
from support.load import event_of, numbers_in
from support.paths import RECORDINGS_FOLDER
from support.processes import Command, running
from support.upstream_server import upstream

EVENTS = "/api/v1/sessions/abc/events"
SECRET = "planted-visitor-4711"
PLANT = """
import tapehead.{module} as module
def broken(*_, **__):
    raise RuntimeError("planted {secret}")
module.{name} = broken
"""
# What is broken in turn, and how many of the three calls are then lost.
HOOKS = {
    ("proxy.addons", "find_call"): 3,
    ("proxy.addons", "route_of"): 3,
    ("proxy.addons", "capture"): 3,
    ("proxy.addons", "CallSelector.mark"): 3,
    ("proxy.addons", "RecorderAddon.begin"): 3,
    ("recording.pipeline", "build_exchange"): 3,
    ("recording.pipeline", "check_exchange"): 0,
    ("recording.pipeline", "Redactor.redact"): 3,
    ("recording.pipeline", "encode"): 3,
    ("cli.terminal", "lines_of"): 0,
    ("recording.pipeline", "ExchangePipeline._count"): 0,
    ("recording.capture", "unpack"): 3,
    ("recording.capture", "quote_beyond_ascii"): 3,
}


def plant(module: str, name: str) -> str:
    return PLANT.format(module=module, name=name, secret=SECRET)


def post(url: str, number: int, body: bytes | None = None) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return httpx.post(url + EVENTS, content=event_of(number) if body is None else body, headers=headers)


def assert_told_once(proxy: Command) -> None:
    told = [line for line in proxy.lines if "tapehead failed in" in line]
    assert told, proxy.lines
    assert len(told) == len(set(told))
    assert "internal errors, see the log" in proxy.lines[-1]


@pytest.mark.parametrize(("module", "name"), HOOKS)
def test_a_bug_leaves_the_exchange_as_it_is(module: str, name: str, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out, broken=plant(module, name)) as proxy:
        answers = [post(proxy.url, number) for number in range(3)]
        assert proxy.stop() == 1

    assert [each.status_code for each in answers] == [204] * 3
    assert [each.body for each in server.received] == [event_of(number) for number in range(3)]
    lost = HOOKS[module, name]
    assert (numbers_in(out) if out.exists() else []) == list(range(3 - lost))
    assert_told_once(proxy)


def test_what_is_told_reproduces_the_failure_and_names_nobody(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    body = b'{"eventType":"ping","params":{"visitor.marketingCloudUserId":"%s"}}' % SECRET.encode()
    with (
        upstream() as server,
        running("record", "--to", server.url, "--out", out, broken=plant("recording.pipeline", "encode")) as proxy,
    ):
        post(proxy.url, 1, body)
        proxy.stop()

    said = "\n".join(proxy.lines)
    assert "RuntimeError\nto reproduce it: " in said
    assert f'"url":"{proxy.url.replace(str(proxy.port), str(server.port))}{EVENTS}"' in said
    assert '"visitor.marketingCloudUserId":"pseudonym-' in said
    assert SECRET not in said


def test_where_pseudonyms_fail_the_shape_alone_is_told(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    body = b'{"eventType":"ping","params":{"visitor.marketingCloudUserId":"%s"}}' % SECRET.encode()
    broken = plant("redaction.redactor", "Redactor.redact").replace(SECRET, "bug")
    with upstream() as server, running("record", "--to", server.url, "--out", out, broken=broken) as proxy:
        post(proxy.url, 1, body)
        assert proxy.stop() == 1

    said = "\n".join(proxy.lines)
    assert 'the request\'s shape: POST \'/xxx/x0/xxxxxxxx/xxx/xxxxxx {"xxxxxxxxx":"xxxx"' in said
    assert SECRET not in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("command", "engine"), [("serve", "simulator.endpoint.Simulator"), ("replay", "replay.replayer.Replayer")]
)
def test_an_engine_that_fails_gives_500_and_goes_on(command: str, engine: str, tmp_path: Path) -> None:
    module, _, name = engine.rpartition(".")
    recordings = [] if command == "serve" else [RECORDINGS_FOLDER / "timeline-1.jsonl"]
    with running(command, *recordings, broken=plant(module, f"{name}.answer")) as proxy:
        answers = [post(proxy.url, number) for number in range(3)]
        assert proxy.stop() == 1

    assert [each.status_code for each in answers] == [500] * 3
    assert answers[0].json() == {"message": "tapehead failed; its log says why"}
    assert answers[0].headers["Access-Control-Allow-Origin"] == "*"
    assert any("3 internal errors" in line for line in proxy.lines)
    assert sum("tapehead failed in answering a call" in line for line in proxy.lines) == 1


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_a_line_that_cannot_be_shown_costs_no_answer(command: str) -> None:
    recording = RECORDINGS_FOLDER / "timeline-1.jsonl"
    with running(command, recording, broken=plant("cli.terminal", "answer_line")) as proxy:
        assert post(proxy.url, 1).status_code in (204, 400, 404)
        assert proxy.stop() == 1


LATER = """
import tapehead.recording.pipeline as module
encode = module.encode
def broken(exchange):
    if exchange.call == "event":
        raise RuntimeError(exchange.request.body)
    return encode(exchange)
module.encode = broken
"""


def test_a_failure_of_a_later_call_does_not_tell_whom_the_session_named(tmp_path: Path) -> None:
    start = start_with({"analytics.visitorId": SECRET})
    later = b'{"eventType":"ping","playerTime":{"playhead":1,"ts":1},"customMetadata":{"who":"%s"}}' % SECRET.encode()
    out = tmp_path / "a.jsonl"
    with upstream(sid="abc") as server, running("record", "--to", server.url, "--out", out, broken=LATER) as proxy:
        assert httpx.post(f"{proxy.url}/api/v1/sessions", json=start).status_code == 201
        assert post(proxy.url, 1, later).status_code == 204
        assert proxy.stop() == 1

    said = "\n".join(proxy.lines)
    assert '"who":"pseudonym-' in said
    assert SECRET not in said


def test_a_failure_before_the_call_is_understood_tells_nobody(tmp_path: Path) -> None:
    module, fails = "tapehead.recording.pipeline", "def broken(seen): raise ValueError(seen.request.body)"
    broken = f"import {module} as module\n{fails}\nmodule.build_exchange = broken"
    asked = ["--out", tmp_path / "a.jsonl"]
    with upstream() as server, running("record", "--to", server.url, *asked, broken=broken) as proxy:
        assert post(proxy.url, 1, SECRET.encode()).status_code == 204
        assert proxy.stop() == 1

    said = "\n".join(proxy.lines)
    assert "ValueError" in said
    assert SECRET not in said


def test_a_bug_does_not_send_a_call_elsewhere(tmp_path: Path) -> None:
    asked = ["--out", tmp_path / "a.jsonl", "--endpoint", "127.0.0.1"]
    broken = plant("proxy.addons", "find_call")
    with upstream() as server, running("record", "--to", f"{server.url}/company", *asked, broken=broken) as proxy:
        assert post(proxy.url, 1).status_code == 204
        proxy.stop()

    assert [each.path for each in server.received] == [f"/company{EVENTS}"]
