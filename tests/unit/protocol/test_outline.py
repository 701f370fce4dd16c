"""Outlines of events: the fields that a whole line has, or none."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.session_strategies import sessions
from support.sessions import make_exchange
from tapehead.protocol.exchange import Exchange, decode, encode
from tapehead.protocol.outline import is_plain, outline_of
from tapehead.protocol.routes import Call

# What an outline passes over.
NOT_READ = {"request": ("headers", "method"), "response": ("headers", "reason"), "exchange": ("findings",)}


def fields(message: object, name: str) -> dict[str, object]:
    return {
        key: getattr(message, key)
        for key in getattr(message, "__struct_fields__", ())
        if key not in (*NOT_READ[name], "content_key", "stored", "request", "response", "body")
    }


def parts(exchange: Exchange) -> list[object]:
    request, response = exchange.request, exchange.response
    bodies = [each and bytes(each.body) for each in (request, response)]
    return [fields(exchange, "exchange"), fields(request, "request"), fields(response, "response"), *bodies]


@settings(max_examples=50, deadline=None)
@given(sessions("s1"))
def test_an_outline_has_what_the_whole_has(exchanges: list[Exchange]) -> None:
    for exchange in exchanges:
        line = encode(exchange)
        outline = outline_of(line)
        status = exchange.response.status if exchange.response else None
        if outline is None:
            bodies = exchange.request, exchange.response
            is_text = any(each and (each.text is not None or each.base64 is not None) for each in bodies)
            assert exchange.call is not Call.EVENT or status == 201 or is_text
        else:
            assert parts(outline) == parts(decode(line))
            assert outline.stored == line


@settings(deadline=None)
@given(st.data())
def test_what_is_cut_or_changed_has_no_other_outline(data: st.DataObject) -> None:
    line = encode(make_exchange("/api/v1/sessions/s1/events", b'{"eventType":"ping"}'))
    place = data.draw(st.integers(0, len(line) - 2))
    changed = line[:place] + data.draw(st.binary(max_size=2)) + line[place + data.draw(st.integers(0, 2)) :]
    outline = outline_of(changed)
    try:
        whole = decode(changed)
    except ValueError:
        return  # a worker finds it
    if outline is not None:
        assert parts(outline) == parts(whole)


@pytest.mark.parametrize("cut", [1, 2, 30, 300])
def test_a_write_cut_short_has_no_outline(cut: int) -> None:
    line = encode(make_exchange("/api/v1/sessions/s1/events", b'{"eventType":"ping"}'))
    assert outline_of(line) is not None
    assert outline_of(line[: -cut - 1]) is None


@pytest.mark.parametrize("body", [b'{"eventType":"sessionEnd"}', b'{"eventType":"session\\u0045nd"}'])
def test_an_end_is_not_plain(body: bytes) -> None:
    exchange = make_exchange("/api/v1/sessions/s1/events", body)
    outline = outline_of(encode(exchange))
    assert outline is not None
    assert not is_plain(outline)
    ping = outline_of(encode(msgspec.structs.replace(exchange, request=exchange.request.with_content(b"{}"))))
    assert ping is not None
    assert is_plain(ping)
