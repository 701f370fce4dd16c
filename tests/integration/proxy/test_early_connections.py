"""Connections that come as soon as the proxy listens, before it says so."""

import socket
import ssl
import threading
import time
from pathlib import Path

from support.processes import TIMEOUT_SECONDS, running
from support.upstream_server import free_port, upstream

# What follows the listening takes a while, as on a busy machine.
SLOW = """
import asyncio
from mitmproxy.addons.proxyserver import Proxyserver
set_up = Proxyserver.setup_servers
async def set_up_slowly(self):
    await set_up(self)
    await asyncio.sleep(1)
Proxyserver.setup_servers = set_up_slowly
"""


def test_a_handshake_before_the_proxy_says_that_it_listens_succeeds(tmp_path: Path) -> None:
    port, versions = free_port(), list[str | None]()

    def shake_hands() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        end = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < end:
            try:
                connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
            except ConnectionRefusedError:
                time.sleep(0.01)
                continue
            with connection, context.wrap_socket(connection, server_hostname="localhost") as secured:
                versions.append(secured.version())
            return

    early = threading.Thread(target=shake_hands)
    with upstream() as server:
        early.start()
        with running(
            "record", "-q", "--to", server.url, cwd=tmp_path, listen=f"127.0.0.1:{port}", broken=SLOW
        ) as proxy:
            early.join()
            assert proxy.stop() == 0

    assert len(versions) == 1
    assert not [line for line in proxy.lines if "error" in line.lower()]
