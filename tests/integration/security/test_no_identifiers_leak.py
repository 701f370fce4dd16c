"""No identifier leaks: no byte that tapehead writes or prints has one in it, wherever that was planted."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.exchanges import event
from support.paths import ROOT
from support.planted_identifiers import (
    NAMED,
    PEOPLE,
    PLANTED,
    Repeating,
    headers,
    leaks,
    leaks_in,
    opening,
    play,
    spellings,
)
from support.processes import Command, run_tapehead, running, start_program, web_server

NAMES = [word for name in NAMED for word in ("--redact-key", name)]
OTHER = PEOPLE[1]
HOME_FOLDERS = ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR")
TOOLS = Path(sys.executable).parent
SCRIPT = ROOT / "addons" / "collection.py"


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which all is written that a process writes without being told where."""
    for name in HOME_FOLDERS:
        folder = tmp_path / "home" / name.lower()
        folder.mkdir(parents=True)
        monkeypatch.setenv(name, str(folder))
    return tmp_path


@pytest.fixture
def endpoint() -> Iterator[str]:
    """An endpoint that repeats who asks."""
    with web_server(Repeating) as url:
        yield url


def assert_unexposed(world: Path, *printed: str) -> None:
    """Neither files nor what was printed has anything of two people in it."""
    assert leaks_in(world) == {}
    assert leaks("\n".join(printed).encode()) == []


def recorded(world: Path, endpoint: str, *options: str, out: str = "a.jsonl", ids: dict[str, str] = PLANTED) -> Command:
    """Record a person's session into `out`, and return the recorder with its output."""
    with running("record", "--to", endpoint, "--out", world / out, *options) as proxy:
        statuses = play(proxy.url, ids)
        proxy.stop()
    assert statuses[0] == 201
    assert len(statuses) == 13
    return proxy


# ---- The search itself finds what is there ----


def test_with_keep_ids_everything_planted_is_found(world: Path, endpoint: str) -> None:
    proxy = recorded(world, endpoint, "--keep-ids", "--sync", "none")
    page = run_tapehead("audit", "a.jsonl", "--format", "html", "--fail-on", "never", cwd=world)

    assert leaks((world / "a.jsonl").read_bytes()) == sorted(PLANTED.values())
    assert PLANTED["analytics.visitorId"] in leaks("\n".join(proxy.lines).encode())
    assert PLANTED["analytics.aid"] in leaks(page.stdout.encode())


def test_the_search_reads_another_case_and_percents() -> None:
    value = PLANTED["analytics.visitorId"]

    assert leaks(value.upper().encode()) == leaks(f"%{ord(value[0]):02X}{value[1:]}".encode()) == [value]


@pytest.mark.parametrize("value", PLANTED.values())
def test_every_spelling_is_found(value: str) -> None:
    assert all(value in leaks(b"x" + spelt) for spelt in spellings(value))


# ---- Recordings, and what is made of them ----


@pytest.mark.parametrize(
    "options", [[], ["--compress"], ["--rotate", "5kB"], ["--sync", "each", "-q"]], ids=lambda each: " ".join(each)
)
def test_a_recording_and_its_log_name_nobody(options: list[str], world: Path, endpoint: str) -> None:
    proxy = recorded(world, endpoint, *NAMES, *options)

    assert_unexposed(world, *proxy.lines)
    assert len(list(world.glob("*.jsonl*"))) >= (2 if "--rotate" in options else 1)


REPORTS = [
    *(
        ["audit", "a.jsonl", "-v", "--coverage", "--format", form]
        for form in ("text", "json", "junit", "sarif", "html")
    ),
    *(["diff", "a.jsonl", "b.jsonl", "--format", form] for form in ("text", "json", "html")),
    ["show", "a.jsonl"],
    ["show", "a.jsonl", "a-s"],
]


NOTED = ("analytics.visitorId", "analytics.aid", "visitor.marketingCloudUserId", "visitor.customerIDs", "householdId")


@pytest.mark.parametrize("kept", [True, False], ids=["with its state", "without its state"])
def test_after_a_crash_a_session_that_goes_on_names_nobody(kept: bool, world: Path, endpoint: str) -> None:
    command = ["record", "--to", endpoint, "--out", world / "a.jsonl", *NAMES]
    with running(*command) as proxy, httpx.Client(base_url=proxy.url, headers=headers(PLANTED)) as player:
        path = player.post("/api/v1/sessions?x", json=opening(PLANTED)).headers["Location"]
        proxy.process.kill()
    if not kept:
        shutil.rmtree(world / "home" / "xdg_state_home")
    noted = {"note": ", ".join(PLANTED[name] for name in NOTED), "who": PLANTED["appInstallationId"], "page": "p-4711"}
    with running(*command, "--append") as proxy, httpx.Client(base_url=proxy.url) as player:
        device = {"X-Device": PLANTED["X-Device"]}
        player.post(f"{path}/events", json=event("ping", 7, 6, customMetadata=noted), headers=device)
        proxy.stop()

    *_, line = (world / "a.jsonl").read_bytes().splitlines()
    assert ("p-4711" in json.loads(line)["request"]["body"]["customMetadata"]["page"]) == kept
    assert_unexposed(world, *proxy.lines)


