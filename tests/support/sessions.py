"""Sessions for the tests, written as rows: what a player does and when, turned into recorded exchanges.

    timeline = Timeline().start().at(1, "play").at(11, "ping", playhead=10)
    results = timeline.audit()

Without a word on it, timestamps are one millisecond apart where the second is the same, playheads follow the clock
while content plays, each request is answered as documented, and 30 ms after it came.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.protocol.exchange import FORMAT_VERSION, Entry, Exchange
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call, location_of

BASE = "https://example.hb-api.omtrdc.net"
BEGIN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
BEGIN_MS = round(BEGIN.timestamp() * 1000)
HOUR_MS = 3_600_000
JSON_TYPE = ("Content-Type", "application/json")

START = {
    "analytics.trackingServer": "example.sc.omtrdc.net",
    "analytics.reportSuite": "example-rsid",
    "visitor.marketingCloudOrgId": "0123456789ABCDEF01234567@AdobeOrg",
    "visitor.marketingCloudUserId": "12345678901234567890123456789012345678",
    "media.id": "news-1",
    "media.name": "News",
    "media.length": 3600,
    "media.contentType": "vod",
    "media.streamType": "video",
    "media.playerName": "web",
    "media.channel": "one",
}
BREAK = {"media.ad.podIndex": 0, "media.ad.podSecond": 0}
CHAPTER = {"media.chapter.index": 1, "media.chapter.offset": 0, "media.chapter.length": 20}


def visitor_of(sid: str | None) -> str:
    """The visitor id of a session, 38 digits."""
    return f"{int.from_bytes((sid or '').encode()) % 10**38:038d}"


def ad(position: int = 1, length: float = 5) -> dict[str, Any]:
    """The params of an adStart."""
    return {
        "media.ad.id": f"ad-{position}",
        "media.ad.length": length,
        "media.ad.podPosition": position,
        "media.ad.playerName": "web",
    }


# What an event needs besides its type.
PARAMS: dict[str, dict[str, Any]] = {
    "sessionStart": START,
    "adBreakStart": BREAK,
    "adStart": ad(),
    "chapterStart": CHAPTER,
    "stateStart": {"media.state.name": "mute"},
    "stateEnd": {"media.state.name": "mute"},
}
QUALITY = {"bitrateChange": {"media.qoe.bitrate": 800_000}}


def body_of(
    event_type: str, playhead: float, ts: float, params: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A body as a player sends it; `more` are other keys of the body."""
    parts = {"params": PARAMS.get(event_type) if params is None else params, "qoeData": QUALITY.get(event_type)} | more
    body = {"eventType": event_type, "playerTime": {"playhead": playhead, "ts": ts}}
    return body | {key: value for key, value in parts.items() if value}


