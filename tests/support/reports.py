"""Recordings for the tests of reports: a few sessions as players have them, one of them faulty, one of them long."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from support.timelines import TIMELINES
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.demo.timelines import bodies
from tapehead.protocol.exchange import FORMAT_VERSION, Entry, Exchange, encode
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import CORS_HEADERS, Call, location_of
from tapehead.reports.audit.json_report import Report, build_report, session_of

HOST = "https://example.hb-api.omtrdc.net"
BEGAN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
BEGAN_MS = round(BEGAN.timestamp() * 1000)
SCRIPT = "<script>alert(1)</script>"

Body = dict[str, Any]

START: dict[str, Any] = {
    "analytics.trackingServer": "example.sc.omtrdc.net",
    "analytics.reportSuite": "example-rsid",
    "visitor.marketingCloudOrgId": "0123456789ABCDEF01234567@AdobeOrg",
    "visitor.marketingCloudUserId": "12345678901234567890123456789012345678",
    "media.id": "clip-1",
    "media.name": "First clip",
    "media.length": 3600,
    "media.contentType": "VOD",
    "media.playerName": "web-player",
    "media.channel": "one",
}


def event(at: float, event_type: str, playhead: float = 0, params: object = None, **more: object) -> Body:
    """An event's body, `at` seconds after the session began."""
    body = {"eventType": event_type, "playerTime": {"playhead": playhead, "ts": BEGAN_MS + round(at * 1000)}}
    return body | ({} if params is None else {"params": params}) | more


def exchange(sid: str, body: Body | bytes, at: float, status: int = 204, *, began: float = 0) -> Exchange:
    """An exchange as recorded, `at` seconds after its session began, which was `began` seconds after all began."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    opens = isinstance(body, dict) and body["eventType"] == "sessionStart"
    path = "/api/v1/sessions" if opens else f"/api/v1/sessions/{sid}/events"
    headers = [("Location", location_of(sid))] if opens and status == 201 else []
    arrived = BEGAN + timedelta(seconds=began + at + 0.02)
    request = Request(method="POST", url=HOST + path, headers=[("Content-Type", "application/json")])
    return Exchange(
        tapehead=FORMAT_VERSION,
        started=arrived.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        elapsed_ms=24.5,
        call=Call.SESSION if opens else Call.EVENT,
        session=sid if not opens or headers else None,
        request=request.with_content(content),
        response=Response(status=status, reason="", headers=[*headers, *CORS_HEADERS]),
        findings=[],
    )


def session(sid: str, events: Iterable[Body], began: float = 0) -> Iterator[Exchange]:
    """A session of these events, each answered as documented."""
    for body in events:
        at = (body["playerTime"]["ts"] - BEGAN_MS) / 1000
        body["playerTime"]["ts"] += round(began * 1000)
        yield exchange(sid, body, at, 201 if body["eventType"] == "sessionStart" else 204, began=began)


def documented(number: int, sid: str) -> Iterator[Exchange]:
    """A documented timeline, mended."""
    return session(sid, bodies(TIMELINES[number], BEGAN_MS))


def long_film(sid: str, minutes: int = 60) -> Iterator[Exchange]:
    """A film with a ping every ten seconds, a break in the middle, player states and changes of the bitrate."""
    start = START | {"media.id": "film-9", "media.name": "The Long Night", "media.length": minutes * 60}
    half, end = minutes * 30, minutes * 60
    events = [event(0, "sessionStart", 0, start), event(1, "play", 0)]
    events += [event(11 + 10 * n, "ping", 10 + 10 * n) for n in range(half // 10 - 1)]
    events += [
        event(half + 1, "adBreakStart", half, {"media.ad.podIndex": 1, "media.ad.podSecond": half}),
        event(half + 1.001, "adStart", half, _ad("car-7", "Car", 30)),
        *(event(half + 11 + 10 * n, "ping", half) for n in range(2)),
        event(half + 31, "adComplete", half),
        event(half + 31.001, "adBreakComplete", half),
    ]
    events += [event(half + 41 + 10 * n, "ping", half + 10 + 10 * n) for n in range(half // 10 - 2)]
    events += [
        event(95, "stateStart", 94, {"media.state.name": "fullScreen"}),
        event(875, "stateEnd", 874, {"media.state.name": "fullScreen"}),
        event(605, "bitrateChange", 604, qoeData={"media.qoe.bitrate": 4_200_000}),
        event(1205, "stateStart", 1204, {"media.state.name": "mute"}),
        event(1264, "stateEnd", 1263, {"media.state.name": "mute"}),
        event(end + 31, "sessionComplete", end),
    ]
    events.sort(key=lambda body: body["playerTime"]["ts"])
    return session(sid, events, began=120)


def _ad(ad_id: str, name: str, length: float) -> dict[str, Any]:
    return {
        "media.ad.id": ad_id,
        "media.ad.name": name,
        "media.ad.length": length,
        "media.ad.podPosition": 1,
        "media.ad.playerName": "web-player",
    }


def faulty(sid: str) -> list[Exchange]:
    """A session with slips of many kinds, and with a name and values that a page must not run."""
    start = START | {"media.name": SCRIPT, "media.id": 'x"><img src=x onerror=alert(2)>', "media.length": "600"}
    chapter = {"media.chapter.index": 1, "media.chapter.offset": 12, "media.chapter.length": 20}
    events = [
        event(0, "sessionStart", 0, start),
        event(0.5, "adStart", 0, _ad("ad-1", "</title></svg><script>alert(3)</script>", 8)),
        event(8.5, "adComplete", 0),
        event(9, "play", 0, {"media.playhead": 3}),
        event(19, "ping", 10),
        event(21, "chapterStart", 12, chapter | {"media.chapter.friendlyName": "</script><b>One"}),
        event(29, "bufferStart", 20),
        event(33, "play", 20),
        event(48, "ping", 35),
        event(49, "pauseStart", 36),
        event(59, "ping", 36),
        event(61, "play", 36),
        event(63, "adBreakStart", 38, {"media.ad.podIndex": 1, "media.ad.podSecond": 38}),
        event(63.2, "adStart", 38, _ad("ad-2", "Soap", 10)),
        event(70, "sessionEnd", 38),
        event(75, "ping", 43),
    ]
    made = list(session(sid, events, began=60))
    made.insert(5, exchange(sid, b'{"eventType": "ping", "playerTime"', 15, 400, began=60))
    made[-1] = exchange(sid, events[-1], 75, 410, began=60)
    return made


def write(path: Path, *sessions: Iterable[Exchange]) -> Path:
    """A recording of some sessions, in the order in which their exchanges happened."""
    exchanges = sorted((each for one in sessions for each in one), key=lambda each: each.started)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(encode, exchanges)))
    return path


def all_in(folder: Path) -> list[Path]:
    """Two recordings with five sessions: the three documented ones, a faulty one and a long one."""
    return [
        write(folder / "documented.jsonl", *(documented(number, f"documented-{number}") for number in TIMELINES)),
        write(folder / "field.jsonl", faulty("faulty-session"), long_film("long-session")),
    ]


def results_of(*sessions: Iterable[Exchange], recording: str = "recording.jsonl") -> list[SessionResult]:
    """The audit of sessions that one recording holds."""
    exchanges = sorted((each for one in sessions for each in one), key=lambda each: each.started)
    entries = (Entry(line, each, recording) for line, each in enumerate(exchanges, start=1))
    return list(audit(entries))


def report_of(*sessions: Iterable[Exchange]) -> Report:
    """The report on sessions that one recording holds."""
    return build_report(map(session_of, results_of(*sessions)))
