"""What redaction leaves as it is, what it keeps in mind, what it cannot read, and what it costs."""

import functools
import gzip
from collections.abc import Callable
from typing import Any

import brotli
import msgspec
import orjson
import pytest

from support.exchanges import AD, JSON, START, event, exchange, index_of, opened, request, response, sent, start_with
from support.processor_time import least_processor_seconds
from tapehead.protocol.events import first_event, read_event
from tapehead.protocol.exchange import Exchange, Finding, Severity, encode
from tapehead.protocol.messages import Request
from tapehead.protocol.schemas import build_schema
from tapehead.redaction.identifiers import redact_body
from tapehead.redaction.identifying_keys import IdentifyingKeys
from tapehead.redaction.redactor import Redactor
from tapehead.replay.index import schemas_of

SECRET = "jane.doe@example.com"
KEY = b"a key"


def redacted(whole: Exchange, *names: str) -> Exchange:
    return Redactor(KEY, names).redact(whole)


# ---- What is played ----


@pytest.mark.parametrize("header", ["Cookie", "X-Forwarded-For", "Authorization"])
@pytest.mark.parametrize("key", [key for key in START if isinstance(START[key], str) and "visitor." not in key])
def test_what_a_header_has_by_chance_changes_nothing_that_is_told(key: str, header: str) -> None:
    asked = request(start_with({}), **{header: f"last={START[key]}"})

    assert (
        redacted(exchange(asked, response(201))).request.content()
        == redacted(exchange(request(start_with({})), response(201))).request.content()
    )


@pytest.mark.parametrize("key", ["media.playerName", "media.channel", "media.contentType", "media.name"])
def test_a_customer_id_that_is_what_is_played_changes_nothing_else(key: str) -> None:
    body = start_with({"visitor.customerIDs": {"household": {"id": START[key], "authState": 1}}})
    told = redacted(exchange(request(body), response(201))).request.json()

    assert first_event(told).identity == first_event(body).identity
    assert told["params"]["visitor.customerIDs"]["household"]["id"] != START[key]


@pytest.mark.parametrize(
    "kind", [event("adStart", params=AD), event("stateStart", params={"media.state.name": "inFocus"})]
)
def test_an_event_keeps_its_name(kind: dict[str, Any]) -> None:
    names = [each for each in kind["params"].values() if isinstance(each, str)]
    body = kind | {"customMetadata": {"userId": [*names, kind["eventType"]]}}
    told = redacted(exchange(request(body), response(204)), "userId").request.json()

    assert read_event(told).key == read_event(kind).key
    assert told["params"] == kind["params"]
    assert told["customMetadata"] != body["customMetadata"]


def test_a_plain_word_is_replaced_where_it_is_a_value_by_itself() -> None:
    body = start_with({"analytics.visitorId": "janedoe"}) | {"customMetadata": {"by": "janedoe", "is": "janedoe's"}}
    asked = request(body, "/api/v1/sessions?by=JaneDoe&is=janedoes", X_By="janedoe", X_Is="of janedoe")
    stored = redacted(exchange(asked, response(400, [], b'{"message":"janedoe"}')))
    stands = Redactor(KEY).pseudonym("janedoe")

    assert stored.request.json()["customMetadata"] == {"by": stands, "is": "janedoe's"}
    assert stored.request.url.endswith(f"?by={stands}&is=janedoes")
    assert (stored.request.header("X-By"), stored.request.header("X-Is")) == (stands, "of janedoe")
    assert stored.response
    assert stored.response.content() == b'{"message":"%s"}' % stands.encode()


def test_a_long_word_is_replaced_within_texts() -> None:
    body = start_with({"analytics.visitorId": "jane-elisabeth-doe"})
    stored = redacted(exchange(request(body, Referer="https://example.com/jane-elisabeth-doe/"), response(201)))

    assert stored.request.header("Referer") == f"https://example.com/{Redactor(KEY).pseudonym('jane-elisabeth-doe')}/"


