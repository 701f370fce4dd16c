"""Replaying through the proxy: an engine behind our addons in a lean mitmproxy, with nothing leaving the machine."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from tapehead.addon import Hosts, Play
from tapehead.ledger import summary_lines
from tapehead.proxy import run_proxy
from tapehead.replay import OnMiss, Replay
from tapehead.schemas import Schemas
from tapehead.settings import ProxySettings
from tapehead.store import read_entries
from tapehead.tape import build_tape, recorded_schemas
from tapehead.terminal import Screen, announcer, observer

# Reverse mode wants a target; this name can never be one (RFC 6761), and nothing connects to it anyway.
OFFLINE_MODE = "reverse:http://collection.invalid"


class PlayerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to replay, and how.

    Attributes:
        proxy: how the proxy runs.
        recordings: what to replay.
        endpoints: hosts that count as the endpoint besides the vendor's own.
        allow: hosts whose other requests may pass through to the network.
        on_miss: what becomes of calls that were not recorded.
        explain: whether each answer's line says why that exchange was chosen.
        quiet: whether nothing is printed for each call.
    """

    proxy: ProxySettings
    recordings: tuple[Path, ...]
    endpoints: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    on_miss: OnMiss = OnMiss.SIMULATE
    explain: bool = False
    quiet: bool = False


async def run_player(settings: PlayerSettings, complain: Callable[[str], None]) -> int:
    """Replay until told to stop; the exit code.

    Raises:
        ProxyProblem: the proxy cannot start.
        RecordingProblem: a recording cannot be read.
    """
    tape = build_tape([read_entries(path, complain) for path in settings.recordings])
    names = tuple(str(path) for path in settings.recordings)
    replay = Replay(tape, Schemas(recorded_schemas(tape)), on_miss=settings.on_miss, files=names)
    screen = Screen()
    hosts = Hosts(settings.endpoints)
    play = Play(replay, hosts, settings.allow, None if settings.quiet else observer(screen, explain=settings.explain))
    await run_proxy(hosts.limit(settings.proxy), [play], announcer(screen.show), _no_drain)
    for line in summary_lines(replay.summary(), names):
        screen.show(line)
    screen.close()
    return 0


async def _no_drain(patience: float) -> None:
    """Answers that are waiting for their delay get a moment."""
    await asyncio.sleep(min(0.1, patience))
