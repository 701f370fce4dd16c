"""Calls for benchmarks: pings of sessions that were opened for them, and starts of sessions."""

from collections.abc import Callable

import httpx
import orjson

from bench.load import NO_HEADERS, Calls
from support.exchanges import START, start_with

# Sessions that are played, more than connections, so that calls of one never overtake each other; and recorded ones.
SESSIONS, RECORDED = 256, 16
PING = '{"eventType":"ping","playerTime":{"playhead":<<turn * 10>>,"ts":<<began + turn * 10000>>}}'
# By the clock of the player, which is right as nearly all are: a wrong one is a finding on each call.
LIVE_PING = '{"eventType":"ping","playerTime":{"playhead":<<(now() - began) / 1000>>,"ts":<<now()>>}}'
# Players send one every ten seconds, for hours.
LENGTH = 10_000_000
_VIEWER = "1234567890123456789012345678901"


def pings(
    change: Callable[[str], str] = str, headers: dict[str, str] | None = None, ping: str = PING
) -> Callable[[str], Calls]:
    """Open sessions and return their pings; `change` gives the path to call instead of one."""

    def open_sessions(url: str) -> Calls:
        with httpx.Client(base_url=url, headers=headers or {}, timeout=60) as player:
            start = start_with({"media.length": LENGTH})
            answers = [player.post(change("/api/v1/sessions"), json=start) for _ in range(SESSIONS)]
        locations = [answer.raise_for_status().headers["Location"] for answer in answers]
        paths = [path if path.startswith("/k/") else change(path) for each in locations for path in [f"{each}/events"]]
        return Calls(paths, ping, headers or NO_HEADERS)

    return open_sessions


def any_pings(_: str) -> Calls:
    """Pings of sessions that need not be opened."""
    return Calls([f"/api/v1/sessions/recorded-{nth % RECORDED}/events" for nth in range(SESSIONS)], PING)


def starts(_: str) -> Calls:
    """Starts of sessions by many viewers."""
    body = start_with({"visitor.marketingCloudUserId": f"{_VIEWER}<<1000000 + nth % {SESSIONS}>>"})
    body["playerTime"] = {"playhead": 0, "ts": 0}
    text = orjson.dumps(body).decode().replace('"ts":0', '"ts":<<began + nth>>')
    assert len(START["visitor.marketingCloudUserId"]) == len(_VIEWER) + 7
    return Calls(["/api/v1/sessions"], text)
