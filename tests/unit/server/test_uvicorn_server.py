"""The startable server: its life, its addresses, calls in hand at the end, failures of the engine."""

import asyncio
import contextlib
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from secrets import token_bytes

import httpx
import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from support.rules import PING
from tapehead.answers import Answer, Engine
from tapehead.errors import StartupError
from tapehead.internal_errors import InternalErrors
from tapehead.network.access_policy import ClientFilter, parse_network
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.schemas import Schemas
from tapehead.server.listening import listen, listen_together
from tapehead.server.uvicorn_server import Server
from tapehead.simulator.endpoint import Simulator

EVENTS = "/api/v1/sessions/abc/events"


class Fixed:
    """An engine with one answer."""

    def __init__(self, status: int = 204, delay_ms: float = 0) -> None:
        self.answered = Answer(response=Response(status=status, reason="", headers=[]), delay_ms=delay_ms)
        self.requests: list[Request] = []

    def answer(self, request: Request, now: float) -> Answer:
        self.requests.append(request)
        return self.answered


class Broken:
    """An engine with a bug."""

    def answer(self, request: Request, now: float) -> Answer:
        raise KeyError("planted")


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def test_the_log_of_a_process_has_no_line_about_a_server_that_runs(caplog: pytest.LogCaptureFixture) -> None:
    """Another server of that kind in the process has its lines as before."""
    with caplog.at_level(logging.INFO):
        with Server(Fixed()) as server:
            assert httpx.post(server.url + EVENTS, json=PING).status_code == 204
        assert caplog.messages == [each for each in caplog.messages if each.startswith("HTTP Request: ")]
        other = uvicorn.Server(uvicorn.Config(lambda: None, port=0, lifespan="off", log_config=None))
        other.should_exit = True
        asyncio.run(other.serve())
    assert any(each.startswith("Started server process") for each in caplog.messages)


def test_a_simulator_is_served_inside_the_block() -> None:
    before = threads()
    with Server(Simulator(Schemas(), random_bytes=token_bytes)) as server:
        assert httpx.post(server.url + EVENTS, json=PING).status_code == 404
        url = server.url

    assert url.startswith("http://127.0.0.1:")
    assert threads() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_it_starts_again_after_a_stop_and_stops_twice() -> None:
    server, before = Server(Fixed()), threads()
    server.stop()
    for _ in range(2):
        assert httpx.get(server.start().url).status_code == 204
        server.stop()
        server.stop()

    assert threads() == before


def test_a_running_server_cannot_be_started() -> None:
    with Server(Fixed()) as server:
        with pytest.raises(RuntimeError, match="running already"):
            server.start()
        assert httpx.get(server.url).status_code == 204


def test_it_can_be_stopped_at_once() -> None:
    before = threads()
    for _ in range(5):
        Server(Fixed()).start().stop()

    assert threads() == before


def test_a_stopped_server_has_no_url() -> None:
    server = Server(Fixed())
    with pytest.raises(RuntimeError, match="start it first"):
        server.url  # noqa: B018
    with server:
        assert server.url
    with pytest.raises(RuntimeError, match="start it first"):
        server.url  # noqa: B018


def test_a_port_in_use_is_a_startup_error_and_leaves_nothing_behind() -> None:
    before = threads()
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        server = Server(Fixed(), port=port)
        with pytest.raises(StartupError) as raised:
            server.start()
        assert threads() == before

    assert str(raised.value) == f"127.0.0.1:{port} is in use; choose another port, or 0 for any free one"
    with server:
        assert httpx.get(server.url).status_code == 204


@pytest.mark.parametrize("count", [1, 2])
def test_sockets_of_several_processes_are_on_one_address_that_no_other_run_gets(count: int) -> None:
    with listen_together("127.0.0.1", 0, 3) as sockets:
        assert len({each.getsockname() for each in sockets}) == 1
        port = sockets[0].getsockname()[1]
        with pytest.raises(StartupError, match=f"127.0.0.1:{port} is in use"):
            listen_together("127.0.0.1", port, count).__enter__()
    assert {each.fileno() for each in sockets} == {-1}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not spread connections")
def test_each_of_two_processes_gets_about_half_of_the_connections() -> None:
    """By the hash of the client's port: a quarter or less happens in one of 10**12 runs."""
    with contextlib.ExitStack() as stack:
        sockets = stack.enter_context(listen_together("127.0.0.1", 0, 2))
        for _ in range(200):
            stack.enter_context(socket.create_connection(sockets[0].getsockname()))
        counts = [len(list(waiting(each, stack))) for each in sockets]

    assert sum(counts) == 200
    assert min(counts) > 50


def waiting(listening: socket.socket, stack: contextlib.ExitStack) -> Iterator[socket.socket]:
    """The connections that wait on a socket."""
    listening.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            yield stack.enter_context(listening.accept()[0])


def test_connections_that_another_process_leaves_waiting_are_taken() -> None:
    with listen_together("127.0.0.1", 0, 2) as (own, other), Server(Fixed(), listening=own, others=[other]) as server:
        for _ in range(20):
            assert httpx.get(server.url).status_code == 204


