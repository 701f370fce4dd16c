"""Replaying through the proxy: an engine behind our addons in a lean mitmproxy, with nothing leaving the machine."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from tapehead.addon import Pick, Play, Record
from tapehead.hosts import Hosts
from tapehead.launch import ProxySettings
from tapehead.proxy import run_proxy
from tapehead.receipt import Receipt
from tapehead.recorder import Taker, open_writer
from tapehead.replay import OnMiss
from tapehead.schemas import Schemas
from tapehead.stage import EngineSettings, Stage
from tapehead.terminal import Screen, Strays, announce, observer

# Reverse mode wants a target; this name can never be one (RFC 6761), and nothing connects to it anyway.
OFFLINE_MODE = "reverse:http://collection.invalid"


class PlayerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to replay, and how.

    Attributes:
        proxy: how the proxy runs.
        engine: what answers.
        endpoints: hosts that count as the endpoint besides the vendor's own.
        allow: hosts whose requests may pass through to the network.
        prefix: a path that stands before the endpoint's own at the upstream that misses are forwarded to.
        out: where exchanges that were forwarded are recorded; None where nothing is forwarded.
        keep_ids: whether identifiers are stored there as they are.
        redact_keys: names whose values identify somebody, besides those that always do.
    """

    proxy: ProxySettings
    engine: EngineSettings
    endpoints: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    prefix: str = ""
    out: Path | None = None
    keep_ids: bool = False
    redact_keys: tuple[str, ...] = ()


def play_recordings(settings: PlayerSettings, complain: Callable[[str], None]) -> int:
    """Answer players until told to stop; the exit code.

    Raises:
        Problem: a recording cannot be read or written, or the proxy cannot start.
    """
    stage, screen = Stage(settings.engine, complain), Screen()
    receipt = None if settings.engine.on_miss is OnMiss.FORWARD else Receipt(settings.allow)
    with contextlib.ExitStack() as held:
        taker = _open_taker(settings, complain, held)
        strays = Strays(None if settings.engine.quiet else screen.show)
        asyncio.run(_run(settings, stage, screen, taker, receipt, strays))
    if taker:
        screen.show(taker.summary())
    code = stage.close(receipt, screen.show, strays.count)
    screen.close()
    return 1 if taker and taker.tape.lost else code


def _open_taker(settings: PlayerSettings, complain: Callable[[str], None], held: contextlib.ExitStack) -> Taker | None:
    """What takes the new episodes; None where nothing is forwarded."""
    if settings.out is None:
        return None
    writer, redactor = open_writer(
        settings.out, complain, keep_ids=settings.keep_ids, redact_keys=settings.redact_keys, append=True
    )
    held.enter_context(writer.writer)
    return Taker(writer, redactor)


async def _run(
    settings: PlayerSettings, stage: Stage, screen: Screen, taker: Taker | None, receipt: Receipt | None, strays: Strays
) -> None:
    engine, hosts = settings.engine, Hosts(settings.endpoints)
    observe = None if engine.quiet else observer(screen, explain=engine.explain)
    record = Record(Schemas(), taker.take, forwarded_only=True) if taker else None
    play = Play(stage.engine, hosts, settings.allow, observe, record, strays.note)
    addons = [Pick(hosts, settings.prefix, stream=False), play, *([record] if record else [])]

    def ready(addresses: Sequence[tuple[str, int]], notes: Sequence[str]) -> None:
        if receipt:
            receipt.seal()
        announce(screen.show, addresses, notes)

    await run_proxy(hosts.limit(settings.proxy), addons, ready, play.drain)
