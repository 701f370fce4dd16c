"""Login at the proxy: calls without it are refused, and no credentials are stored or logged."""

import base64
import socket
import ssl
import statistics
import sys
import threading
import time
from pathlib import Path

import bcrypt
import httpx
import pytest
import trustme

from support.captured_traffic import read
from support.certificates import proxy_options, trust_proxy
from support.exchanges import start
from support.paths import RECORDINGS_FOLDER
from support.processes import READY, TIMEOUT_SECONDS, Command, run_tapehead, running, start_program
from support.remote_clients import warnings_in
from support.rules import PING
from support.upstream_server import SID, Upstream, upstream
from tapehead.errors import StartupError
from tapehead.proxy.login import check_of

EVENTS, SESSIONS = f"/api/v1/sessions/{SID}/events", "/api/v1/sessions"
RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"
LOGIN = ("user", "s3cret-word")
SAID = ["--proxyauth", ":".join(LOGIN)]
BASIC = base64.b64encode(":".join(LOGIN).encode()).decode()
WRONG_LOGINS = [None, ("user", "wrong-word"), ("other", LOGIN[1]), ("user", "")]


def through(proxy: Command, login: tuple[str, str] | None, trust: ssl.SSLContext | None = None) -> httpx.Client:
    """A player behind the proxy."""
    return httpx.Client(proxy=httpx.Proxy(proxy.url, auth=login), verify=trust or False, timeout=TIMEOUT_SECONDS)


def assert_without_a_trace(proxy: Command, server: Upstream, *files: Path) -> None:
    """No word of a login is printed, stored, or sent on."""
    leaks = ("s3cret-word", "wrong-word", BASIC, "roxy-auth", "roxy-Auth")
    seen = ["\n".join(proxy.lines), *(path.read_text() for path in files if path.exists()), str(server.received)]
    assert [(trace, where[:80]) for trace in leaks for where in seen if trace in where] == []


