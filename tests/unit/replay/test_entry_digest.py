"""Digests of recorded exchanges: the values of an event are those that reading it as a whole gives."""

import json
from unittest.mock import patch

import msgspec
import orjson
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import event, sent, start_with
from tapehead.protocol.events import read_event
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.hosts import authority_of
from tapehead.protocol.routes import Call
from tapehead.replay import entry_digest
from tapehead.replay.entry_digest import EntryDigest, EntryDigester

SENT = sent("abc", event("ping", 1, 1), 1)
NUMBERS: st.SearchStrategy[object] = st.sampled_from(
    [0, -1, 7, 2**63 - 1, 2**63, -(2**63), 2**64, 1.5, 1e300, True, None, "1", [], {}]
)
NAMES: st.SearchStrategy[object] = st.sampled_from(["ping", "play", "adStart", "unknown", "", None, 1, ["ping"]])
PARAMS: st.SearchStrategy[object] = st.none() | st.dictionaries(
    st.sampled_from(["media.ad.id", "media.name"]), st.sampled_from(["a", 1, None, {}])
)
EVENTS = st.builds(
    lambda named, time, params: {"eventType": named, "playerTime": time, "params": params},
    NAMES,
    st.sampled_from([None, 1, []]) | st.builds(lambda playhead, ts: {"playhead": playhead, "ts": ts}, NUMBERS, NUMBERS),
    PARAMS,
)
BODIES: st.SearchStrategy[object] = EVENTS | st.lists(EVENTS, max_size=2) | st.sampled_from([None, 1, "ping", {}])


def with_body(content: bytes, url: str = SENT.request.url) -> Exchange:
    return msgspec.structs.replace(SENT, request=SENT.request.with_url(url).with_content(content))


def digest(digester: EntryDigester, exchange: Exchange) -> EntryDigest:
    return digester.digest(Entry(1, exchange), exchange)


@given(st.lists(EVENTS, min_size=8, max_size=30) | st.lists(BODIES | st.binary(max_size=9), max_size=6))
def test_an_event_is_digested_as_it_is_read(bodies: list[object]) -> None:
    digester = EntryDigester()
    for body in bodies * 2:  # a type is known from its second event on
        exchange = with_body(body if isinstance(body, bytes) else json.dumps(body).encode())
        read, found = read_event(exchange.request.json()), digest(digester, exchange)
        assert (found.key, found.playhead, found.ts) == (read.key, read.playhead, read.ts)
        assert (type(found.playhead), type(found.ts)) == (type(read.playhead), type(read.ts))


def test_the_host_is_that_of_the_url_however_many_there_were() -> None:
    urls = [f"https://{host}/api/v1/sessions/abc/events" for host in ("A.example", "b.example:443", "b.example:1")]
    digester = EntryDigester()
    with patch.object(entry_digest, "_MOST_URLS", 2):
        for url in urls * 2:
            assert digest(digester, with_body(b"{}", url)).host == authority_of(url)
            assert len(digester._hosts) <= 2


def test_a_plain_event_has_no_details_and_one_with_a_location_has() -> None:
    digester = EntryDigester()
    assert digest(digester, SENT).details is entry_digest.NO_DETAILS
    assert SENT.response
    headers = [*SENT.response.headers, ("LOCATION", "//other.example/x")]
    moved = msgspec.structs.replace(SENT, response=SENT.response.with_headers(headers))
    assert digest(digester, moved).details.named_host == "other.example"
    start = msgspec.structs.replace(with_body(orjson.dumps(start_with({}))), call=Call.SESSION)
    assert digest(digester, start).details.identity == read_event(start_with({})).identity
