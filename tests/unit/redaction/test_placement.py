"""An identifier is gone from a stored exchange wherever it was found, wherever else it stands, however it is spelt."""

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, unquote

import msgspec
import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from support.exchanges import exchange, request, response
from tapehead.protocol.exchange import Answered, Exchange, Finding, Severity, encode
from tapehead.protocol.messages import Headers
from tapehead.redaction.redactor import PREFIX, Redactor

NAMES = ("userId", "X-Who")
VALUES = (
    "jane.doe@example.com",
    "12345678901234567890123456789012345678",
    "user-7",
    "averylongtokenwithoutadigit",
    'O\'Neil "x" 77',
    "Jürgen Müller-7",
    "back\\slash+per%41cent&7",
)


class Planted(NamedTuple):
    """The parts of an exchange in which something was planted."""

    body: bytes = b'{"eventType":"play","params":{"media.id":"clip"}}'
    query: str = ""
    headers: Headers = []  # noqa: RUF012 - nobody changes it
    answer: bytes = b""
    answered: Headers = []  # noqa: RUF012
    reason: str = "Recorded"
    error: str | None = None
    why: str = ""
    message: str = "a message"

    def exchange(self) -> Exchange:
        asked = request(self.body, f"/api/v1/sessions?a=b{self.query}")
        whole = exchange(asked.with_headers([*asked.headers, *self.headers]), response(400, self.answered, self.answer))
        assert whole.response
        return msgspec.structs.replace(
            whole,
            response=msgspec.structs.replace(whole.response, reason=self.reason),
            error=self.error,
            answered=Answered("miss", self.why),
            findings=[Finding("rejected", Severity.ERROR, "", self.message)],
        )


def _body(value: str, *keys: str) -> bytes:
    """A body with `value` under a path of keys."""
    body: Any = value
    for key in reversed(keys):
        body = {key: body}
    return json.dumps(body).encode()


def _wire(value: str) -> str:
    """A value as a header's text is: its bytes as Latin-1."""
    return value.encode().decode("latin-1")


def _all_percent(value: str) -> str:
    return "".join(f"%{byte:02x}" for byte in value.encode())


def _query(value: str) -> str:
    return quote(value, safe="")


# Where a value is said to identify somebody.
SOURCES: dict[str, Callable[[str], dict[str, Any]]] = {
    "parameter": lambda v: {"body": _body(v, "params", "analytics.visitorId")},
    "customer id": lambda v: {"body": _body(v, "params", "visitor.customerIDs", "puuid", "id")},
    "named key": lambda v: {"body": _body(v, "customMetadata", "USERID")},
    "broken body": lambda v: {"body": b'{"x":"12" screen","y":[' + _body(v, "analytics.aid")[:-1]},
    "JSON in JSON": lambda v: {"body": _body(_body(v, "userId").decode(), "x")},
    "form": lambda v: {"body": f"x=1&userId={quote_plus(v)}".encode()},
    "URL": lambda v: {"query": f"&userId={_query(v)}"},
    "URL in URL": lambda v: {"query": f"&next={_query(f'https://example.com/?userId={_query(v)}')}"},
    "Referer": lambda v: {"headers": [("Referer", f"https://example.com/?UserID={_query(v)}")]},
    "named header": lambda v: {"headers": [("x-who", _wire(v))]},
    "Cookie": lambda v: {"headers": [("Cookie", f"a=b; uid={_query(v)}; c=d")]},
    "Authorization": lambda v: {"headers": [("Authorization", f"Bearer {_query(v)}")]},
    "X-Forwarded-For": lambda v: {"headers": [("X-Forwarded-For", _wire(v))]},
    "answer": lambda v: {"answer": _body(v, "analytics.aid")},
    "Set-Cookie": lambda v: {"answered": [("Set-Cookie", f"uid={_query(v)}; Path=/")]},
    "Location": lambda v: {"answered": [("Location", f"https://example.com/?userId={_query(v)}")]},
}
# Where the same value stands otherwise.
SPOTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "nowhere else": lambda _: {},
    "URL": lambda v: {"query": f"&z={_query(v)}&y=1"},
    "URL with +": lambda v: {"query": f"&z={quote_plus(v)}&y=1"},
    "URL all encoded": lambda v: {"query": f"&z={_all_percent(v)}"},
    "URL encoded twice": lambda v: {"query": f"&z={_query(_query(v))}"},
    "Referer": lambda v: {"headers": [("Referer", f"https://example.com/{_query(v)}?z={_query(v)}")]},
    "header": lambda v: {"headers": [("X-Page", f"by {_wire(v)}")]},
    "metadata": lambda v: {"body": _body(f"for {v}.", "customMetadata", "x")},
    "text": lambda v: {"body": f"for {v}.".encode()},
    "answer": lambda v: {"answer": _body(f"no visitor {v}!", "message")},
    "answer quoting JSON": lambda v: {"answer": _body(f"no {_body(v, 'x').decode()}!", "message")},
    "answer in HTML": lambda v: {"answer": f"<p>no {html.escape(v)}</p>".encode()},
    "answer's header": lambda v: {"answered": [("X-Error", f"no {_wire(v)}")]},
    "answer's Location": lambda v: {"answered": [("Location", f"/api/v1/sessions/abc?z={_query(v)}")]},
    "reason": lambda v: {"reason": f"No {_wire(v)}"},
    "error": lambda v: {"error": f"invalid header: {v}"},
    "reason of the answer": lambda v: {"why": f"miss: no sessionStart of {v}"},
    "finding": lambda v: {"message": f"the endpoint answered 400: no visitor {v}"},
    "finding that quotes": lambda v: {"message": f"eventType is {orjson.dumps(v).decode()}; expected another"},
    "finding that cuts": lambda v: {"message": f"the endpoint answered 400: {'x ' * 90}{v[: max(6, len(v) - 3)]}"},
}


