"""Recordings of any length: the sample sessions of many players at once, call by call as a recorder wrote them.

cd tests && python -m bench.generated_recording FILE EXCHANGES
"""

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count, islice
from pathlib import Path
from typing import Any

import orjson

from support.paths import RECORDINGS_FOLDER

SAMPLES = ("timeline-1.jsonl", "timeline-2.jsonl", "timeline-3.jsonl")
BEGAN = datetime(2026, 11, 23, tzinfo=UTC)
# Sessions that overlap, the seconds between their starts, and how many contents they play.
PLAYERS, APART, CONTENTS = 100, 0.7, 20
# Samples are of less than a minute; players that see them to the end go on for ten more, as contents are longer.
PINGS, PING_SECONDS = 60, 10


def write(path: Path, exchanges: int) -> Path:
    """Write a recording."""
    with path.open("wb") as file:
        file.writelines(islice(lines(), exchanges))
    return path


def lines() -> Iterator[bytes]:
    """Return the lines of a recording without end, in order of time."""
    samples = [list(_templates((RECORDINGS_FOLDER / name).read_bytes().splitlines(keepends=True))) for name in SAMPLES]
    steps = sorted(
        (player * APART + at, player, template)
        for player in range(PLAYERS)
        for at, template in samples[player % len(samples)]
    )
    order, seconds = count(1), steps[-1][0] + APART
    for group in count():
        for at, player, template in steps:
            moment = BEGAN + timedelta(seconds=group * seconds + at)
            yield template % {
                b"order": next(order),
                b"started": moment.isoformat(timespec="microseconds").removesuffix("+00:00").encode(),
                b"ts": int(moment.timestamp() * 1000),
                b"date": format_datetime(moment, usegmt=True).encode(),
                b"session": group * PLAYERS + player,
                b"content": player % CONTENTS,
            }


def _templates(recorded: list[bytes]) -> Iterator[tuple[float, bytes]]:
    """Return each line's seconds since the start, and the line with the names of what differs between sessions."""
    exchanges = [orjson.loads(line) for line in recorded]
    bodies = [exchange["request"]["body"] for exchange in exchanges]
    began, longer = bodies[0]["playerTime"]["ts"], 0
    for exchange, body in zip(exchanges, bodies, strict=True):
        at = (body["playerTime"]["ts"] - began) / 1000
        if body["eventType"] == "sessionComplete":
            ping = next(each for each in exchanges if each["request"]["body"]["eventType"] == "ping")
            time = ping["request"]["body"]["playerTime"]
            longer = PINGS * PING_SECONDS
            for seconds in range(0, longer, PING_SECONDS):
                time["playhead"] = body["playerTime"]["playhead"] + seconds
                yield at + seconds, _template(ping)
            body["playerTime"]["playhead"] += longer
        elif body["eventType"] == "sessionStart":
            body["params"]["media.length"] += (
                PINGS * PING_SECONDS if bodies[-1]["eventType"] == "sessionComplete" else 0
            )
        yield at + longer, _template(exchange)


def _template(exchange: dict[str, Any]) -> bytes:
    template = (
        orjson.dumps(exchange).replace(b"%", b"%%").replace(exchange["session"].encode(), b"%(session)08x" + b"0" * 56)
    )
    for pattern, changed in (
        (rb'"order":\d+', b'"order":%(order)d'),
        (rb'"started":"[^"]*"', b'"started":"%(started)bZ"'),
        (rb'"source":"[^"]*"', b'"source":"record http://127.0.0.1:50463 2026-11-23T00:00:00.000Z"'),
        (rb'"ts":\d+', b'"ts":%(ts)d'),
        (rb'"date","[^"]*"', b'"date","%(date)b"'),
        (rb'"media.id":"[^"]*"', b'"media.id":"content %(content)d"'),
        (rb'"(visitor.marketingCloudUserId)":"\d+"', rb'"\1":"%(session)038d"'),
    ):
        template = re.sub(pattern, changed, template)
    return template + b"\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
