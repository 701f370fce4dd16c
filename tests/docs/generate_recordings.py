"""Generator of the sample recordings in `recordings/`: a scripted player, a recording proxy, a simulated endpoint.

    cd tests && python -m docs.generate_recordings

It takes as long as the longest timeline, 88 s: a recording is to look like life.
"""

import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson

from support.faulty_session import MISTAKES, Mistake
from support.paths import RECORDINGS_FOLDER
from support.processes import running
from support.timelines import TIMELINES
from tapehead.demo.timelines import START, Step, bodies
from tapehead.protocol.keys import ECID
from tapehead.protocol.routes import sid_of_location

RECORDINGS = RECORDINGS_FOLDER
# The player's proxy knows the endpoint by this name; nothing looks it up.
BASE_URL = "http://example.hb-api.omtrdc.net/api/v1/sessions"
JSON = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "sample-html5-api-player"}


def play_timeline(player: httpx.Client, steps: tuple[Step, ...], visitor: str) -> None:
    """Send a timeline in real time, as a visitor of its own: sessions of one visitor would be told to overlap."""
    began, sid = time.time(), None
    for step, body in zip(steps, bodies(steps, round(began * 1000)), strict=True):
        time.sleep(max(0.0, began + step.at - time.time()))
        content = orjson.dumps(body).replace(START[ECID].encode(), visitor.encode())
        answer = post(player, sid, content)
        sid = sid or sid_of_location(answer.headers.get("Location"))


def play_mistakes(player: httpx.Client, mistakes: tuple[Mistake, ...]) -> None:
    """Send the session full of mistakes in real time."""
    began, opened = time.time(), None
    for mistake in mistakes:
        time.sleep(max(0.0, began + mistake.at - time.time()))
        sid = opened if mistake.sid == "" else mistake.sid
        answer = post(player, sid, b"".join(_spell(mistake)))
        opened = sid_of_location(answer.headers.get("Location")) or opened


def _spell(mistake: Mistake) -> Iterator[bytes]:
    if isinstance(mistake.event, bytes):
        yield mistake.event
        return
    ts = round(time.time() * 1000 * mistake.ts_factor)
    body: dict[str, Any] = {
        "eventType": mistake.event["eventType"],
        "playerTime": {"playhead": mistake.playhead, "ts": ts},
    }
    yield orjson.dumps({**body, **mistake.event})


def post(player: httpx.Client, sid: str | None, body: bytes) -> httpx.Response:
    """Send one body to the sessions endpoint, or to a session."""
    return player.post(f"{BASE_URL}/{sid}/events" if sid else BASE_URL, content=body, headers=JSON)


def make(name: str, steps: Any) -> None:
    """Make one recording."""
    out = RECORDINGS / f"{name}.jsonl"
    with running("serve", "-q") as endpoint:
        mode = f"upstream:{endpoint.url}"
        with running("record", "--mode", mode, "--out", out, "--overwrite", "-q") as proxy:
            with httpx.Client(proxy=proxy.url) as player:
                if name == "mistakes":
                    play_mistakes(player, steps)
                else:
                    play_timeline(player, steps, f"{zlib.crc32(name.encode()):038d}")
            proxy.stop()
    print(f"made {out.name}: {len(out.read_bytes().splitlines())} exchanges")


def main() -> None:
    """Make all of them at once."""
    wanted: dict[str, Any] = {f"timeline-{number}": steps for number, steps in TIMELINES.items()}
    wanted["mistakes"] = MISTAKES
    with ThreadPoolExecutor(len(wanted)) as pool:
        list(pool.map(make, wanted, wanted.values()))


if __name__ == "__main__":
    main()
