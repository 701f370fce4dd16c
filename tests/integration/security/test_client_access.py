"""Access control: warnings about exposed listeners, refused open proxies, and clients that are hung up on."""

import socket
import sys
from pathlib import Path

import httpx
import pytest

from support.captured_traffic import read
from support.exchanges import start
from support.paths import RECORDINGS_FOLDER
from support.processes import READY, TIMEOUT_SECONDS, run_tapehead, running, start_program
from support.remote_clients import OTHER_ADDRESS, PLAYER_ADDRESS, client_at, post_through, post_to, warnings_in
from support.rules import PING
from support.upstream_server import SID, upstream

EVENTS, SESSIONS = f"/api/v1/sessions/{SID}/events", "/api/v1/sessions"
RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"

COMMANDS: list[tuple[str, ...]] = [
    ("record", "--to", "http://127.0.0.1:9"),
    ("record", "--mode", "regular"),
    ("replay", str(RECORDING)),
    ("replay", str(RECORDING), "--mode", "regular"),
    ("serve",),
]
names = [" ".join((each[0], *each[1:][-2:])).replace(str(RECORDING), "RECORDING") for each in COMMANDS]


# ---- Where it listens ----


@pytest.mark.parametrize("command", COMMANDS, ids=names)
def test_on_this_machine_nothing_is_said(command: tuple[str, ...], tmp_path: Path) -> None:
    with running(*command, cwd=tmp_path) as opened:
        assert opened.stop() == 0

    assert warnings_in(opened) == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "127.1"])
def test_this_machine_has_several_names(host: str, tmp_path: Path) -> None:
    with running("record", "--mode", "regular", cwd=tmp_path, listen=f"{host}:0") as opened:
        assert opened.stop() == 0

    assert warnings_in(opened) == []


EXPOSED = [
    (("record", "--to", "http://127.0.0.1:9"), "anyone who reaches it can call the endpoint through it"),
    (("replay", str(RECORDING)), "anyone who reaches it is answered"),
    (("replay", str(RECORDING), "--mode", "regular"), "anyone who reaches it is answered"),
    (("replay", str(RECORDING), "--mode", "socks5"), "anyone who reaches it is answered"),
    (("serve",), "anyone who reaches it is answered"),
    (("record", "--mode", "regular", "--open"), "an open proxy, as accepted with --open"),
    (("record", "--mode", "socks5", "--open"), "an open proxy, as accepted with --open"),
    (
        ("record", "--mode", "regular", "--allow-client", PLAYER_ADDRESS),
        "networks of --allow-client are served",
    ),
    (("record", "--mode", "regular", "--proxyauth", "user:secret"), "a login is required, which travels unencrypted"),
    (
        ("record", "--to", "http://127.0.0.1:9", "--allow-client", PLAYER_ADDRESS),
        "networks of --allow-client are served",
    ),
    (("serve", "--allow-client", PLAYER_ADDRESS), "networks of --allow-client are served"),
]


