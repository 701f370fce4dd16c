"""The live page of a mitmproxy tool while its options change: one port for one server after the other."""

import asyncio
import socket
from collections.abc import Sequence

import httpx
import pytest
from mitmproxy.test import taddons

from support.exchanges import opened, start
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.live.live_settings import LiveSettings
from tapehead.mitmproxy_script.page import ScriptPage
from tapehead.protocol.exchange import encode

A, B, C = ("a" * 20, "b" * 20, "c" * 20)


def journal_of(calls: int) -> Journal:
    journal = Journal()
    for number in range(calls):
        call = opened(f"s{number}", start())
        journal.add(call, encode(call))
    return journal


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def serve(page: ScriptPage, steps: Sequence[tuple[int, str, int]]) -> int:
    """Have a page served by ports, tokens and journals in turn, at once; return the calls that it shows at the end."""
    for port, token, calls in steps:
        page.serve(LiveSettings(port=port, token=token), journal_of(calls), None)
    port, token, _ = steps[-1]
    for _ in range(600):
        if page._server and page._awaited_port is None:
            break
        await asyncio.sleep(0.05)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/tapehead/v1/status", timeout=30)
    return int(answer.json()["totals"]["calls"])


@pytest.mark.parametrize(
    "steps",  # the first or the second of two free ports
    [
        [(0, A, 1), (0, A, 2)],
        [(0, A, 1), (0, B, 2)],
        [(0, A, 1), (0, B, 1), (0, B, 2)],
        [(0, A, 1), (0, B, 1), (0, C, 2), (0, C, 3)],
        [(0, A, 1), (0, B, 1), (1, B, 2)],
        [(0, A, 1), (0, B, 1), (1, B, 2), (0, C, 3)],
        [(0, A, 1), (1, A, 2), (1, B, 3), (1, B, 4)],
    ],
    ids=str,
)
def test_the_latest_options_and_journal_are_served(steps: list[tuple[int, str, int]]) -> None:
    async def run() -> int:
        with taddons.context():
            page = ScriptPage(InternalErrors())
            ports = free_port(), free_port()
            try:
                return await serve(page, [(ports[which], token, calls) for which, token, calls in steps])
            finally:
                await asyncio.to_thread(page.close, wait=True)

    assert asyncio.run(run()) == steps[-1][2]
