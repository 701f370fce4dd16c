"""Players of a replay, and its summary."""

from collections.abc import Callable
from secrets import token_bytes

import orjson

from support.exchanges import AD, BREAK, Player, Step, index_of, response, sent, session
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.schemas import Schemas
from tapehead.replay.matching import Reason
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer
from tapehead.replay.summary import ReplaySummary

STEPS: list[Step] = [
    (0, 0, "adBreakStart", BREAK),
    (0, 0, "adStart", AD),
    (15, 0, "adComplete", {}),
    (15, 0, "adStart", AD | {"media.ad.id": "ad-2"}),
    (30, 0, "adComplete", {}),
    (30, 0, "adBreakComplete", {}),
    (30, 0, "play", {}),
    (40, 10, "ping", {}),
    (50, 20, "ping", {}),
    (55, 25, "pauseStart", {}),
    (60, 25, "ping", {}),
    (65, 25, "play", {}),
    (70, 30, "ping", {}),
    (95, 55, "sessionComplete", {}),
]


SCHEMAS = Schemas()


def replay_of(
    *recordings: list[Exchange], on_miss: OnMiss = OnMiss.SIMULATE, warn: Callable[[str], None] | None = None
) -> Replayer:
    return Replayer(index_of(*recordings), SCHEMAS, on_miss=on_miss, random_bytes=token_bytes, warn=warn)


def player_of(
    *exchanges: Exchange, on_miss: OnMiss = OnMiss.SIMULATE, warn: Callable[[str], None] | None = None
) -> Player:
    """A player of a replay of these exchanges; of the session of STEPS, if there are none."""
    return Player(replay_of(list(exchanges) or session("abc", STEPS), on_miss=on_miss, warn=warn))


def replay_summary(player: Player) -> ReplaySummary:
    assert isinstance(player.engine, Replayer)
    return player.engine.summary()


def unused_lines(player: Player) -> list[int]:
    """The recorded lines that nobody asked for."""
    return [unused.line for unused in replay_summary(player).unused]


def reasons_of(player: Player) -> list[Reason]:
    return [miss.reason for miss in replay_summary(player).missed]


def marked(sid: str, steps: list[Step]) -> list[Exchange]:
    """A recorded session whose every answer says its line."""
    first, *rest = session(sid, steps)
    return [first, *(sent(sid, orjson.loads(each.request.content()), at, response(204, [("X-Line", str(line))]))
                     for line, (each, (at, *_)) in enumerate(zip(rest, steps, strict=True), start=2))]  # fmt: skip


def played_lines(player: Player, steps: list[Step]) -> list[int]:
    """The recorded lines that answer events, 0 for none."""
    lines = []
    for at, playhead, event_type, params in steps:
        player.send(event_type, playhead, at, params or None)
        lines.append(int(player.header("X-Line") or 0))
    return lines
