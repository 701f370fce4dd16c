"""Direct answers: what players get, and what captures and observers see, is as over ASGI."""

import asyncio
import base64
import re
from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.in_process_server import Line, converse, protocol_of, settle
from tapehead.answers import Answer, Arrival
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import find_route
from tapehead.server import direct_protocol
from tapehead.server.asgi import App, Protocol
from tapehead.server.direct_protocol import DirectProtocol
from tapehead.server.forwarding import ForwardingError

PATHS = ["/api/v1/sessions", "/api/v1/sessions/abc/events", "/k/red/api/v1/sessions", "/", "//", "/a%20b?tapehead=x"]
STRANGE_PATHS = ["http://a/b?c", "/a?", "/a#b", "/a?b?c#d", "*", "/a\\b", '/"', "/a|b", "/é"]
HEADERS = [
    b"Content-Type: application/json",
    b"X-Tapehead-Key: red",
    b"x-tapehead-KEY:  blue ",
    b"Access-Control-Request-Headers: x-tapehead-key, content-type",
    b"Access-Control-Request-Private-Network: true",
    b"Cookie: a=\xe9; b=2",
    b"X-Empty:",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Expect: 100-continue",
    b"Upgrade: h2c",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c",
    b"Content-Encoding: gzip",
    b"Content-Encoding: identity",
]
BODIES = [b"", b"{}", b'{"eventType":"ping"}', b" {}", b"{\n}", b"\xff\x00", b"[1", b"x" * 300, b"0"]
MALFORMED = [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\x00"]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    method = draw(st.sampled_from(["POST"] * 5 + ["GET", "OPTIONS", "HEAD", "PUT", "DELETE"]))
    target = draw(st.sampled_from(PATHS * 3 + STRANGE_PATHS)).encode()
    version = draw(st.sampled_from(["1.1"] * 9 + ["1.0"])).encode()
    lines = [b"%s %s HTTP/%s" % (method.encode(), target, version)]
    lines += draw(st.sampled_from([[b"Host: tv.example"], [b"hOST: tv.example:80"], [], [b"Host: a", b"Host: b"]]))
    lines += draw(st.lists(st.sampled_from(HEADERS), max_size=3))
    body = draw(st.sampled_from(BODIES))
    if body and draw(st.booleans()):
        cut = draw(st.integers(0, len(body)))
        chunks = [chunk for chunk in (body[:cut], body[cut:], b"") if chunk or chunk is body]
        lines.append(b"Transfer-Encoding: chunked")
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    elif body or draw(st.booleans()):
        lines.insert(draw(st.integers(1, len(lines))), b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


HEADER_LISTS: list[list[tuple[str, str]]] = [
    [],
    [("Date", "Mon, 30 Nov 2026 12:00:00 GMT"), ("Access-Control-Allow-Origin", "*")],
    [("Location", "/api/v1/sessions/1")],
    [("X-Split", "a\r\nb: c"), ("bad name", "x"), ("é", "é"), ("X-Wide", "\u20ac")],
    [("Content-Length", "99"), ("Transfer-Encoding", "chunked"), ("Connection", "close"), ("Keep-Alive", "x")],
    [("Content-Encoding", "gzip"), ("Content-Type", "application/json")],
    [("Content-Encoding", "unknown"), ("Set-Cookie", "a"), ("Set-Cookie", "b")],
]
RESPONSES: st.SearchStrategy[Response] = st.builds(
    Response,
    status=st.sampled_from([204, 204, 201, 200, 304, 404, 500, 599, 100, 999, 0]),
    headers=st.sampled_from(HEADER_LISTS),
    body=st.just(msgspec.Raw()),
    text=st.sampled_from([None, "", "text", "é\n"]),
    base64=st.none(),
) | st.builds(
    Response,
    status=st.sampled_from([200, 204]),
    headers=st.sampled_from(HEADER_LISTS),
    base64=st.sampled_from([base64.b64encode(b"\x00\xff").decode(), "not base64"]),
)
ANSWERS: st.SearchStrategy[Answer] = st.builds(
    Answer,
    response=RESPONSES | RESPONSES | st.none(),
    delay_ms=st.sampled_from([0, 0, 0, 0.01]),
    cut=st.sampled_from([False, False, False, True]),
    forward=st.sampled_from([False, False, False, True]),
)
FAILURE = "raise"


class Listed:
    """An engine that gives answers in turn, or fails where they say so."""

    def __init__(self, answers: list[Answer | str]) -> None:
        self._answers = answers
        self._count = 0

    def answer(self, request: Request, now: float) -> Answer:
        answer = self._answers[self._count % len(self._answers)]
        self._count += 1
        if isinstance(answer, str):
            raise KeyError(answer)
        return answer


class Seen:
    """A capture and an observer that keep what they see; storing a call may take time, or fail."""

    def __init__(self, ways: list[str]) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._ways = ways
        self._count = 0

    def begin(self) -> Arrival:
        self._count += 1
        return Arrival(self._count, 0.0, 0.0)

    def hold(self, arrival: Arrival, request: Request, key: str) -> None:
        self.calls.append(("hold", arrival.number, request, key))

    def add(
        self, arrival: Arrival, request: Request, answer: Answer | None, *, has_left: bool = False
    ) -> Awaitable[None] | None:
        self.calls.append(("add", arrival.number, request, undated(answer), has_left))
        way = self._ways[arrival.number % len(self._ways)]
        if way == FAILURE:
            raise OSError("planted")
        return self._store(way) if way else None

    async def _store(self, way: str) -> None:
        await asyncio.sleep(0)
        if way == "fail later":
            raise OSError("planted")

    def observe(self, request: Request, answer: Answer, _now: float) -> None:
        self.calls.append(("observe", request, undated(answer)))


def undated(answer: Answer | None) -> Answer | None:
    """An answer without the time in it."""
    if answer is None or answer.response is None:
        return answer
    headers = [(name, "" if name == "Date" else value) for name, value in answer.response.headers]
    return msgspec.structs.replace(answer, response=answer.response.with_headers(headers))


async def forward(request: Request) -> Response:
    await asyncio.sleep(0)
    if request.method == "GET":
        raise ForwardingError("planted", 504)
    if request.method == "OPTIONS":
        raise KeyError("planted")
    return Response(status=200, headers=[("X-From", "elsewhere")], text="forwarded")


def run(
    kind: type[Protocol], pieces: list[bytes], answers: list[Answer | str], ways: list[str] | None, *, forwards: bool
) -> tuple[bytes, list[tuple[Any, ...]], int]:
    errors, seen = InternalErrors(report=lambda _line: None), Seen(ways or [""])
    app = App(Listed(answers), errors, [seen.observe], None if ways is None else seen, forward if forwards else None)
    sent = asyncio.run(converse(kind, app, pieces))
    return re.sub(rb"(?i)date: [^\r]*", b"date: now", sent), seen.calls, errors.count


@pytest.mark.filterwarnings("ignore:coroutine")
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_bytes_captured_calls_and_observers_are_those_of_the_application(data: st.DataObject) -> None:
    stream = data.draw(st.lists(requests(), min_size=1, max_size=4))
    if data.draw(st.booleans(), label="again"):
        stream += stream
    whole = b"".join(stream)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=3) | st.just([]), label="cuts")
    ends = sorted({*cuts, len(whole)} | (set() if data.draw(st.booleans(), label="pipelined") else ends_of(stream)))
    if data.draw(st.booleans(), label="heads alone"):
        ends = sorted({*ends, *heads_of(stream)})
    pieces = [whole[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]
    if data.draw(st.booleans(), label="ends badly"):
        pieces.append(data.draw(st.sampled_from(MALFORMED)))
    answers = data.draw(st.lists(ANSWERS | st.just(FAILURE), min_size=1, max_size=4), label="answers")
    ways = data.draw(st.none() | st.lists(st.sampled_from(["", "", "wait", "fail later", FAILURE]), min_size=1))
    forwards = data.draw(st.booleans(), label="forwards")

    direct = run(DirectProtocol, pieces, answers, ways, forwards=forwards)
    assert direct == run(Protocol, pieces, answers, ways, forwards=forwards)


def ends_of(stream: list[bytes]) -> set[int]:
    """Where each request ends."""
    return {sum(map(len, stream[: nth + 1])) for nth in range(len(stream))}


def heads_of(stream: list[bytes]) -> set[int]:
    """Where the head of each request ends."""
    begins = [0, *sorted(ends_of(stream))]
    return {begin + each.index(b"\r\n\r\n") + 4 for begin, each in zip(begins, stream, strict=False)}


HEAD = b"POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"


def test_a_body_in_a_piece_of_its_own_is_answered_before_anything_else_runs() -> None:
    """So is the next request with the same headers, in one piece."""

    async def answer() -> list[int]:
        app = App(Listed([Answer(response=Response(status=204, headers=[]))]), InternalErrors())
        protocol, line = protocol_of(DirectProtocol, app), Line()
        line.attach(protocol)
        sent = []
        for piece in (HEAD, b"{}", HEAD, b"{}", HEAD + b"{}"):
            protocol.data_received(piece)
            sent.append(line.sent.count(b"204 No Content"))
        protocol._unset_keepalive_if_required()
        return sent

    assert asyncio.run(answer()) == [0, 1, 1, 2, 3]
    assert HEAD[HEAD.index(b"Host") : -4] in direct_protocol._HEADS


@pytest.mark.parametrize("pieces", [[HEAD], [HEAD, b"{"], [HEAD, b"{", b"}"], [HEAD, b"{}" + HEAD]])
def test_a_body_that_comes_in_part_is_captured_as_by_the_application(pieces: list[bytes]) -> None:
    """With the number of its arrival, also where the player leaves before it is complete."""
    answers: list[Answer | str] = [Answer(response=Response(status=204, headers=[]))]
    direct = run(DirectProtocol, pieces, answers, [""], forwards=False)

    assert direct[1]
    assert direct == run(Protocol, pieces, answers, [""], forwards=False)


@pytest.mark.parametrize("kind", [DirectProtocol, Protocol])
def test_a_server_that_stops_answers_a_request_whose_body_is_on_its_way(kind: type[Protocol]) -> None:
    async def answer() -> tuple[bool, bytes, bool]:
        app = App(Listed([Answer(response=Response(status=204, headers=[]))]), InternalErrors())
        protocol, line = protocol_of(kind, app), Line()
        line.attach(protocol)
        protocol.data_received(HEAD)
        protocol.shutdown()
        was_open = not line.is_closing()
        protocol.data_received(b"{}")
        await settle(protocol)
        protocol._unset_keepalive_if_required()
        return was_open, line.sent.partition(b"\r\n")[0], line.is_closing()

    assert asyncio.run(answer()) == (True, b"HTTP/1.1 204 No Content", True)


@pytest.mark.parametrize("kind", [DirectProtocol, Protocol])
def test_a_connection_that_is_dropped_with_another_request_behind_it_ends(kind: type[Protocol]) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    sent, _, errors = run(kind, [request * 2], [Answer(response=None)], None, forwards=False)

    assert (sent, errors) == (b"", 0)


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
def test_a_plain_request_is_answered_before_anything_else_runs(method: str) -> None:
    async def answer() -> bytes:
        app = App(Listed([Answer(response=Response(status=204, headers=[]))]), InternalErrors())
        protocol, line = protocol_of(DirectProtocol, app), Line()
        line.attach(protocol)
        protocol.data_received(f"{method} {PATHS[1]} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        protocol._unset_keepalive_if_required()
        return line.sent

    assert asyncio.run(answer()) == b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize("kind", [DirectProtocol, Protocol])
def test_headers_that_came_before_are_not_parsed_again(kind: type[Protocol]) -> None:
    """What they are is as with the parser, for another method, path and body, too."""
    first = b"POST /api/v1/sessions HTTP/1.1\r\nHost: tv.example\r\nContent-Length: 2\r\n\r\n{}"
    second = b"OPTIONS /other?a=1 HTTP/1.1\r\nHost: tv.example\r\nContent-Length: 2\r\n\r\n[]"

    async def answer() -> list[tuple[str, str, bytes]]:
        engine = Echo()
        protocol, line = protocol_of(kind, App(engine, InternalErrors())), Line()
        line.attach(protocol)
        for data in (first, second, second):
            if kind is DirectProtocol and data is not first:
                protocol.parser = None  # type: ignore[assignment]
            protocol.data_received(data)
            await settle(protocol)
        protocol._unset_keepalive_if_required()
        return [(each.method, each.url, each.content()) for each in engine.requests]

    assert asyncio.run(answer()) == [
        ("POST", "http://tv.example/api/v1/sessions", b"{}"),
        *[("OPTIONS", "http://tv.example/other?a=1", b"[]")] * 2,
    ]


@pytest.mark.parametrize("kind", [DirectProtocol, Protocol])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        # The rest of a header's line is on its way; without its last byte, this would be a whole request.
        (b"Host: tv\r\nContent-Length: 52", b"Host: tv\r\nContent-Length: 52,"),
        # With a host like that, the path alone does not tell the route.
        (b"Host: tv/api/v1/sessions\r\nContent-Length: 2", b"Host: tv/api/v1/sessions\r\nContent-Length: 2"),
        # This host looks like the key of a test.
        (b"Host: k\r\nContent-Length: 2", b"Host: k\r\nContent-Length: 2"),
        (b"Host: tapehead\r\nContent-Length: 2", b"Host: tapehead\r\nContent-Length: 2"),
    ],
)
def test_requests_with_heads_like_earlier_ones_are_read_as_by_the_parser(
    kind: type[Protocol], first: bytes, second: bytes
) -> None:
    engine = Echo()
    line, body = b"POST /s1/events HTTP/1.1\r\n", b"x" * int(first.rpartition(b" ")[2])
    whole = line + first + b"\r\n\r\n" + body
    pieces = [whole, whole if first == second else line + second]
    asyncio.run(converse(kind, App(engine, InternalErrors()), pieces))

    assert [each.content() for each in engine.requests] == [body] * (1 + (first == second))
    assert len({each.url for each in engine.requests}) == 1
    assert {each.route for each in engine.requests} == {find_route(engine.requests[0].path)}


