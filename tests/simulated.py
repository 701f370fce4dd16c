"""A player of the simulated endpoint."""

from tapehead.schemas import Schemas
from tapehead.simulate import Simulation
from tapes import Player, event, start_with

MINUTE = 60.0
SCHEMAS = Schemas()


DOWNLOADED = start_with({"media.downloaded": True})
PING = event("ping")


def open_player() -> Player:
    player = Player(Simulation(SCHEMAS))
    player.open()
    return player
