"""A player of the simulated endpoint."""

from secrets import token_bytes

from support.exchanges import Player, event, start_with
from tapehead.protocol.schemas import Schemas
from tapehead.simulator.endpoint import Simulator

MINUTE = 60.0
SCHEMAS = Schemas()


DOWNLOADED = start_with({"media.downloaded": True})
PING = event("ping")


def open_player() -> Player:
    player = Player(Simulator(SCHEMAS, random_bytes=token_bytes))
    player.open()
    return player
