"""Cost of keys: a server that is called without one, and with one in each of three ways; and of looking for one.

cd tests && python -m bench.keys
"""

import time
import timeit
from collections.abc import Callable, Sequence
from functools import partial
from secrets import token_bytes
from threading import RLock

import httpx
import orjson

from bench.load import Contestant, Score, compete, post, read_rounds, show
from bench.serving import serve
from support.exchanges import NOW, Player, event, request, start
from support.processes import Command
from tapehead.answers import Engine
from tapehead.protocol.request_key import strip_key
from tapehead.simulator.endpoint import Simulator
from tapehead.simulator.faults import FaultInjector
from tapehead.simulator.keyed_engine import KeyedEngine

# Short ones, and many of them: some are not disturbed by other processes.
CALLS, TRIES = 200, 60


def ping_with(change: Callable[[str], str], header: str = "") -> Callable[[Command], bytes]:
    """A ping of a session that was opened for it, with a key."""

    def ping(opened: Command) -> bytes:
        headers = dict([header.split(": ")]) if header else {}
        answer = httpx.post(f"{opened.url}{change('/api/v1/sessions')}", json=start(), headers=headers)
        path = f"{answer.headers['Location']}/events"
        sent = post(path if path.startswith("/k/") else change(path), orjson.dumps(event("ping", 300, 300)))
        return sent.replace(b"\r\n", b"\r\n%s\r\n" % header.encode(), 1) if header else sent

    return ping


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


def main(argv: Sequence[str] | None = None) -> list[Score]:
    """Measure, and print the table."""
    rounds = read_rounds(argv, "tapehead serve with and without keys")
    scores = compete(
        [
            Contestant("no key", serve(), ping_with(lambda path: path)),
            Contestant("X-Tapehead-Key: KEY", serve(), ping_with(lambda path: path, "X-Tapehead-Key: KEY")),
            Contestant("?tapehead=KEY", serve(), ping_with(lambda path: f"{path}?tapehead=KEY")),
            Contestant("/k/KEY/", serve(), ping_with(lambda path: f"/k/KEY{path}")),
        ],
        rounds,
    )
    show("answers of tapehead serve", scores)
    print(f"the search for a key where there is none: {search_share():.1%} of a simulated answer; {keyed_ratio():.2f}x")
    return scores


if __name__ == "__main__":
    main()