@pytest.mark.parametrize(("command", "said"), EXPOSED, ids=[f"{each[0][0]} {each[0][-1][-9:]}" for each in EXPOSED])
def test_beyond_this_machine_one_line_says_what_that_exposes(
    command: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    with running(*command, cwd=tmp_path, listen="0.0.0.0:0") as opened:
        assert opened.stop() == 0

    (line,) = warnings_in(opened)
    assert line.startswith("listening on 0.0.0.0, beyond this machine: ")
    assert said in line


REGULAR, HERE = ["--mode", "regular"], ["--listen", "127.0.0.1:0"]
BACK_DOORS = [
    [*REGULAR, "--listen", "0.0.0.0:0"],
    [*REGULAR, "--listen", "[::]:0"],
    [*REGULAR, "--listen", "[::ffff:0.0.0.0]:0"],
    [*REGULAR, "--listen", "0:0"],
    [*REGULAR, "--listen", "0x0:0"],
    ["--mode", "regular@0.0.0.0:0", *HERE],
    ["--mode", "REGULAR@:0", *HERE],
    ["--mode", "regular@:::0", *HERE],
    ["--mode", "socks5@0.0.0.0:0", *HERE],
    ["--mode", "upstream:http://127.0.0.1:9@0.0.0.0:0", *HERE],
    ["--mode", "reverse:http://127.0.0.1:9", "--mode", "regular@0.0.0.0:0", *HERE],
    [*REGULAR, "--set", "listen_host=0.0.0.0", *HERE],
    [*REGULAR, "--set", "listen_host=", *HERE],
    [*REGULAR, "--set", "listen_host=::", *HERE],
    ["--to", "http://127.0.0.1:9", "--set", "mode=regular@0.0.0.0:0", *HERE],
    ["--to", "http://127.0.0.1:9", "--set", "mode=regular", "--set", "listen_host=0.0.0.0", *HERE],
    [*REGULAR, "--listen", "0.0.0.0:0", "--proxyauth", "any"],
    [*REGULAR, "--listen", "0.0.0.0:0", "--allow-client", "0.0.0.0/0"],
]


@pytest.mark.parametrize("arguments", BACK_DOORS, ids=[" ".join(each) for each in BACK_DOORS])
def test_an_open_proxy_is_refused_however_it_is_said(arguments: list[str], tmp_path: Path) -> None:
    done = run_tapehead("record", *arguments, cwd=tmp_path)

    assert done.returncode == 2, done
    (line,) = done.stderr.splitlines()
    assert "is an open proxy" in line
    assert all(way in line for way in ("--allow-client CIDR", "--proxyauth USER:PASS", "--open"))
    assert done.stdout == ""
    assert not list(tmp_path.glob("**/*.jsonl"))


def test_a_replay_that_forwards_can_be_made_no_open_proxy_either(tmp_path: Path) -> None:
    forward = ["--on-miss", "forward", "--to", "http://127.0.0.1:9", "--out", "out.jsonl"]
    done = run_tapehead("replay", RECORDING, *forward, "--set", "mode=regular@0.0.0.0:0", cwd=tmp_path)

    assert done.returncode == 2
    assert "is an open proxy" in done.stderr


WRONG = [
    # Nothing between the brackets would mean every interface.
    (["record", *REGULAR, "--listen", "[]:0"], "invalid --listen '[]:0': expected HOST:PORT"),
    (["record", *REGULAR, "--allow-client", "192.168.1.5/24"], "has bits beyond its prefix"),
    (["serve", "--allow-client", "localhost"], ": expected a network such as"),
    (["replay", str(RECORDING), "--allow-client", ""], ": expected a network such as"),
    (["record", "--mode", "wireguard", "--proxyauth", "user:secret"], "cannot ask for a login"),
    (["record", *REGULAR, "--set", "proxyauth=user:secret"], "use --proxyauth instead of --set"),
    (["record", *REGULAR, "--proxyauth", "secret"], "expected USER:PASS"),
    (["record", "--mode", "regular@nowhere.invalid:1"], "cannot listen on nowhere.invalid:1"),
    # No addon that these options would steer is loaded, so that flows go nowhere but into the recording.
    (["record", *REGULAR, "--set", "save_stream_file=flows"], "--set save_stream_file has no effect here"),
    (["record", *REGULAR, "--set", "hardump=flows.har"], "--set hardump has no effect here"),
    (["record", *REGULAR, "--set", "scripts=addon.py"], "--set scripts has no effect here"),
]


@pytest.mark.parametrize(("arguments", "wanted"), WRONG, ids=[" ".join(each[0]) for each in WRONG])
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], wanted: str, tmp_path: Path) -> None:
    done = run_tapehead(*arguments, cwd=tmp_path)

    assert done.returncode == 2, done
    (line,) = done.stderr.splitlines()
    assert wanted in line
    assert "secret" not in line
    assert not list(tmp_path.glob("**/*.jsonl"))


# ---- Who is let in ----