def make_exchange(
    path: str,
    body: object,
    *,
    call: Call = Call.EVENT,
    sid: str | None = "s1",
    status: int | None = 204,
    arrived_ms: float = BEGIN_MS,
    elapsed_ms: float = 30,
    location: str | None = None,
) -> Exchange:
    """An exchange as a recording holds it; `body` is bytes, or what becomes JSON; no status means no answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    method = {Call.SCHEMA: "GET", Call.PREFLIGHT: "OPTIONS"}.get(call, "POST")
    request = Request(method=method, url=BASE + path, headers=[JSON_TYPE])
    headers = [("Location", location)] if location else []
    response = None if status is None else Response(status=status, headers=headers)
    started = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=arrived_ms)
    return Exchange(
        tapehead=FORMAT_VERSION,
        started=started.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        elapsed_ms=elapsed_ms,
        call=call,
        session=sid,
        request=request if call in (Call.SCHEMA, Call.PREFLIGHT) else request.with_content(content),
        response=response,
        error=None if response else "connection reset",
        findings=[],
    )


@dataclass
class Timeline:
    """One session, written down event by event; each session id has a visitor of its own, unless one is given."""

    sid: str | None = "s1"
    begin_ms: float = BEGIN_MS
    visitor: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    _last_ts: int = 0
    _second: float = 0
    _playhead: float = 0
    _playing: bool = False
    _in_ad: bool = False
    _indexes: dict[str, int] = field(default_factory=dict)

    def start(self, *, status: int | None = 201, location: str | None = "", **params: Any) -> Self:
        """The sessionStart, at 0 s; keyword arguments are params without `media.`."""
        visitor = {"visitor.marketingCloudUserId": self.visitor or visitor_of(self.sid)}
        wanted = START | visitor | {f"media.{key}": value for key, value in params.items()}
        body = body_of("sessionStart", 0, self._stamp(0), wanted)
        issued = location_of(self.sid) if self.sid and location == "" else location
        return self.raw(body, Call.SESSION, status=status, location=issued if status == 201 else None)

    def at(
        self,
        second: float,
        event_type: str,
        params: dict[str, Any] | None = None,
        *,
        playhead: float | None = None,
        ts: float | None = None,
        arrives: float | None = None,
        status: int | None = 204,
        elapsed_ms: float = 30,
        **more: Any,
    ) -> Self:
        """An event at a second; `ts` and `arrives` are seconds, too, where they differ from it."""
        moved = self._move(second, event_type)
        params = self._place(event_type, moved if playhead is None else playhead) if params is None else params
        stamp = self._stamp(second) if ts is None else round(self.begin_ms + ts * 1000)
        body = body_of(event_type, moved if playhead is None else playhead, stamp, params, **more)
        arrived = stamp + 5 if arrives is None else self.begin_ms + arrives * 1000
        arrived = self.begin_ms + second * 1000 if ts is not None and arrives is None else arrived
        return self.raw(body, status=status, arrived_ms=arrived, elapsed_ms=elapsed_ms)

    def pings(self, first: float, last: float, step: float = 10, **more: Any) -> Self:
        """Pings from `first` to `last` second."""
        second = first
        while second <= last:
            self.at(second, "ping", **more)
            second += step
        return self

    def row(self, *event_types: str, every: float = 5) -> Self:
        """A sessionStart, then events of these types, five seconds apart."""
        self.start()
        for number, event_type in enumerate(event_types, start=1):
            self.at(number * every, event_type)
        return self

    def raw(
        self,
        body: object,
        call: Call = Call.EVENT,
        *,
        status: int | None = 204,
        arrived_ms: float | None = None,
        elapsed_ms: float = 30,
        location: str | None = None,
    ) -> Self:
        """An exchange with any body."""
        path = f"/api/v1/sessions/{self.sid}/events" if call is Call.EVENT else f"/api/v1/{_LAST[call]}"
        arrived = self.begin_ms + self._second * 1000 + 5 if arrived_ms is None else arrived_ms
        sid = self.sid if call is Call.EVENT or location else None
        exchange = make_exchange(
            path,
            body,
            call=call,
            sid=sid,
            status=status,
            arrived_ms=arrived,
            elapsed_ms=elapsed_ms,
            location=location,
        )
        self.exchanges.append(exchange)
        return self

    def audit(self, settings: AuditSettings | None = None) -> list[SessionResult]:
        """The results for this session alone."""
        return run(self.exchanges, settings)

    def rules(self, settings: AuditSettings | None = None) -> list[str]:
        """The ids of all findings."""
        return rules_of(self.audit(settings))

    def _stamp(self, second: float) -> int:
        self._second = second
        self._last_ts = max(self._last_ts + 1, round(self.begin_ms + second * 1000))
        return self._last_ts

    def _place(self, event_type: str, playhead: float) -> dict[str, Any] | None:
        """Return the params of a break or chapter at `playhead`, and each with an index of its own; None of others."""
        if event_type not in ("adBreakStart", "chapterStart"):
            return None
        self._indexes[event_type] = self._indexes.get(event_type, -1) + 1
        places = {"media.ad.podIndex": 0, "media.ad.podSecond": playhead}
        if event_type == "chapterStart":
            places = {"media.chapter.index": 1, "media.chapter.offset": playhead}
        index = next(iter(places))
        return PARAMS[event_type] | places | {index: places[index] + self._indexes[event_type]}

    def _move(self, second: float, event_type: str) -> float:
        """Return the playhead at a second: it goes with the clock while main content plays."""
        if self._playing and not self._in_ad:
            self._playhead += max(0.0, second - self._second)
        self._second = second
        self._playing = {"play": True, "pauseStart": False, "bufferStart": False}.get(event_type, self._playing)
        self._in_ad = {"adBreakStart": True, "adBreakComplete": False}.get(event_type, self._in_ad)
        return round(self._playhead, 3)


_LAST = {Call.SESSION: "sessions", Call.DOWNLOADED: "downloaded"}


def of_bodies(bodies: Iterable[dict[str, Any]]) -> list[Exchange]:
    """The exchanges of a session with these bodies, each answered as documented."""
    timeline = Timeline()
    for number, body in enumerate(bodies):
        arrived = body["playerTime"]["ts"] + 3
        if number:
            timeline.raw(body, arrived_ms=arrived)
        else:
            timeline.raw(body, Call.SESSION, status=201, arrived_ms=arrived, location=location_of("s1"))
    return timeline.exchanges


def entries(exchanges: Iterable[Exchange], recording: str = "recording.jsonl") -> Iterator[Entry]:
    """The entries of a recording that holds these exchanges."""
    return (Entry(line, exchange, recording) for line, exchange in enumerate(exchanges, start=1))


def run(exchanges: Iterable[Exchange], settings: AuditSettings | None = None, **more: Any) -> list[SessionResult]:
    """The results for a recording of these exchanges."""
    return list(audit(entries(exchanges), settings, **more))


def rules_of(results: Iterable[SessionResult]) -> list[str]:
    """The ids of all findings."""
    return [finding.rule for result in results for finding in result.findings]


def mix(*counts: Timeline) -> list[Exchange]:
    """The exchanges of several sessions in the order in which a recording has them."""
    everything = [exchange for timeline in counts for exchange in timeline.exchanges]
    return sorted(everything, key=lambda exchange: exchange.started)
