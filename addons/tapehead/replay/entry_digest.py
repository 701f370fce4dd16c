"""Digests of recorded exchanges: what an index needs of each, so that the exchange itself can stay in its file."""

import math
from typing import Any, Protocol

import msgspec
import orjson

from tapehead.protocol.events import EventKey, first_event, read_event
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.hosts import authority_of
from tapehead.protocol.keys import EVENT_TYPE, PLAYER_TIME, PLAYHEAD, TS
from tapehead.protocol.messages import Response
from tapehead.protocol.routes import SESSION_CREATED, Call, Route, find_route

_LOCATION = "location"
_WITH_CONTENT = (Call.SESSION, Call.DOWNLOADED)
# Most readers of JSON hold no larger number.
_LARGEST = 2**63
# The URLs whose hosts are known: those of players at the same time.
_MOST_URLS = 10_000


class StoredExchanges(Protocol):
    """A recording whose exchanges are read when they are needed."""

    def read(self, line: int) -> Exchange:
        """Return the exchange in a line.

        Raises:
            RecordingError: it cannot be read, or is another one than when the recording was loaded.
        """
        ...


class CallDetails(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The fields that an index needs of calls that are no plain events, besides what it needs of all.

    Attributes:
        identity: the identity of the first event in the body of a call that opens a session or has a whole one.
        is_array: whether the body is an array.
        route: the route of a call outside of sessions.
        named_host: the host that its Location names; empty if it names none.
        has_response: whether there is a response.
        is_bare: whether that accepts a session, without any header, which exporters drop.
        replaces: as in the exchange.
    """

    identity: tuple[object, ...] = ()
    is_array: bool = False
    route: Route | None = None
    named_host: str = ""
    has_response: bool = False
    is_bare: bool = False
    replaces: str | None = None


# Those of a plain event.
NO_DETAILS = CallDetails()


class EntryDigest(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The fields that an index needs of a recorded exchange.

    Attributes:
        line: the number of its line.
        held: the exchange, or the recording that has it.
        call, session, started, order, source: as in the exchange.
        host: the host that it went to, as `authority_of` gives it.
        key: the key of the event in its body.
        playhead: its playhead, in seconds; None if it is unknown.
        ts: its ts, milliseconds since 1970; likewise.
        details: more of it, unless it is an event of a session with no Location.
    """

    line: int
    held: Exchange | StoredExchanges
    call: Call
    session: str | None
    started: str
    order: int | None
    source: str
    host: str
    key: EventKey
    playhead: float | None
    ts: int | None
    details: CallDetails = NO_DETAILS


class EntryDigester:
    """A maker of digests that share what is equal, since an index may hold millions of them."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        # Of events that no parameter names, by their type.
        self._keys: dict[str, EventKey] = {}
        # By URL: those of the latest calls.
        self._hosts: dict[str, str] = {}

    def digest(self, entry: Entry, held: Exchange | StoredExchanges) -> EntryDigest:
        """Return the digest of an entry; `held` is its exchange, or the recording that it can be read from again."""
        line, exchange, _ = entry
        call, session, response, texts = exchange.call, exchange.session, exchange.response, self._texts
        url, source = exchange.request.url, exchange.source
        body = parse_body_of(exchange)
        key = playhead = ts = None
        # An event of a known type with plain numbers, as most are, is read without an `Event`.
        if type(body) is dict and type(time := body.get(PLAYER_TIME)) is dict:
            playhead, ts = time.get(PLAYHEAD), time.get(TS)
            is_plain = type(playhead) is int or (type(playhead) is float and math.isfinite(playhead))
            if is_plain and type(ts) is int and -_LARGEST < ts < _LARGEST and type(body.get(EVENT_TYPE)) is str:
                key = self._keys.get(body[EVENT_TYPE])
        if key is None:
            key, playhead, ts = self._read(body)
        named = location_of(response)
        needs_details = call is not Call.EVENT or session is None or named
        return EntryDigest(
            line,
            held,
            call,
            session if session is None else texts.setdefault(session, session),
            exchange.started,
            exchange.order,
            texts.setdefault(source, source),
            self._hosts.get(url) or self._host_of(url),
            key,
            playhead,
            ts,
            _details_of(exchange, body, named) if needs_details else NO_DETAILS,
        )

    def _host_of(self, url: str) -> str:
        if len(self._hosts) >= _MOST_URLS:
            self._hosts.clear()
        host = authority_of(url)
        host = self._hosts[url] = self._texts.setdefault(host, host)
        return host

    def _read(self, body: object) -> tuple[EventKey, float | None, int | None]:
        event = read_event(body)
        key = event.key
        return key if key.names else self._keys.setdefault(key.event_type, key), event.playhead, event.ts


def _details_of(exchange: Exchange, body: object, named: str) -> CallDetails:
    call, response = exchange.call, exchange.response
    return CallDetails(
        first_event(body).identity if call in _WITH_CONTENT else (),
        isinstance(body, list),
        find_route(exchange.request.path) if exchange.session is None else None,
        authority_of(named) if named else "",
        response is not None,
        response is not None and response.status == SESSION_CREATED and not response.headers,
        exchange.replaces,
    )


def location_of(response: Response | None) -> str:
    """Return the absolute URL in a response's Location; empty if there is none."""
    for name, value in response.headers if response else ():
        if len(name) == len(_LOCATION) and name.lower() == _LOCATION:
            return f"https:{value}" if value.startswith("//") else value if "://" in value else ""
    return ""


def parse_body_of(exchange: Exchange) -> Any:
    """Return the request's body as parsed JSON, without keeping it with the message: an index may hold millions."""
    request = exchange.request
    is_json = request.base64 is None and request.text is None
    try:
        return orjson.loads(bytes(request.body) if is_json else request.content())
    except orjson.JSONDecodeError:
        return None