@pytest.mark.parametrize(
    "path", ["/api/v1/sessions/user-77/events", "/user-77/api/v1/sessions/user-77/events?x=user-77"]
)
def test_a_session_id_stays_whatever_it_is(path: str) -> None:
    body = event("play", params={"analytics.visitorId": "user-77"})
    stored = redacted(exchange(request(body, path), response(204, [("Location", "/api/v1/sessions/user-77")])))
    stands = Redactor(KEY).pseudonym("user-77")

    assert stored.session == "user-77"
    assert stored.request.url.partition("hb-api.omtrdc.net")[2] == path.replace(
        "/user-77/api", f"/{stands}/api"
    ).replace("x=user-77", f"x={stands}")
    assert stored.response
    assert stored.response.header("Location") == "/api/v1/sessions/user-77"


def test_a_header_that_says_how_to_read_the_message_stays() -> None:
    body = start_with({"analytics.visitorId": "application/json", "analytics.aid": "identity"})
    asked = request(body, Content_Encoding="identity", Host="example.hb-api.omtrdc.net", X_Aid="identity")
    stored = redacted(exchange(asked, response(201))).request

    assert stored.headers[:3] == [JSON, ("Content-Encoding", "identity"), ("Host", "example.hb-api.omtrdc.net")]
    assert stored.header("X-Aid") != "identity"


def test_a_number_is_replaced_where_it_is_an_identifier_and_tells_nothing() -> None:
    body = event("play", 795401, params={"analytics.aid": 795401, "media.length": 795401}) | {"x": [795401, 7954010]}
    stored = redacted(exchange(request(body), response(204))).request.json()

    assert stored["playerTime"] == body["playerTime"]
    assert stored["params"]["media.length"] == 795401
    assert stored["x"] == [stored["params"]["analytics.aid"], 7954010]


# ---- Schemas ----


def _served(content: bytes, **headers: str) -> Exchange:
    asked = request(b"", "/api/v1/schemas/sessionStart?analytics.visitorId=jane.doe@example.com", "GET", **headers)
    return exchange(asked, response(200, [JSON], content))


def test_a_schema_that_was_served_still_checks() -> None:
    schema = build_schema("sessionStart")
    stored = redacted(
        _served(orjson.dumps(schema), Cookie="a=string; b=object; c=draft-04; d=media.length"), "media.id"
    )

    assert schemas_of(index_of([stored])).recorded == {"sessionStart"}
    assert schemas_of(index_of([stored]))["sessionStart"] == schema


@pytest.mark.parametrize(
    "content", [b'{"analytics.aid":"jane.doe@example.com"}', b'{"properties":{"x":"jane.doe@example.com"}}']
)
def test_an_answer_in_a_schemas_place_is_searched(content: bytes) -> None:
    assert SECRET.encode() not in encode(redacted(_served(content)))


# ---- Sessions ----


def _told(redactor: Redactor, sid: str = "abc") -> bytes:
    """What is stored of a failed event whose answer says who plays."""
    answer = response(404, [], b'{"message":"the session of jane.doe@example.com is over"}')
    return encode(redactor.redact(sent(sid, event("ping"), answered=answer)))


def test_what_a_session_began_with_is_searched_for_in_its_events() -> None:
    redactor = Redactor(KEY)
    redactor.redact(opened("abc", start_with({"analytics.visitorId": SECRET})))

    assert SECRET.encode() not in _told(redactor)
    assert redactor.pseudonym(SECRET).encode() in _told(redactor)


# ---- Findings ----


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("params.age", "42", "play: params.age is a number, 42; expected a string"),
        ("params.team", "red", 'play: params.team is a string, "red"; expected an integer'),
        ("[3].params.team.name", "red", 'play: [3].params.team.name is a string, "red"; expected an integer'),
    ],
)
def test_a_finding_on_a_named_key_quotes_no_value_however_short(path: str, value: str, message: str) -> None:
    body = event("play", params={"age": 42, "team": {"name": "red"}})
    found = [Finding("wrong-type", Severity.ERROR, path, message)]
    stored = redacted(msgspec.structs.replace(exchange(request(body), response(204)), findings=found), "age", "team")

    assert stored.findings[0].message == message.replace(value, Redactor(KEY).pseudonym(value))


# ---- What cannot be read ----


def _packed(content: bytes, coding: str | None, *, coded: bool = False) -> Request:
    headers = {"Content-Encoding": coding} if coding else {}
    return request(b"", **headers).with_content(content, coded=coded)


