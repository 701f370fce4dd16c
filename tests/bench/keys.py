"""Cost of keys: a server that is called without one, and with one in each of three ways; and of looking for one.

cd tests && python -m bench.keys
"""

import sys
import time
import timeit
from collections.abc import Callable, Sequence
from functools import partial
from secrets import token_bytes
from threading import RLock

from bench.calls import pings
from bench.load import Contestant, Size, compete, rows
from bench.options import parser, print_rows
from bench.table import Row
from support.exchanges import NOW, Player, event, request
from tapehead.answers import Engine
from tapehead.protocol.request_key import strip_key
from tapehead.simulator.endpoint import Simulator
from tapehead.simulator.faults import FaultInjector
from tapehead.simulator.keyed_engine import KeyedEngine

# Short ones, and many of them: some are not disturbed by other processes.
CALLS, TRIES = 200, 60


def search_share() -> float:
    """The time that the search for a key takes where there is none, as a share of that of an answer."""
    player = Player(_simulator())
    sent = [("User-Agent", "player"), ("Accept", "*/*"), ("Origin", "http://a"), ("Accept-Encoding", "gzip, br")]
    ping = request(event("ping", 300, 300), f"/api/v1/sessions/{player.open()}/events")
    ping = ping.with_headers([*ping.headers, *sent, ("Content-Length", "90"), ("Connection", "keep-alive")])

    def best(act: Callable[[], object]) -> float:
        return min(timeit.repeat(act, timer=time.process_time, number=CALLS, repeat=TRIES))

    return best(lambda: strip_key(ping)) / best(lambda: player.call(ping))


def keyed_ratio() -> float:
    """The time of a simulated answer without a key from an engine with keys, as a ratio to that without."""
    engines: list[Engine] = [FaultInjector(_simulator(), []), KeyedEngine(_simulator(), lock=RLock())]
    players = [Player(engine) for engine in engines]
    pings = [request(event("ping", 300, 300), f"/api/v1/sessions/{player.open()}/events") for player in players]
    times: list[list[float]] = [[], []]
    for _ in range(TRIES):
        for took, engine, ping in zip(times, engines, pings, strict=True):
            took.append(timeit.timeit(partial(engine.answer, ping, NOW), timer=time.process_time, number=CALLS))
    return min(times[1]) / min(times[0])


def _simulator() -> Simulator:
    return Simulator(random_bytes=token_bytes)


def measure(size: Size) -> list[Row]:
    """Measure pings of sessions that were opened with the same key."""
    keyed = {
        "no key": pings(),
        "X-Tapehead-Key: KEY": pings(headers={"X-Tapehead-Key": "KEY"}),
        "?tapehead=KEY": pings(lambda path: f"{path}?tapehead=KEY"),
        "/k/KEY/": pings(lambda path: f"/k/KEY{path}"),
    }
    serve = [sys.executable, "-m", "tapehead", "serve", "-q", "--listen", "127.0.0.1:0"]
    first, *others = contestants = [Contestant(name, serve, calls) for name, calls in keyed.items()]
    return rows(compete(contestants, size), [(each.name, first.name) for each in others], "serve -q, ping")


def main(argv: Sequence[str] | None = None) -> list[Row]:
    """Measure, and print the table."""
    found = print_rows(parser(__doc__), {"keys": measure}, argv)
    print(
        f"the search for a key where there is none: {search_share():.1%} of a simulated answer; {keyed_ratio():.2f} x"
    )
    return found


if __name__ == "__main__":
    main()