@pytest.mark.parametrize("kind", [DirectProtocol, Protocol])
@pytest.mark.parametrize("target", ["/k/red/api/v1/sessions", "/api/v1/sessions?tapehead=red"])
def test_a_key_is_taken_out_of_a_request_whose_headers_are_known(kind: type[Protocol], target: str) -> None:
    engine = Echo()
    requests = [
        f"POST {each} HTTP/1.1\r\nHost: tv\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        for each in ("/api/v1/sessions", target, target)
    ]
    asyncio.run(converse(kind, App(engine, InternalErrors()), requests))

    assert [each.url for each in engine.requests] == ["http://tv/api/v1/sessions"] * 3


def test_headers_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_protocol, "MOST_HEADS", 3)
    monkeypatch.setattr(direct_protocol, "MOST_LINES", 3)
    monkeypatch.setattr(direct_protocol, "MOST_REQUEST_LINES", 3)
    requests = [b"GET /%d HTTP/1.1\r\nHost: h%d\r\n\r\n" % (number, number) for number in range(10)]
    answers: list[Answer | str] = [
        Answer(response=Response(status=204, headers=[("X-Number", str(number))])) for number in range(10)
    ]
    for kept in (direct_protocol._HEADS, direct_protocol._LINES, direct_protocol._REQUEST_LINES):
        kept.clear()
    twice = [request for request in requests for _ in range(2)]
    sent, _, _ = run(DirectProtocol, twice, answers, None, forwards=False)

    assert [sent.count(b"x-number: %d" % number) for number in range(10)] == [2] * 10
    assert all(0 < len(kept) <= 3 for kept in (direct_protocol._HEADS, direct_protocol._LINES))
    assert 0 < len(direct_protocol._REQUEST_LINES) <= 3


def test_a_connection_is_closed_some_seconds_after_its_last_request_of_many() -> None:
    """The timer of the first goes on."""

    async def closes() -> tuple[bool, bool]:
        app = App(Listed([Answer(response=Response(status=204, headers=[]))]), InternalErrors())
        protocol, line = protocol_of(DirectProtocol, app), Line()
        protocol.timeout_keep_alive = 0
        line.attach(protocol)
        for _ in range(3):
            protocol.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        protocol.timeout_keep_alive = 3600
        protocol.timeout_keep_alive_handler()
        was_open, first = not line.is_closing(), protocol.timeout_keep_alive_task
        protocol.timeout_keep_alive = 0
        while protocol.loop.time() <= protocol._idle_since:
            await asyncio.sleep(0)
        protocol.timeout_keep_alive_handler()
        if first:
            first.cancel()
        return was_open, line.is_closing()

    assert asyncio.run(closes()) == (True, True)


class Echo:
    """An engine that keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def answer(self, request: Request, now: float) -> Answer:
        self.requests.append(request)
        return Answer(response=Response(status=204, headers=[]))
