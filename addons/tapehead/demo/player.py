"""A scripted player that plays a timeline against an endpoint over a real connection, as a device would."""

import http.client
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

from tapehead.demo.timelines import Step, bodies
from tapehead.protocol.routes import sid_of_location


class Sent(NamedTuple):
    """An event that the player sent.

    Attributes:
        event_type: its type.
        playhead: the playhead, in seconds into the content.
        status: the status answered.
        sid: the id of its session; None if none was opened.
    """

    event_type: str
    playhead: float
    status: int
    sid: str | None


def play(base_url: str, timeline: Sequence[Step], *, started_ms: int, speed: float = 0) -> Iterator[Sent]:
    """Play a timeline, and yield each event once it is answered.

    Args:
        base_url: the endpoint's URL up to `/api/v1`.
        timeline: the steps.
        started_ms: the ts of the first event, in milliseconds since 1970.
        speed: how many seconds of the timeline pass in one; 0 to wait for nothing.

    Raises:
        OSError: the endpoint cannot be reached, or breaks the connection.
    """
    parts = urlsplit(base_url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    began, sid = time.monotonic(), None
    try:
        for step, body in zip(timeline, bodies(timeline, started_ms), strict=True):
            if speed:
                time.sleep(max(0.0, began + step.at / speed - time.monotonic()))
            path = f"{parts.path}/api/v1/sessions" + (f"/{sid}/events" if sid else "")
            connection.request("POST", path, orjson.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            sid = sid or sid_of_location(response.headers["Location"])
            yield Sent(step.event_type, step.playhead, response.status, sid)
    finally:
        connection.close()