def test_a_foreign_address_is_a_startup_error() -> None:
    with pytest.raises(StartupError, match=r"cannot listen on 192\.0\.2\.1:0"):
        Server(Fixed(), host="192.0.2.1").start()


def test_it_listens_on_ipv6() -> None:
    with Server(Fixed(), host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert httpx.get(server.url).status_code == 204


def test_it_takes_a_socket_that_listens_already() -> None:
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    with Server(Fixed(), listening=listening) as server:
        assert server.url == f"http://127.0.0.1:{port}"
        assert httpx.get(server.url).status_code == 204

    assert listening.fileno() == -1


def test_a_stop_lets_calls_in_hand_finish() -> None:
    statuses: list[int] = []
    engine = Fixed(delay_ms=500)
    with Server(engine) as server:
        url = server.url
        caller = threading.Thread(target=lambda: statuses.append(httpx.get(url).status_code))
        caller.start()
        while not engine.requests:
            time.sleep(0.01)
    caller.join(5)

    assert statuses == [204]


def test_a_stop_ends_calls_that_take_too_long() -> None:
    before, engine = threads(), Fixed(delay_ms=60_000)
    with Server(engine, grace_seconds=1) as server, httpx.Client() as player:
        with pytest.raises(httpx.ReadTimeout):
            player.get(server.url, timeout=0.2)
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as line:
            line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while len(engine.requests) < 2:
                time.sleep(0.01)
            began = time.monotonic()
            server.stop()
            took = time.monotonic() - began

    assert 1 <= took < 3
    assert threads() == before


def test_servers_in_one_process_do_not_mix() -> None:
    servers = [Server(Fixed(status)).start() for status in (200, 202, 204)]
    assert len({server.url for server in servers}) == 3
    assert [httpx.get(server.url).status_code for server in servers] == [200, 202, 204]
    servers[1].stop()
    assert httpx.get(servers[2].url).status_code == 204
    for server in servers:
        server.stop()


def test_an_exception_of_the_engine_is_a_500_and_recorded() -> None:
    logged: list[str] = []
    internal_errors = InternalErrors(report=logged.append)
    with Server(Broken(), internal_errors=internal_errors) as server, httpx.Client() as player:
        statuses = [player.post(server.url + EVENTS, json=PING).status_code for _ in range(2)]

    assert statuses == [500, 500]
    assert internal_errors.count == 2
    assert len(logged) == 1
    assert "answering a call" in logged[0]


def test_without_a_place_for_errors_they_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), Server(Broken()) as server:
        assert httpx.get(server.url).status_code == 500

    assert "KeyError" in caplog.text


def test_an_observer_that_fails_costs_neither_the_answer_nor_the_next_observer() -> None:
    seen: list[str] = []
    internal_errors = InternalErrors(report=lambda _line: None)

    def fail(request: Request, answer: Answer, now: float) -> None:
        raise KeyError("planted")

    def observe(request: Request, answer: Answer, now: float) -> None:
        seen.append(f"{request.method} {request.path} {answer.response and answer.response.status}")

    with Server(Fixed(), observers=[fail, observe], internal_errors=internal_errors) as server:
        assert httpx.get(server.url + "/x").status_code == 204

    assert seen == ["GET /x 204"]
    assert internal_errors.count == 1


def test_refused_clients_get_no_answer() -> None:
    warnings: list[str] = []
    client_filter = ClientFilter([parse_network("192.0.2.0/24")], warnings.append)
    engine = Fixed()
    with Server(engine, client_filter=client_filter) as server, pytest.raises(httpx.TransportError):
        httpx.get(server.url)

    assert (engine.requests, client_filter.refused, len(warnings)) == ([], 1, 1)


def test_an_asgi_application_is_served_as_it_is() -> None:
    with Server(PlainTextResponse("hello")) as server:
        assert httpx.get(server.url).text == "hello"


def test_it_serves_an_asyncio_program() -> None:
    async def ask(urls: list[str]) -> list[int]:
        async with httpx.AsyncClient() as player:
            return [answer.status_code for answer in await asyncio.gather(*map(player.get, urls))]

    async def program() -> list[int]:
        with Server(Fixed(200)) as first, Server(Fixed(204)) as second:
            statuses = await ask([first.url, second.url] * 5)
            await asyncio.to_thread(first.stop)
            return statuses

    assert asyncio.run(program()) == [200, 204] * 5


@pytest.mark.parametrize("make", [Fixed, Broken])
def test_nothing_is_printed(make: Callable[[], Engine], capfd: pytest.CaptureFixture[str]) -> None:
    internal_errors = InternalErrors(report=lambda _line: None)
    with Server(make(), internal_errors=internal_errors) as server:
        httpx.get(server.url)
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as line:
            line.sendall(b"nonsense\r\n\r\n")
            line.recv(1000)

    assert capfd.readouterr() == ("", "")
