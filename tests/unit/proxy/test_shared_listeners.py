"""Sockets on which several proxies listen together."""

import select
import socket
from contextlib import ExitStack

import pytest

from tapehead.errors import StartupError
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.proxy.shared_listeners import listen_for_workers

WORKERS, CONNECTIONS = 3, 90


def settings(*modes: str, **others: str) -> ProxySettings:
    extra = tuple(f"{name}={value}" for name, value in others.items())
    return ProxySettings(modes=modes, host="127.0.0.1", port=0, extra=extra)


def test_each_worker_gets_a_part_of_the_connections_to_one_port() -> None:
    with listen_for_workers(settings("regular"), WORKERS) as of_workers, ExitStack() as players:
        own = [socket_ for (listener,) in of_workers for socket_ in listener.own]
        (address,) = {each.getsockname() for each in own}
        for _ in range(CONNECTIONS):
            players.enter_context(socket.create_connection(address))
        counts = []
        for each in own:
            each.setblocking(False)
            counts.append(0)
            while select.select([each], [], [], 0)[0]:
                accepted, _ = each.accept()
                # Without it, an answer in two parts waits for the player's confirmation of the first.
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                accepted.close()
                counts[-1] += 1

    assert sum(counts) == CONNECTIONS
    assert min(counts) > 5
    others = [{each.fileno() for each in listener.others} for (listener,) in of_workers]
    assert all(len(each) == WORKERS - 1 for each in others) or others == [{-1}] * WORKERS


def test_modes_listen_where_they_say_and_options_count() -> None:
    with listen_for_workers(settings("regular@127.0.0.2:0", "socks5", listen_host="127.0.0.3"), 2) as of_workers:
        for listeners in of_workers:
            assert [each.mode for each in listeners] == ["regular@127.0.0.2:0", "socks5"]
            hosts = [socket_.getsockname()[0] for each in listeners for socket_ in each.own]
            assert hosts == ["127.0.0.2", "127.0.0.3"]


def test_a_name_with_several_addresses_has_one_port() -> None:
    with listen_for_workers(settings("regular", listen_host=""), 2) as ((first,), (second,)):
        ports = {each.getsockname()[1] for each in (*first.own, *second.own)}
        assert len(ports) == 1
        assert len(first.own) == len(second.own) == len(socket.getaddrinfo(None, 0, type=socket.SOCK_STREAM, flags=1))


def test_an_address_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        with (
            pytest.raises(StartupError, match=f"127.0.0.1:{port} is in use"),
            listen_for_workers(settings(f"regular@{port}"), 2),
        ):
            pass