BODY = orjson.dumps(start_with({"analytics.visitorId": SECRET}))
OPAQUE = {
    "gzip cut short": _packed(gzip.compress(BODY)[:-9], "gzip", coded=True),
    "an unknown coding": _packed(brotli.compress(BODY), "x-br", coded=True),
    "gzip that nobody announced": _packed(gzip.compress(BODY), None),
    "UTF-16": _packed(BODY.decode().encode("utf-16"), None),
    "UTF-16 without its mark": _packed(BODY.decode().encode("utf-16-le"), None),
    "UTF-32": _packed(BODY.decode().encode("utf-32"), None),
}


@pytest.mark.parametrize("what", OPAQUE)
def test_a_body_that_cannot_be_searched_is_replaced_as_a_whole(what: str) -> None:
    stored = redacted(exchange(OPAQUE[what], response(400))).request

    assert stored.content().startswith(b"pseudonym-")
    assert len(stored.content()) == 26
    assert stored.coded == OPAQUE[what].coded


@pytest.mark.parametrize("content", ["Jürgen".encode("latin-1"), b'{"a":"\xff"}', b"y\x9c7", b"\x00"])
def test_other_bytes_stay(content: bytes) -> None:
    assert redacted(exchange(request(content), response(400))).request.content() == content


# ---- What it costs ----


def _ids(count: int) -> list[str]:
    return [f"customer-{number:06d}" for number in range(count)]


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "identifiers": lambda size: orjson.dumps({"analytics.aid": _ids(size // 18)}),
    "identifiers and the same again": lambda size: orjson.dumps(
        dict.fromkeys(["analytics.aid", "x"], _ids(size // 36))
    ),
    "identifiers within each other": lambda size: orjson.dumps(
        {"analytics.aid": ["a-" * count + "1" for count in range(3, 60)], "x": "a-" * (size // 2) + "1"}
    ),
    "digits within each other": lambda size: orjson.dumps(
        {"analytics.aid": ["1" * count for count in range(6, 60)], "x": "1" * size}
    ),
    "one long identifier twice": lambda size: orjson.dumps(dict.fromkeys(["analytics.aid", "x"], "a" * (size // 2))),
    "escapes": lambda size: rb'{"analytics.aid":"abc1234","x":"' + rb"\u0061" * (size // 6) + rb'abc1234"}',
    "escapes of escapes": lambda size: b'{"analytics.aid":"abc1234","x":"' + b"%2525" * (size // 5) + b' abc1234"}',
    "strings": lambda size: orjson.dumps({"analytics.aid": "abc-123", "x": ["abc-123", *["abcdef"] * (size // 9)]}),
    "forms": lambda size: b"analytics.aid=x1&" * (size // 17),
    "queries": lambda size: orjson.dumps({"x": ["?analytics.aid=x1"] * (size // 20)}),
    "strings in strings": lambda size: orjson.dumps(
        {"x": orjson.dumps(['{"analytics.aid":"x"}'] * (size // 40)).decode()}
    ),
    "keys without values": lambda size: b"{" + b"analytics.aid[," * (size // 15),
    "quotes": lambda size: b'{"analytics.aid":"x"' + b"'" * size,
    "schemes": lambda size: b"http://" * (size // 7) + b"analytics.aid=",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_exchanges_take_linear_time(what: str) -> None:
    contents = [HOSTILE[what](size) for size in (20_000, 160_000)]
    wholes = [exchange(request(content), response(400, [], content)) for content in contents]
    small, large = (least_processor_seconds(functools.partial(Redactor(KEY).redact, whole)) for whole in wholes)

    # Eight times the size; were the time quadratic, it would be sixty-four times as long.
    assert large < 24 * small + 0.005


def test_what_is_looked_for_in_an_exchange_is_searched_for_at_the_price_of_parsing() -> None:
    """A usual sessionStart, against the reading of its body, so that a slow machine does not matter."""
    whole, redactor = opened("abc", start_with({"analytics.visitorId": SECRET})), Redactor(KEY)
    reading = least_processor_seconds(
        lambda: [redact_body(whole.request.content(), IdentifyingKeys(), str) for _ in range(20)]
    )

    assert least_processor_seconds(lambda: [redactor.redact(whole) for _ in range(20)]) < 5 * reading
