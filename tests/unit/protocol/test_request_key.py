"""The key of a test in a request: three ways to send it, taken out without a trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapehead.protocol.cors import allow_key_header, refused_parts
from tapehead.protocol.messages import Headers, Request, Response
from tapehead.protocol.request_key import NO_KEY, KeyedRequest, keep_prefix, strip_key
from tapehead.protocol.responses import respond

HOST = "http://127.0.0.1:8080"
SESSIONS = "/api/v1/sessions"
KEYS = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", fullmatch=True)


def strip(url: str, headers: Headers | None = None, method: str = "POST") -> KeyedRequest:
    return strip_key(Request(method=method, url=url, headers=headers or []))


@pytest.mark.parametrize(
    ("url", "stripped"),
    [
        (f"{HOST}/k/t-1{SESSIONS}", f"{HOST}{SESSIONS}"),
        (f"{HOST}/k/t%2d1{SESSIONS}", f"{HOST}{SESSIONS}"),
        (f"{HOST}/k/t-1/media{SESSIONS}/abc/events", f"{HOST}/media{SESSIONS}/abc/events"),
        (f"{HOST}/media/k/t-1{SESSIONS}/abc/events?a=1", f"{HOST}/media{SESSIONS}/abc/events?a=1"),
        (f"https://company.hb-api.omtrdc.net/k/t-1{SESSIONS}", f"https://company.hb-api.omtrdc.net{SESSIONS}"),
        (f"/k/t-1{SESSIONS}", SESSIONS),
        (f"{HOST}{SESSIONS}?tapehead=t-1", f"{HOST}{SESSIONS}"),
        (f"{HOST}{SESSIONS}?a=1&tapehead=t%2D1&b=%20", f"{HOST}{SESSIONS}?a=1&b=%20"),
        (f"{HOST}/other?tapehead=t-1", f"{HOST}/other"),
        (f"{HOST}/k/t-1{SESSIONS}?tapehead=t-1&tapehead=t-1", f"{HOST}{SESSIONS}"),
    ],
)
def test_a_key_is_taken_out_of_a_url(url: str, stripped: str) -> None:
    request, key = strip(url)

    assert (request.url, key.key, key.problem) == (stripped, "t-1", "")


@pytest.mark.parametrize(
    "url",
    [
        f"{HOST}{SESSIONS}",
        f"http://k/t-1{SESSIONS}",
        f"http://tapehead{SESSIONS}",
        f"{HOST}/k/t-1/other",
        f"{HOST}{SESSIONS}/k/events",
        f"{HOST}{SESSIONS}/k/events/",
        f"{HOST}{SESSIONS}?tapeheads=1&untapehead=2",
        f"{HOST}{SESSIONS}?a=b?&&c",
    ],
)
def test_a_url_without_a_key_stays_as_it_is(url: str) -> None:
    request, key = strip(url, [("Content-Type", "application/json"), ("X-Tapehead-Keys", "a")])

    assert (request.url, request.headers) == (url, [("Content-Type", "application/json"), ("X-Tapehead-Keys", "a")])
    assert key == NO_KEY


def test_a_header_is_taken_out_and_others_stay() -> None:
    others = [("Accept", "*/*"), ("Content-Length", "2"), ("Empty", "")]
    request, key = strip(HOST + SESSIONS, [others[0], ("x-tapehead-KEY", " t.1 "), *others[1:]])

    assert (request.headers, key.key) == (others, "t.1")


@given(KEYS, KEYS)
def test_every_way_names_the_same_key(key: str, other: str) -> None:
    ways = [
        strip(f"{HOST}/k/{key}{SESSIONS}"),
        strip(f"{HOST}{SESSIONS}?tapehead={key}"),
        strip(HOST + SESSIONS, [("X-Tapehead-Key", key)]),
    ]
    twice = strip(f"{HOST}/k/{key}{SESSIONS}", [("X-Tapehead-Key", other)])

    assert [(request.url, request.headers) for request, _ in ways] == [(HOST + SESSIONS, [])] * 3
    assert [named.key for _, named in ways] == [key] * 3
    assert bool(twice.key.problem) == (key != other)


@pytest.mark.parametrize("key", ["", "a b", "a/b", "ü", "x" * 201, "..", "."])
def test_an_invalid_key_is_named_with_its_place(key: str) -> None:
    quoted = key.replace(" ", "%20").replace("/", "%2F")
    in_path, in_query = strip(f"{HOST}/k/{quoted}{SESSIONS}"), strip(f"{HOST}{SESSIONS}?tapehead={quoted}")
    in_header = strip(HOST + SESSIONS, [("X-Tapehead-Key", key)])

    assert {request.url for request, _ in (in_path, in_query, in_header)} == {HOST + SESSIONS}
    assert [named.key for _, named in (in_path, in_query, in_header)] == [""] * 3
    places = ("the path: ", "the query parameter 'tapehead': ", "the header X-Tapehead-Key: ")
    for (_, named), place in zip((in_path, in_query, in_header), places, strict=True):
        assert named.problem.startswith(f"invalid key in {place}")


@pytest.mark.parametrize(
    ("asked", "stripped"),
    [
        ("content-type, x-tapehead-key", [("Access-Control-Request-Headers", "content-type")]),
        ("X-Tapehead-Key,content-type", [("Access-Control-Request-Headers", "content-type")]),
        ("x-tapehead-key", []),
    ],
)
def test_a_preflight_for_the_header_is_allowed_and_leaves_no_trace(asked: str, stripped: Headers) -> None:
    headers = [("Origin", "http://a"), ("Access-Control-Request-Method", "POST")]
    asking = Request(
        method="OPTIONS", url=HOST + SESSIONS, headers=[*headers, ("Access-Control-Request-Headers", asked)]
    )
    request, key = strip_key(asking)
    answer = respond(200, 0)

    assert key.asks
    assert request.headers == [*headers, *stripped]
    assert refused_parts(asking, answer)
    assert not refused_parts(asking, answer.with_headers(allow_key_header(answer.headers)))


@pytest.mark.parametrize(
    "allowed",
    [
        [],
        [("access-control-allow-headers", "*")],
        [("Access-Control-Allow-Headers", "a"), ("Access-Control-Allow-Headers", "b")],
    ],
)
def test_a_permission_keeps_those_that_were_given(allowed: Headers) -> None:
    asked = [
        ("Origin", "a"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "x-tapehead-key"),
    ]
    answer = Response(status=200, headers=allow_key_header([("Access-Control-Allow-Origin", "*"), *allowed]))
    before = {part.strip() for _, value in allowed for part in value.split(",")}

    assert not refused_parts(Request(method="OPTIONS", url=HOST, headers=asked), answer)
    assert before <= {part.strip() for part in (answer.header("Access-Control-Allow-Headers") or "").split(",")}


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("/api/v1/sessions/abc", "/k/t/api/v1/sessions/abc"),
        ("http://a:1/media/api/v1/sessions/abc", "http://a:1/k/t/media/api/v1/sessions/abc"),
        ("//a/api/v1/sessions/abc", "//a/k/t/api/v1/sessions/abc"),
        ("sessions/abc", "sessions/abc"),
        ("./sessions/abc", "./sessions/abc"),
        ("/elsewhere", "/elsewhere"),
    ],
)
def test_a_location_keeps_the_prefix(location: str, kept: str) -> None:
    assert keep_prefix(location, "/k/t") == kept