def test_only_who_logs_in_is_recorded(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    options = ["--mode", "regular", "--endpoint", "127.0.0.1", "--keep-ids", "--out", out, *SAID]
    with upstream() as server, running("record", *options) as proxy:
        for login in WRONG_LOGINS:
            with through(proxy, login) as player:
                refused = [player.post(server.url + path, json=PING) for path in (EVENTS, "/page.html")]
            assert [each.status_code for each in refused] == [407, 407]
            assert refused[0].headers["Proxy-Authenticate"].startswith("Basic ")
        with through(proxy, LOGIN) as player:
            served = [player.post(server.url + path, json=PING).status_code for path in (EVENTS, "/page.html")]
        assert proxy.stop() == 0

    assert served == [204, 200]
    assert [each.path for each in server.received] == [EVENTS, "/page.html"]
    assert [each.request.url for each in read(out)] == [server.url + EVENTS]
    assert warnings_in(proxy) == []
    assert_without_a_trace(proxy, server, out)


def test_refused_logins_are_counted_where_none_was_right(tmp_path: Path) -> None:
    with running("record", "--mode", "regular", "--out", tmp_path / "out.jsonl", *SAID) as proxy:
        for login in WRONG_LOGINS:
            with through(proxy, login) as player:
                player.post(f"http://127.0.0.1:9{EVENTS}", json=PING)
        proxy.stop()

    wanted = "refused 4 requests from '127.0.0.1' with a missing or wrong login; set that of --proxyauth in the player"
    assert warnings_in(proxy) == [wanted]


def test_a_tunnel_takes_a_login_too(tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext) -> None:
    """Credentials repeated within the tunnel are not passed on either."""
    out = tmp_path / "out.jsonl"
    options = ["--mode", "regular", "--keep-ids", "--out", out, *SAID, *proxy_options(tmp_path, authority)]
    with (
        upstream(tls) as endpoint,
        upstream(tls) as other,
        running("record", *options, "--endpoint", f"127.0.0.1:{endpoint.port}") as proxy,
    ):
        trust = trust_proxy(tmp_path)
        authority.configure_trust(trust)
        for login in WRONG_LOGINS:
            for url in (endpoint.url, other.url):
                with through(proxy, login, trust) as player, pytest.raises(httpx.ProxyError, match="407"):
                    player.post(url + EVENTS, json=PING)
        with through(proxy, LOGIN, trust) as player:
            again = {"Proxy-Authorization": f"Basic {BASIC}"}
            assert player.post(endpoint.url + EVENTS, json=PING, headers=again).status_code == 204
            assert player.post(other.url + EVENTS, json=PING).status_code == 204
        assert proxy.stop() == 0

    assert (len(endpoint.received), len(other.received), len(read(out))) == (1, 1, 1)
    assert_without_a_trace(proxy, endpoint, out)
    assert_without_a_trace(proxy, other)


def test_in_front_of_the_endpoint_players_log_in_as_at_a_server(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--keep-ids", "--out", out, *SAID) as proxy:
        refused = [httpx.post(proxy.url + EVENTS, json=PING, auth=login) for login in WRONG_LOGINS]
        served = httpx.post(proxy.url + EVENTS, json=PING, auth=LOGIN)
        assert proxy.stop() == 0

    assert [each.status_code for each in refused] == [401] * len(WRONG_LOGINS)
    assert served.status_code == 204
    assert len(server.received) == len(read(out)) == 1
    assert "authorization" not in str(server.received).lower()
    assert_without_a_trace(proxy, server, out)


@pytest.mark.parametrize(
    "mode", [["--mode", "regular", "--endpoint", "collection.example"], []], ids=["proxy", "server"]
)
def test_a_replay_answers_only_who_logs_in(mode: list[str]) -> None:
    def play(login: tuple[str, str] | None) -> int:
        if mode:
            with through(proxy, login) as player:
                return player.post(f"http://collection.example{SESSIONS}", json=start()).status_code
        return httpx.post(proxy.url + SESSIONS, json=start(), auth=login).status_code

    with running("replay", RECORDING, *mode, *SAID) as proxy:
        statuses = [play(login) for login in (*WRONG_LOGINS, LOGIN)]
        proxy.stop()

    assert statuses == [407 if mode else 401] * len(WRONG_LOGINS) + [201]
    assert sum("sessionStart  " in line and "  201  " in line for line in proxy.lines) == 1


def greet(proxy: Command, login: tuple[str, str] | None) -> tuple[socket.socket, bytes]:
    """Say hello in SOCKS5, and who one is if one is asked; the connection and the last answer."""
    line = socket.create_connection(proxy.address, TIMEOUT_SECONDS)
    line.sendall(b"\x05\x01\x02" if login else b"\x05\x01\x00")
    answer = line.recv(2)
    if login and answer == b"\x05\x02":
        user, password = (each.encode() for each in login)
        line.sendall(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
        answer = line.recv(2)
    return line, answer


def test_socks_asks_for_a_login(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    options = ["--mode", "socks5", "--endpoint", "127.0.0.1", "--out", out, *SAID]
    with upstream() as server, running("record", *options) as proxy:
        for login in WRONG_LOGINS:
            line, answer = greet(proxy, login)
            with line:
                assert answer == (b"\x01\x01" if login else b"\x05\xff")
        line, answer = greet(proxy, LOGIN)
        with line:
            assert answer == b"\x01\x00"
            line.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + server.port.to_bytes(2, "big"))
            assert line.recv(10)[:2] == b"\x05\x00"
            body = b'{"eventType":"play"}'
            head = f"POST {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: {len(body)}\r\n\r\n"
            line.sendall(head.encode() + body)
            assert line.recv(1000).startswith(b"HTTP/1.1 204")
        assert proxy.stop() == 0

    assert len(server.received) == len(read(out)) == 1
    assert_without_a_trace(proxy, server, out)


# ---- Files ----


SHA = "{SHA}" + base64.b64encode(bytes.fromhex("5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8")).decode()  # "password"
BCRYPT = bcrypt.hashpw(LOGIN[1].encode(), bcrypt.gensalt(4)).decode()


def test_a_file_of_htpasswd_is_read_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"# players\nuser:{BCRYPT}\nold:{SHA}\n")
    with upstream() as server:
        options = ["--mode", "regular", "--out", tmp_path / "out.jsonl", "--proxyauth", "@users"]
        with running("record", *options, cwd=tmp_path) as proxy:
            logins = [LOGIN, ("old", "password"), ("user", "password"), ("user", BCRYPT), ("nobody", "")]
            statuses = []
            for login in logins:
                with through(proxy, login) as player:
                    statuses.append(player.post(server.url + "/page.html").status_code)
            proxy.stop()

    assert statuses == [200, 200, 407, 407, 407]


def test_a_slow_check_holds_no_other_player_up(tmp_path: Path) -> None:
    """A hash of cost 14 takes about a second."""
    (tmp_path / "users").write_text(f"user:{bcrypt.hashpw(LOGIN[1].encode(), bcrypt.gensalt(14)).decode()}\n")
    with upstream() as server:
        options = ["--mode", "regular", "--out", tmp_path / "out.jsonl", "--proxyauth", "@users"]
        with running("record", *options, cwd=tmp_path) as proxy, through(proxy, LOGIN) as player:
            assert player.post(server.url + "/page.html").status_code == 200
            attack = threading.Thread(target=greet_wrong, args=(proxy, server, ("user", "nobody")))
            attack.start()
            waits = []
            while attack.is_alive():
                begun = time.monotonic()
                assert player.post(server.url + "/page.html").status_code == 200
                waits.append(time.monotonic() - begun)
            proxy.stop()

    assert len(waits) > 4
    assert statistics.median(waits) < 0.3


def greet_wrong(proxy: Command, server: Upstream, names: tuple[str, ...]) -> None:
    for name in names:
        with through(proxy, (name, "wrong-word")) as player:
            assert player.post(server.url + "/page.html").status_code == 407


def test_an_unknown_user_takes_as_long_as_a_known_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = [bcrypt.hashpw(b"word", bcrypt.gensalt(cost)).decode() for cost in (4, 6)]
    (tmp_path / "users").write_text(f"quick:{hashes[0]}\nslow:{hashes[1]}\nold:{SHA}\n")
    checked: list[bytes] = []
    real = bcrypt.checkpw

    def note(word: bytes, hashed: bytes) -> bool:
        checked.append(hashed)
        return real(word, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", note)
    check = check_of(f"@{tmp_path / 'users'}")

    assert [check(name, "word") for name in ("slow", "nobody", "")] == [True, False, False]
    assert checked == [hashes[1].encode()] * 3


FILES = [
    (None, "No such file or directory"),
    ("", "holds no users"),
    ("# nobody\n", "holds no users"),
    ("user:s3cret-word\n", "holds no users"),
    ("user:$apr1$s3cret-word\n", "holds no users"),
    ("s3cret-word\n", "holds no users"),
    ("user:\xff", "holds no users"),
]


@pytest.mark.parametrize(("content", "said"), FILES, ids=[repr(each[0]) for each in FILES])
def test_a_file_that_cannot_be_used_is_said_without_a_word_of_it(
    content: str | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "users").write_bytes(content.encode("latin-1"))
    done = run_tapehead("record", "--mode", "regular", "--proxyauth", "@users", cwd=tmp_path)

    assert done.returncode == 2, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("tapehead: --proxyauth @users ")
    assert said in line
    assert "s3cret" not in line
    assert not list(tmp_path.glob("**/*.jsonl"))


@pytest.mark.parametrize("name", ["/", "~nobody-of-this-name/users"])
def test_a_name_that_is_no_file_is_a_problem(name: str) -> None:
    with pytest.raises(StartupError, match="cannot be read: "):
        check_of(f"@{name}")


CHECKS = [
    ("user:pass", [("user", "pass")], [("user", "Pass"), ("User", "pass"), ("", "user:pass"), ("user:pass", "")]),
    ("us\u00e9r:p\u00e4ss", [("us\u00e9r", "p\u00e4ss")], [("user", "pass"), ("us\u00e9r", "p\udcc3\udca4ss ")]),
    ("any", [("user", "pass"), ("", "")], []),
]


@pytest.mark.parametrize(("login", "right", "wrong"), CHECKS, ids=[each[0] for each in CHECKS])
def test_a_login_is_right_as_a_whole(login: str, right: list[tuple[str, str]], wrong: list[tuple[str, str]]) -> None:
    check = check_of(login)

    assert [check(*each) for each in right] == [True] * len(right)
    assert [check(*each) for each in wrong] == [False] * len(wrong)


# ---- Broken on purpose ----


BROKEN = """
import sys
from mitmproxy.addons.proxyauth import ProxyAuth
from tapehead.proxy import login
from tapehead.cli.app import run

def fail(_, data):
    if hasattr(data, "valid"):
        data.valid = True
    raise RuntimeError("broken on purpose")

if sys.argv[1] == "check":
    login.check_of = lambda _login: fail
else:
    ProxyAuth.http_connect = ProxyAuth.requestheaders = ProxyAuth.socks5_auth = fail
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.parametrize(("broken", "status", "logged"), [("check", 407, 0), ("addon", 500, 1)])
def test_a_login_that_cannot_be_checked_is_refused(broken: str, status: int, logged: int, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    options = ["record", "--mode", "regular", "--endpoint", "127.0.0.1", "--out", out, *SAID]
    with (
        upstream() as server,
        start_program(sys.executable, "-c", BROKEN, broken, *options, "--listen", "127.0.0.1:0") as proxy,
    ):
        proxy.url = proxy.wait_for(lambda line: line.startswith(READY)).removeprefix(READY)
        with through(proxy, LOGIN) as player:
            answers = [player.post(server.url + path, json=PING) for path in (EVENTS, "/page.html", EVENTS)]
            with pytest.raises(httpx.ProxyError, match=str(status)):
                player.get(f"https://127.0.0.1:{server.port}")
        assert proxy.stop() == 0

    assert [each.status_code for each in answers] == [status] * 3
    assert server.received == []
    assert not out.exists()
    assert sum(line.startswith("RuntimeError") for line in proxy.lines) == logged
    assert_without_a_trace(proxy, server, out)


def test_socks_with_a_broken_check_lets_nobody_in(tmp_path: Path) -> None:
    options = ["record", "--mode", "socks5", "--out", tmp_path / "out.jsonl", *SAID, "--listen", "127.0.0.1:0"]
    for broken in ("check", "addon"):
        with start_program(sys.executable, "-c", BROKEN, broken, *options, "--overwrite") as proxy:
            proxy.url = proxy.wait_for(lambda line: line.startswith(READY)).removeprefix(READY)
            line, answer = greet(proxy, LOGIN)
            line.close()
            assert answer == b"\x01\x01"
            proxy.stop()
        assert sum(line.startswith("RuntimeError") for line in proxy.lines) == 1
