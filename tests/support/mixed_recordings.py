"""Recordings whose sessions are cut over files, with whatever makes it hard to divide an audit."""

import random
from pathlib import Path

import msgspec

from support.played_sessions import Player
from support.session_strategies import record
from support.sessions import BEGIN_MS, Timeline
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Answered, Exchange, encode, format_time

VISITORS = ("1" * 37 + "2", "7" * 37 + "1", "")


def played(chance: random.Random) -> list[Exchange]:
    """Sessions that overlap, some of the same visitor, and some that are wrong."""
    exchanges: list[Exchange] = []
    for number in range(12):
        player = Player(f"s{number}", BEGIN_MS + chance.randrange(200_000), 300)
        visitor = chance.choice(VISITORS)
        player.timeline = Timeline(f"s{number}", player.timeline.begin_ms, visitor).start(length=300)
        player.send(chance.choice(["play", "adStart", "pauseStart"]))
        player.watch(chance.randrange(20, 90))
        for act in chance.sample((Player.pause, Player.show_ads, Player.chapter, Player.stall), 2):
            act(player, chance.randrange(5, 40))
        if chance.random() < 0.6:
            player.send("sessionEnd")
        exchanges += player.timeline.exchanges
    return record(exchanges)


def later(exchange: Exchange, seconds: float) -> Exchange:
    arrived = arrival_of(exchange)
    assert arrived is not None
    return msgspec.structs.replace(exchange, started=format_time(arrived / 1000 + seconds))


def write_mix(folder: Path, seed: int) -> None:
    """Write sessions cut over several files, of recorders whose clocks differ, with duplicates and corrupt lines."""
    chance, files = random.Random(seed), [list[bytes](), list[bytes](), list[bytes]()]
    for exchange in played(chance):
        home = chance.choice([0, 0, 1, 2])
        files[home].append(encode(later(exchange, 40 if home == 2 else 0)))
        if chance.random() < 0.1:
            files[1 - min(home, 1)].append(encode(exchange))
        if chance.random() < 0.05:
            line = encode(exchange)
            files[home].append(chance.choice([line[: len(line) // 2] + line, b"{}\n", line.replace(b"[", b"{", 1)]))
    for number, lines in enumerate(files):
        (folder / f"{number}.jsonl").write_bytes(b"".join(lines))


def write_one(path: Path, seed: int) -> None:
    """Write the sessions of one recorder, with calls that are lost, sent twice, without session, or refused."""
    chance, kept = random.Random(seed), list[Exchange]()
    keys = {f"s{number}": chance.choice(["", "", "one", "two"]) for number in range(12)}
    for exchange in played(chance):
        key, response = keys.get(exchange.session or "", ""), exchange.response
        made = msgspec.structs.replace(exchange, answered=Answered("hit", key=key) if key else None)
        match chance.randrange(25):
            case 0:
                continue
            case 1:
                kept.append(made)
            case 2:
                made = msgspec.structs.replace(made, session=None)
            case 3 if response is not None:
                status = chance.choice([201, 400, 404, 500])
                made = msgspec.structs.replace(made, response=msgspec.structs.replace(response, status=status))
            case 4:
                made = msgspec.structs.replace(made, response=None, error="connection reset", closed_by="client")
        kept.append(made)
    numbered = (
        msgspec.structs.replace(exchange, order=number, source="one") for number, exchange in enumerate(kept, 1)
    )
    lines = [encode(exchange) for exchange in numbered if chance.random() < 0.95]
    for place in range(0, len(lines) - 1, chance.randrange(2, 9)):  # answered before those that came before
        lines[place], lines[place + 1] = lines[place + 1], lines[place]
    path.write_bytes(b"".join(lines))
