"""Small recordings built in code, and a player that speaks to an engine without a wire."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from tapehead.answers import Answer, Engine
from tapehead.protocol.exchange import FORMAT_VERSION, Entry, Exchange
from tapehead.protocol.messages import Headers, Request, Response
from tapehead.protocol.routes import CORS_HEADERS, Call, find_call, location_of, sid_of_location
from tapehead.replay.index import RecordingIndex, build_index

HOST = "https://example.hb-api.omtrdc.net"
# 2026-11-23, seconds since 1970.
NOW = 1_795_401_600.0
JSON = ("Content-Type", "application/json")

START: dict[str, Any] = {
    "analytics.trackingServer": "example.sc.omtrdc.net",
    "analytics.reportSuite": "example-rsid",
    "visitor.marketingCloudOrgId": "0123456789ABCDEF01234567@AdobeOrg",
    "visitor.marketingCloudUserId": "12345678901234567890123456789012345678",
    "media.id": "clip-1",
    "media.name": "First clip",
    "media.length": 60,
    "media.contentType": "VOD",
    "media.streamType": "video",
    "media.playerName": "sample-player",
    "media.channel": "sample-channel",
}
AD = {"media.ad.id": "ad-1", "media.ad.length": 15, "media.ad.podPosition": 1, "media.ad.playerName": "sample-player"}
BREAK = {"media.ad.podIndex": 0, "media.ad.podSecond": 0}
CHAPTER = {"media.chapter.index": 1, "media.chapter.offset": 0, "media.chapter.length": 20}

# An event of a recorded session: seconds since its start, playhead, event type, params.
Step = tuple[float, float, str, dict[str, Any]]


def event(
    event_type: str, playhead: float = 0, at: float = 0, params: object = None, **parts: object
) -> dict[str, Any]:
    """An event's body, `at` seconds after NOW."""
    body = {"eventType": event_type, "playerTime": {"playhead": playhead, "ts": round((NOW + at) * 1000)}}
    return body | ({} if params is None else {"params": params}) | parts


def start(at: float = 0, params: object = None, **parts: object) -> dict[str, Any]:
    """A sessionStart that no rule finds fault with."""
    return event("sessionStart", 0, at, START if params is None else params, **parts)


def start_with(params: dict[str, Any], at: float = 0) -> dict[str, Any]:
    """A sessionStart with some params more or other; those that are None are left out."""
    return start(at, {key: value for key, value in (START | params).items() if value is not None})


def request(body: object = b"", path: str = "/api/v1/sessions", method: str = "POST", **headers: str) -> Request:
    """A request as a player sends it; `body` as bytes, or a value to be sent as JSON."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    extra = [(name.replace("_", "-"), value) for name, value in headers.items()]
    declared = [] if any(name.lower() == "content-type" for name, _ in extra) else [JSON]
    return Request(method=method, url=HOST + path, headers=[*declared, *extra]).with_content(content)


def response(status: int, headers: Headers | None = None, content: bytes = b"") -> Response:
    """A response of the endpoint."""
    dated = [("Date", "Mon, 23 Nov 2026 02:00:00 GMT"), *(headers or []), *CORS_HEADERS]
    return Response(status=status, reason="Recorded", headers=dated).with_content(content)


def exchange(asked: Request, answered: Response | None, at: float = 0) -> Exchange:
    """An exchange as a recorder would store it, `at` seconds after midnight of a day."""
    call = find_call(asked.method, asked.path)
    assert call is not None
    issued = sid_of_location(answered.header("Location")) if answered and call.call is Call.SESSION else None
    return Exchange(
        tapehead=FORMAT_VERSION,
        started=f"2026-11-23T{at // 3600:02.0f}:{at % 3600 // 60:02.0f}:{at % 60:09.6f}Z",
        elapsed_ms=12.5,
        call=call.call,
        session=call.sid or issued,
        request=asked,
        response=answered,
        error=None if answered else "the connection was reset",
        findings=[],
    )


def opened(sid: str, body: object, at: float = 0) -> Exchange:
    """A sessionStart and its 201."""
    return exchange(request(body), response(201, [("Location", location_of(sid))]), at)


def sent(sid: str, body: object, at: float = 0, answered: Response | int | None = 204) -> Exchange:
    """An event of a session and its answer."""
    reply = response(answered) if isinstance(answered, int) else answered
    return exchange(request(body, f"/api/v1/sessions/{sid}/events"), reply, at)


def session(sid: str, steps: Iterable[Step], media: str = "clip-1", began: float = 0) -> list[Exchange]:
    """A session as recorded, its events answered by 204."""
    first = opened(sid, start_with({"media.id": media}), began)
    rest = (
        sent(sid, event(event_type, playhead, at, params or None), began + at)
        for at, playhead, event_type, params in steps
    )
    return [first, *rest]


def entries(exchanges: Iterable[Exchange]) -> list[Entry]:
    """Exchanges as the lines of a file."""
    return [Entry(number, each) for number, each in enumerate(exchanges, start=1)]


def index_of(*recordings: Sequence[Exchange]) -> RecordingIndex:
    """Return the index of some recordings."""
    return build_index(map(entries, recordings))


class Player:
    """A player that calls an engine directly.

    Attributes:
        answer: the engine's last answer.
        sid: the session that is open.
    """

    def __init__(self, engine: Engine, media: str = "clip-1") -> None:
        self.engine = engine
        self.media = media
        self.sid = ""
        self.answer = Answer()

    def call(self, asked: Request, at: float = 0) -> int:
        """Send any request; the status, 0 for a connection closed without one."""
        self.answer = self.engine.answer(asked, NOW + at)
        return self.answer.response.status if self.answer.response else 0

    def open(self, at: float = 0, **params: object) -> str:
        """Open a session; its id, empty if there is none."""
        self.call(request(start_with({"media.id": self.media, **params}, at)), at)
        self.sid = sid_of_location(self.header("Location")) or ""
        return self.sid

    def send(self, event_type: str, playhead: float = 0, at: float = 0, params: object = None) -> int:
        """Send an event of the open session; the status answered."""
        body = event(event_type, playhead, at, params)
        return self.call(request(body, f"/api/v1/sessions/{self.sid}/events"), at)

    def play(self, steps: Iterable[Step]) -> list[int]:
        """Send events one after the other; the statuses answered."""
        return [self.send(event_type, playhead, at, params or None) for at, playhead, event_type, params in steps]

    def header(self, name: str) -> str | None:
        """A header of the last answer."""
        return self.answer.response.header(name) if self.answer.response else None

    def told(self) -> Any:
        """The JSON in the body of the last answer."""
        assert self.answer.response is not None
        return orjson.loads(self.answer.response.content())
