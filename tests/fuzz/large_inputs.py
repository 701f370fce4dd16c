"""Hostile shapes of any size: bodies of so many bytes, and recordings of so many exchanges.

Each is what makes some way of reading it take more than its share: nesting, repetition, a single thing without end.
"""

import gzip
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import orjson

from support.exchanges import event, start
from support.sessions import BEGIN_MS, CHAPTER, START, ad, body_of, make_exchange
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.messages import Response
from tapehead.protocol.routes import Call, location_of
from tapehead.protocol.schemas import build_schema

Shape = Callable[[int], bytes]

# ---- Bodies ----


def _fill(before: bytes, piece: bytes, after: bytes) -> Shape:
    """As many pieces as fit between a beginning and an end."""
    return lambda size: before + piece * ((size - len(before) - len(after)) // len(piece)) + after


def _count(before: bytes, piece: str, after: bytes) -> Shape:
    """The same with pieces that are numbered."""

    def make(size: int) -> bytes:
        length = len(piece.format(10_000_000))
        return before + "".join(map(piece.format, range((size - len(before)) // length))).encode() + after

    return make


def _nested(opening: bytes, closing: bytes) -> Shape:
    return lambda size: (
        opening * (size // (len(opening) + len(closing))) + b"1" + closing * (size // (len(opening) + len(closing)))
    )


_EVENT = orjson.dumps(event("ping"))[:-1] + b',"params":'
_STATES = orjson.dumps(event("statesUpdate"))[:-1] + b',"params":{"statesStart":['
_SESSION = orjson.dumps(start())[:-2]
_IDS = _SESSION + b',"visitor.customerIDs":{'

BODIES: dict[str, Shape] = {
    "arrays in arrays": _nested(b"[", b"]"),
    "arrays never closed": _fill(b"", b"[", b""),
    "objects in objects": _nested(b'{"a":', b"}"),
    "a thousand levels, again and again": _fill(_EVENT + b'{"a":[', b"[" * 1000 + b"]" * 1000 + b",", b"1]}}"),
    "a thousand levels, then a million values": _fill(
        _EVENT + b'{"a":' + b"[" * 1000, b"1,", b"1" + b"]" * 1000 + b"}}"
    ),
    "one string": _fill(b'{"eventType":"', b"a", b'"}'),
    "one string of escapes": _fill(b'{"eventType":"', rb"\u0041", b'"}'),
    "one string of backslashes": _fill(b'{"eventType":"', rb"\\", b'"}'),
    "backslashes, never closed": _fill(b'{"analytics.visitorId":"', rb"\\", b""),
    "quotes": _fill(b'{"analytics.visitorId":', b'"', b""),
    "escaped quotes": _fill(b'{"analytics.visitorId":', rb"\"", b""),
    "one number": _fill(b'{"playerTime":{"ts":', b"9", b"}}"),
    "one fraction": _fill(b'{"playerTime":{"ts":0.', b"1", b"}}"),
    "one key": _fill(_EVENT + b'{"', b"k", b'":1}}'),
    "one key above others": lambda size: _fill(
        _SESSION + b',"visitor.customerIDs":{"' + b"k" * (size // 2) + b'":{', b'"a":1,', b'"b":1}}}}'
    )(size),
    "one key twice and more": _fill(b"{", b'"a":1,', b'"a":1}'),
    "different keys": _count(_EVENT + b"{", '"k{}":1,', b'"a":1}}'),
    "different metadata": _count(_SESSION + b'},"customMetadata":{', '"k{}":1,', b'"a":1}}'),
    "numbers": _fill(b"[", b"1,", b"1]"),
    "objects": _fill(b"[", b"{},", b"{}]"),
    "objects with keys": _fill(b"[", b'{"a":{"b":"c"}},', b"{}]"),
    "strings": _fill(b"[", b'"\\u0041",', b'""]'),
    "states that are none": _fill(_STATES, b"1,", b"1]}}"),
    "states without a name": _fill(_STATES, b"{},", b"{}]}}"),
    "states": _count(_STATES, '{{"media.state.name":"s{}"}},', b"{}]}}"),
    "identifiers": _count(_IDS, '"n{0}":{{"id":"user{0}@example.com"}},', b'"":{"id":""}}}}'),
    "identifiers without digits": _fill(_SESSION + b',"analytics.visitorId":[', b'"jane",', b'"jane"]}}'),
    "one identifier": _fill(_SESSION + b',"analytics.visitorId":"1', b"a@", b'"}}'),
    "identifiers in text": _fill(_SESSION + b',"media.show":"', b"1234567 ", b'","analytics.visitorId":"1234567"}}'),
    "placeholders": _count(_SESSION + b",", '"k{}":"n/a",', b'"a":"<your"}}'),
    "half placeholders": _fill(_SESSION + b',"a":"', b"<your >", b'x"}}'),
    "events": _fill(
        b"[" + orjson.dumps(start()) + b",", orjson.dumps(event("ping")) + b",", orjson.dumps(event("ping")) + b"]"
    ),
    "events that are none": _fill(b'[{"params":{"media.downloaded":true}},', b"1,", b"1]"),
    "blanks": _fill(b"{", b" ", b"}"),
    "lines": _fill(b"{", b"\n", b"}"),
    "nothing": _fill(b"", b"\x00", b""),
    "beyond UTF-8": _fill(b"", b"\xff", b""),
}

# ---- Files of other tools ----

_HAR = b'{"log":{"entries":['
_CALL = b'{"startedDateTime":"2026-11-23T02:00:00Z","request":{"method":"POST","url":"https://x.hb-api.omtrdc.net/api/v1/sessions"'

HARS: dict[str, Shape] = {
    "empty entries": _fill(_HAR, b"{},", b"{}]}}"),
    "calls without anything": _fill(_HAR, _CALL + b"}},", b"{}]}}"),
    "headers of one call": _fill(_HAR + _CALL + b',"headers":[', b'{"name":"a"},', b"]}}]}}"),
    "one body": _fill(_HAR + _CALL + b',"postData":{"text":"', b"a", b'"}}}]}}'),
    "one header of lines": _fill(_HAR + _CALL + b',"headers":[{"name":"a","value":"', rb"\n", b'"}]}}]}}'),
    "halves of surrogate pairs": _fill(_HAR + _CALL + b',"postData":{"text":"', rb"\udc80", b'"}}}]}}'),
    "backslashes and a half": _fill(_HAR + _CALL + b',"postData":{"text":"', rb"\\", rb'\ud800"}}}]}}'),
    "nothing but backslashes": _fill(_HAR, rb"\\", b""),
    "arrays in arrays": _nested(b"[", b"]"),
    "arrays in an entry": _fill(_HAR, b"[", b""),
    "entries of one key": _fill(_HAR + b"{", b'"request":1,', b'"a":1}]}}'),
    "logs": _fill(b"{", b'"log":{},', b'"log":{"entries":[]}}'),
    "blanks": _fill(b"{", b" ", b"}"),
    "one URL": _fill(_HAR + b'{"request":{"method":"POST","url":"https://', b"x:", b'/api/v1/sessions"}}]}}'),
    "one time": _fill(_HAR + b'{"startedDateTime":"2026-11-23T02:00:00.', b"0", _CALL[41:] + b"}}]}}"),
    "one number": _fill(_HAR + b'{"time":', b"9", b',"request":{"method":"POST","url":""}}]}}'),
}
FLOW_FILES: dict[str, Shape] = {
    "flows of nothing": _fill(b"", b"0:}", b""),
    "values in one flow": lambda size: b"%d:%b]" % (size // 3 * 3, b"0:~" * (size // 3)),
    "lists in lists": lambda size: _wrapped(size // 8),
    "lengths below zero": lambda size: b"%d:%b}" % (size // 3 * 3, b"-1:" * (size // 3)),
    "a length without end": _fill(b"", b"9", b""),
    "digits in one flow": lambda size: b"%d:%b]" % (size, b"9" * size),
    "one number": lambda size: b"%d:7:version;%d:%b#}" % (size + 20 + len(str(size)) - 7, size, b"9" * size),
}


def _wrapped(times: int) -> bytes:
    """A list in a list, so many times."""
    heads, length = [], 0
    for _ in range(times):
        heads.append(b"%d:" % length)
        length += len(heads[-1]) + 1
    return b"".join(reversed(heads)) + b"]" * times


Packed = Callable[[int], tuple[str, bytes]]
PACKED: dict[str, Packed] = {
    "a gzip bomb": lambda size: ("gzip", gzip.compress(bytes(40 * size), mtime=0)),
    "gzip members": lambda size: ("gzip", gzip.compress(b"", mtime=0) * (size // 20)),
    "bombs in bombs": lambda size: ("gzip," * 5, _packed_again(bytes(size), 5)),
}


def _packed_again(content: bytes, times: int) -> bytes:
    for _ in range(times):
        content = gzip.compress(content, mtime=0)
    return content


# ---- Recordings ----

Rows = Iterable[tuple[str, float, float, dict[str, Any] | None]]


def _opened(sid: str, at_ms: float = 0, **params: Any) -> Exchange:
    """A sessionStart and its 201."""
    body = body_of("sessionStart", 0, BEGIN_MS + at_ms, START | {f"media.{key}": each for key, each in params.items()})
    arrived, location = BEGIN_MS + at_ms, location_of(sid)
    return make_exchange(
        "/api/v1/sessions", body, call=Call.SESSION, sid=sid, status=201, arrived_ms=arrived, location=location
    )


def _sent(sid: str, body: object, at_ms: float) -> Exchange:
    return make_exchange(f"/api/v1/sessions/{sid}/events", body, sid=sid, arrived_ms=BEGIN_MS + at_ms)


def _session(rows: Rows, sid: str = "s1") -> Iterator[Exchange]:
    """One session: of each event type, playhead, milliseconds since the start, and params."""
    yield _opened(sid)
    for event_type, playhead, at_ms, params in rows:
        yield _sent(sid, body_of(event_type, playhead, BEGIN_MS + at_ms, params), at_ms)


def _pings(count: int) -> Rows:
    return (("ping", number / 10, 100 * number, None) for number in range(count))


def _toggles(count: int) -> Rows:
    kinds = ("play", "pauseStart", "bufferStart")
    return ((kinds[number % 3], number / 10, 100 * number, None) for number in range(count))


def _ads(count: int) -> Rows:
    for number in range(count // 4):
        at = 400 * number
        yield "adBreakStart", number, at, None
        yield "adStart", number, at + 1, ad(1) | {"media.ad.id": f"ad-{number}"}
        yield "adComplete", number, at + 2, None
        yield "adBreakComplete", number, at + 3, None


def _chapters(count: int) -> Rows:
    for number in range(count // 2):
        yield "chapterStart", number, 200 * number, CHAPTER | {"media.chapter.index": number}
        yield "chapterComplete", number, 200 * number + 100, None


def _open_ads(count: int) -> Rows:
    return (("adStart", 0, 100 * number, ad(number)) for number in range(count))


def _states(count: int) -> Rows:
    names = ({"media.state.name": f"s{number}"} for number in range(count))
    return (("stateStart", 0, 100 * number, params) for number, params in enumerate(names))


def _some_states(count: int) -> Rows:
    chance = random.Random(1)
    for number in range(count):
        kind = chance.choice(("stateStart", "stateEnd"))
        yield kind, 0, 100 * number, {"media.state.name": f"s{chance.randrange(200)}"}


def _one_moment(count: int) -> Rows:
    return (("pauseStart", number, 0, {"x": number}) for number in range(count))


def _one_body(count: int) -> Rows:
    return (("play", 0, 5, None) for _ in range(count))


def _jumps(count: int) -> Rows:
    chance = random.Random(1)
    yield "play", 0, 0, None
    for number in range(count):
        yield "ping", chance.randrange(10**9), 10 * number, None


def _backwards(count: int) -> Rows:
    return (("ping", 0, (count - number) * 100, None) for number in range(count))


def _errors(count: int) -> Rows:
    return (
        ("error", 0, 100 * number, {"media.errorId": f"e{number}", "media.errorSource": "player"})
        for number in range(count)
    )


def _of_rows(rows: Callable[[int], Rows]) -> Callable[[int], Iterable[Exchange]]:
    return lambda count: _session(rows(count))


def _sessions(count: int, **params: Any) -> Iterator[Exchange]:
    """Sessions one after the other, of one content or of as many as there are sessions, opened and left alone."""
    for number in range(count):
        yield _opened(f"s{number}", 1000 * number, **{key: each.format(number) for key, each in params.items()})


def _one_id(count: int) -> Iterator[Exchange]:
    """One id that is issued again and again, and events for it from before all that."""
    for number in range(count // 2):
        yield _opened("s1", 1000 + number)
        yield _sent("s1", body_of("play", 0, BEGIN_MS + number), number / count)


def _array(count: int) -> Iterator[Exchange]:
    bodies = [start(), *(event("ping", number, number) for number in range(count - 1))]
    yield make_exchange("/api/v1/downloaded", bodies, call=Call.DOWNLOADED, sid=None, status=201)


def _arrays(count: int) -> Iterator[Exchange]:
    for number in range(count):
        body = [body_of("sessionStart", 0, BEGIN_MS, START | {"media.id": f"clip-{number}"})]
        yield make_exchange("/api/v1/downloaded", body, call=Call.DOWNLOADED, sid=None, status=201)


def _schemas(count: int) -> Iterator[Exchange]:
    """Schemas that an endpoint served again and again, between events."""
    served = Response(status=200, headers=[]).with_content(orjson.dumps(build_schema("play")))
    for number in range(count // 2):
        yield msgspec.structs.replace(
            make_exchange("/api/v1/schemas/play", b"", call=Call.SCHEMA, sid=None, arrived_ms=BEGIN_MS + number),
            response=served,
        )
        yield _sent("s1", body_of("play", 0, BEGIN_MS + number), number)


def _strangers(count: int) -> Iterator[Exchange]:
    """Events for sessions that nobody opened."""
    return (_sent(f"s{number}", body_of("play", 0, BEGIN_MS + number), number) for number in range(count))


def _faulty(count: int) -> Iterator[Exchange]:
    """Bodies with findings in all of them."""
    return (
        _sent("s1", {"eventType": "pley", "playerTime": {}, "params": {"x": number}}, number) for number in range(count)
    )


RECORDINGS: dict[str, Callable[[int], Iterable[Exchange]]] = {
    "pings": _of_rows(_pings),
    "plays, pauses, buffers": _of_rows(_toggles),
    "ads": _of_rows(_ads),
    "ads never closed": _of_rows(_open_ads),
    "chapters": _of_rows(_chapters),
    "states": _of_rows(_states),
    "states on and off": _of_rows(_some_states),
    "one moment": _of_rows(_one_moment),
    "one body": _of_rows(_one_body),
    "jumps": _of_rows(_jumps),
    "backwards": _of_rows(_backwards),
    "errors": _of_rows(_errors),
    "sessions of one content": _sessions,
    "sessions of many contents": lambda count: _sessions(count, id="clip-{}"),
    "sessions of one content by many names": lambda count: _sessions(count, name="Name {}"),
    "one id": _one_id,
    "one array": _array,
    "arrays": _arrays,
    "schemas": _schemas,
    "sessions that nobody opened": _strangers,
    "findings": _faulty,
}


def entries_of(name: str, count: int) -> list[Entry]:
    """The entries of a recording of that shape."""
    return [Entry(line, exchange) for line, exchange in enumerate(RECORDINGS[name](count), start=1)]