def test_an_open_proxy_that_was_asked_for_works(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    options = ["--mode", "regular", "--endpoint", "127.0.0.1", "--open", "--out", out]
    with upstream() as server, running("record", *options, listen="0.0.0.0:0") as proxy:
        with client_at(OTHER_ADDRESS) as stranger:
            answer = post_through(stranger, proxy, server.url + EVENTS)
        proxy.stop()

    assert answer
    assert answer.status_code == 204
    assert len(read(out)) == 1


def test_a_recording_proxy_hangs_up_on_who_is_not_named(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    options = ["--mode", "regular", "--endpoint", "127.0.0.1", "--allow-client", PLAYER_ADDRESS, "--out", out]
    with upstream() as server, running("record", *options, listen="0.0.0.0:0") as proxy:
        with client_at(OTHER_ADDRESS) as stranger:
            refused = [post_through(stranger, proxy, f"{server.url}{EVENTS}?unwelcome") for _ in range(3)]
        with client_at(PLAYER_ADDRESS) as player:
            answer = post_through(player, proxy, server.url + EVENTS)
        assert proxy.stop() == 0

    assert refused == [None] * 3
    assert answer
    assert answer.status_code == 204
    assert [each.path for each in server.received] == [EVENTS]
    assert [each.request.url for each in read(out)] == [server.url + EVENTS]
    assert not [line for line in proxy.lines if "unwelcome" in line]
    assert warnings_in(proxy)[1:] == [
        f"refused a connection from {OTHER_ADDRESS}, which --allow-client does not name; others are counted",
        "refused 3 connections that --allow-client does not name",
    ]


@pytest.mark.parametrize("command", ["record", "replay", "serve", "workers"])
def test_every_door_hangs_up_on_who_is_not_named(command: str, tmp_path: Path) -> None:
    with upstream() as server:
        asked = {
            "record": ["record", "--to", server.url, "--out", tmp_path / "out.jsonl"],
            "replay": ["replay", RECORDING],
            "serve": ["serve", RECORDING],
            "workers": ["serve", RECORDING, "--workers", "2"],
        }[command]
        with running(*asked, "--allow-client", "10.0.0.0/8", "--allow-client", PLAYER_ADDRESS) as opened:
            with client_at(OTHER_ADDRESS) as stranger:
                refused = [post_to(stranger, opened, SESSIONS, start()) for _ in range(6)]
            with client_at(PLAYER_ADDRESS) as player:
                answer = post_to(player, opened, SESSIONS, start())
            assert opened.stop() == 0

    assert refused == [None] * 6
    assert answer
    assert answer.status_code == 201
    assert len(server.received) == (command == "record")
    assert warnings_in(opened) == [
        f"refused a connection from {OTHER_ADDRESS}, which --allow-client does not name; others are counted",
        "refused 6 connections that --allow-client does not name",
    ]


@pytest.mark.parametrize("command", [("record", "--mode", "regular"), ("serve",)], ids=["record", "serve"])
def test_who_is_not_named_is_hung_up_on_before_a_word(command: tuple[str, ...], tmp_path: Path) -> None:
    with (
        running(*command, "--allow-client", PLAYER_ADDRESS, cwd=tmp_path) as opened,
        socket.create_connection(opened.address, TIMEOUT_SECONDS) as stranger,
    ):
        assert stranger.recv(1) == b""


def test_an_allowed_client_in_ipv6_clothes_gets_in(tmp_path: Path) -> None:
    with running("serve", "--allow-client", "::ffff:127.0.0.0/104") as opened, client_at(PLAYER_ADDRESS) as player:
        answer = post_to(player, opened, SESSIONS, start())

    assert answer
    assert answer.status_code == 201


BROKEN = """
import sys, tapehead.network.access_policy
from tapehead.cli.app import run

def fail(text):
    raise RuntimeError("broken on purpose")

tapehead.network.access_policy.Listener.is_exposed = lambda self: False
tapehead.network.access_policy.parse_address = fail
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["record", "serve"])
def test_a_check_that_fails_lets_nobody_in(command: str, tmp_path: Path) -> None:
    """Broken on purpose: nobody's address can be judged."""
    with upstream() as server:
        asked = ["record", "--to", server.url, "--out", tmp_path / "out.jsonl"] if command == "record" else ["serve"]
        options = [*asked, "--allow-client", "127.0.0.0/8", "--listen", "127.0.0.1:0"]
        with start_program(sys.executable, "-c", BROKEN, *options) as opened:
            opened.url = opened.wait_for(lambda line: line.startswith(READY)).removeprefix(READY)
            with client_at(PLAYER_ADDRESS) as player:
                answers = [post_to(player, opened, EVENTS, PING) for _ in range(3)]
            assert opened.process.poll() is None
            assert opened.stop() == 0

    assert answers == [None] * 3
    assert server.received == []
    assert len(warnings_in(opened)) == 2


def test_without_the_option_everybody_gets_in(tmp_path: Path) -> None:
    with running("serve") as opened:
        for address in (PLAYER_ADDRESS, OTHER_ADDRESS):
            with client_at(address) as player:
                assert httpx.codes.is_success(player.post(opened.url + SESSIONS, json=start()).status_code)
        opened.stop()

    assert warnings_in(opened) == []