def test_no_report_names_anybody(world: Path, endpoint: str) -> None:
    recorded(world, endpoint, *NAMES)
    recorded(world, endpoint, *NAMES, out="b.jsonl", ids=OTHER)
    for number, command in enumerate(REPORTS):
        done = run_tapehead(*command, cwd=world)
        assert done.returncode in (0, 1), done
        assert "pseudonym-" in done.stdout or command[-1] in ("junit", "a-s"), command
        (world / f"report-{number}").write_text(done.stdout + done.stderr)

    assert_unexposed(world)


def test_mitmproxys_own_tools_store_nobody_either(world: Path, endpoint: str) -> None:
    options = {"tapehead_record": world / "a.jsonl", "tapehead_redact_key": NAMED[0], "flow_detail": 0}
    words = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    words += ["--set", f"tapehead_redact_key={NAMED[1]}", "--mode", f"reverse:{endpoint}", "-s", str(SCRIPT)]
    with start_program(TOOLS / "mitmdump", *words, "--listen-port", 0) as tool:
        line = tool.wait_for(lambda line: "listening at" in line)
        play(f"http://127.0.0.1:{line.rpartition(':')[2].strip(' .')}", PLANTED)
        tool.stop()

    assert (world / "a.jsonl").stat().st_size > 10_000
    assert_unexposed(world, *tool.lines)


# ---- Offline ----


@pytest.mark.parametrize("miss", [["simulate"], ["error"], ["forward", "--out", "c.jsonl"]], ids=lambda each: each[0])
def test_a_replay_tells_of_misses_without_names(miss: list[str], world: Path, endpoint: str) -> None:
    recorded(world, endpoint, *NAMES)
    forward = ["--to", endpoint] if "forward" in miss else []
    options = ["--explain", "--summary", "summary.json", "--on-miss", *miss, *forward]
    with running("replay", "a.jsonl", *options, *NAMES, cwd=world) as proxy:
        played = [play(proxy.url, OTHER), play(proxy.url, OTHER, **{"media.id": f"of {OTHER['appInstallationId']}"})]
        proxy.stop()

    assert played[0][0] == 201
    assert "nearest" in (world / "summary.json").read_text()
    assert_unexposed(world, *proxy.lines)


@pytest.mark.parametrize("recordings", [["a.jsonl"], []], ids=["replaying", "simulating"])
def test_a_server_tells_of_nobody(recordings: list[str], world: Path, endpoint: str) -> None:
    recorded(world, endpoint, *NAMES)
    with running("serve", *recordings, "--explain", "--summary", "summary.json", cwd=world) as server:
        play(server.url, OTHER)
        play(server.url, OTHER, **{"media.id": f"of {OTHER['appInstallationId']}"})
        server.stop()

    assert (world / "summary.json").stat().st_size
    assert_unexposed(world, *server.lines)


def test_a_name_that_identifies_is_not_quoted_either(world: Path, endpoint: str) -> None:
    recorded(world, endpoint, "--redact-key", "media.channel", *NAMES)
    with running("replay", "a.jsonl", "--redact-key", "media.channel", "--explain", cwd=world) as proxy:
        play(proxy.url, OTHER, **{"media.id": "another", "media.channel": PLANTED["householdId"]})
        proxy.stop()

    assert any("params.media.channel" in line for line in proxy.lines)
    assert_unexposed(world, *proxy.lines)


# ---- When things go wrong ----

BUG = """
import tapehead.recording.pipeline as module
def broken(exchange, *_):
    raise RuntimeError(f"cannot take {exchange}")
module.encode = broken
"""
HANG_UP = """
import tapehead.simulator.endpoint as module
def broken(self, request, *_):
    raise RuntimeError(f"cannot answer {request}")
module.SimulatedEndpoint.answer = broken
"""


def test_a_bug_is_told_of_without_names(world: Path, endpoint: str) -> None:
    with running("record", "--to", endpoint, "--out", world / "a.jsonl", *NAMES, broken=BUG) as proxy:
        play(proxy.url, PLANTED)
        assert proxy.stop() == 1

    assert any("cannot take Exchange(" in line for line in proxy.lines)
    assert_unexposed(world, *proxy.lines)


def test_a_bug_in_an_answer_is_told_of_without_names(world: Path) -> None:
    with running("serve", *NAMES, broken=HANG_UP) as server:
        assert play(server.url, PLANTED) == [500]
        assert server.stop() == 1

    assert any("cannot answer Request(" in line for line in server.lines)
    assert leaks("\n".join(server.lines).encode()) == []


def test_a_dead_endpoint_is_told_of_without_names(world: Path) -> None:
    with running("record", "--to", "http://127.0.0.1:9", "--out", world / "a.jsonl", *NAMES) as proxy:
        assert play(proxy.url, PLANTED) == [502]
        proxy.stop()

    assert_unexposed(world, *proxy.lines)


def test_a_full_disk_is_told_of_without_names(world: Path, endpoint: str) -> None:
    with running("record", "--to", endpoint, "--out", world / "a" / "a.jsonl", *NAMES, "--backlog", "5kB") as proxy:
        (world / "a" / "a.jsonl").unlink()
        (world / "a").rmdir()
        (world / "a").write_text("no folder")
        play(proxy.url, PLANTED)
        assert proxy.stop() == 1

    assert any("LOST" in line for line in proxy.lines)
    assert_unexposed(world, *proxy.lines)