def redacted(**parts: Any) -> Exchange:
    return Redactor(b"a key", NAMES).redact(Planted(**parts).exchange())


def _strings(value: object) -> Iterator[str]:
    """The strings in a line of a recording; of base64 what it holds."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from (base64.b64decode(part).decode("latin-1"),) if key == "base64" else _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, str):
        yield value


def _readings(text: str, depth: int = 4) -> Iterator[str]:
    """A text, and what its escapes come to."""
    yield text
    undone = (
        unquote(text),
        html.unescape(text),
        text.replace("+", " "),
        re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text).replace('\\"', '"'),
        text.replace("\\\\", "\\"),
        text.encode("latin-1", "replace").decode("utf-8", "replace"),
    )
    for each in set(undone) - {text}:
        if depth:
            yield from _readings(each, depth - 1)


def stands_in(value: str, whole: Exchange) -> list[str]:
    """The strings of the line of `whole` that have `value` in some reading."""
    strings = _strings(orjson.loads(encode(whole)))
    return [text for text in strings if any(value.lower() in each.lower() for each in _readings(text))]


PAIRS = [
    (source, spot)
    for source, spot in product(SOURCES, SPOTS)
    if not SOURCES[source]("").keys() & SPOTS[spot]("").keys() - {"query", "headers", "answered"}
]


def _together(source: str, spot: str, value: str) -> dict[str, Any]:
    one, other = SOURCES[source](value), SPOTS[spot](value)
    return one | {key: one[key] + part if key in one else part for key, part in other.items()}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(("source", "spot"), PAIRS, ids=[" and ".join(each) for each in PAIRS])
def test_a_value_that_identifies_is_gone_from_everywhere(source: str, spot: str, value: str) -> None:
    assert stands_in(value, redacted(**_together(source, spot, value))) == []


@pytest.mark.parametrize("spot", [spot for spot in SPOTS if spot not in ("nowhere else", "finding that cuts")])
def test_a_value_that_identifies_nobody_stays_everywhere(spot: str) -> None:
    assert stands_in(VALUES[0], redacted(**SPOTS[spot](VALUES[0])))


@pytest.mark.parametrize("source", SOURCES)
def test_one_value_has_one_pseudonym_wherever_it_is_found(source: str) -> None:
    parts = _together(source, "reason", VALUES[0])

    assert redacted(**parts).response.reason == f"No {Redactor(b'a key').pseudonym(VALUES[0])}"  # type: ignore[union-attr]


_TEMPLATE = '{"n":1.50E+1,"params":{"analytics.visitorId":%s},"x":["by ~%s~.",{"y":" é / "}],"n":"kept"}'


@given(st.text(min_size=6), st.sampled_from("0123456789@"), st.booleans())
def test_any_telling_value_is_gone_and_not_a_byte_else(text: str, telling: str, ascii_only: bool) -> None:
    value, redactor = text + telling, Redactor(b"a key")
    stands = redactor.pseudonym(value)
    assume(stands != value and value.lower() not in encode(redacted()).decode().lower())
    spelt = json.dumps(value, ensure_ascii=ascii_only)
    body = (_TEMPLATE % (spelt, spelt[1:-1])).encode("utf-8", "surrogatepass")
    whole = redactor.redact(Planted(body=body, query=f"&z={quote(value, safe='')}&y=1").exchange())

    assert whole.request.content() == (_TEMPLATE % (f'"{stands}"', stands)).encode()
    assert whole.request.url.endswith(f"?a=b&z={stands}&y=1")


@given(
    st.sampled_from(PAIRS),
    st.from_regex(
        r"[a-z]{2}[^\x00-\x1f\x7f]{4,30}[0-9@][a-z]{2}", fullmatch=True, alphabet=st.characters(codec="utf-8")
    ),
)
def test_any_telling_value_is_gone_from_everywhere(pair: tuple[str, str], value: str) -> None:
    assume(not stands_in(value, redacted()))

    assert stands_in(value, redacted(**_together(*pair, value))) == []


@given(st.binary(), st.text(), st.sampled_from(sorted(SOURCES)))
def test_any_exchange_can_be_redacted(content: bytes, text: str, source: str) -> None:
    wire = _wire(text.encode("utf-8", "replace").decode())
    parts = SOURCES[source](VALUES[0]) | {"reason": wire, "message": wire, "error": wire, "why": wire}

    whole = redacted(**{"body": content, "answer": VALUES[0].encode() + b" " + content, **parts})

    assert whole.response is not None
    assert VALUES[0].encode() not in whole.response.content()
    assert encode(whole).count(b"\n") == 1


def test_a_pseudonym_is_no_disguise() -> None:
    for value in (f"{PREFIX}jane.doe@example.com", f"x {PREFIX}0123456789abcdef"):
        assert stands_in(value, redacted(**SOURCES["parameter"](value))) == []
