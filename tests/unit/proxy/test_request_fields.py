"""Fast readers of headers and URLs: the values of mitmproxy's own properties."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.test import tutils

from tapehead.proxy.request_fields import header_of, url_of

names = st.sampled_from(
    [b"Host", b"host", b"HOST", b"Location", b"location", b"upgrade", b"Hosts", b"h\xc3\xb6st", b""]
)
values = st.sampled_from(
    [
        b"",
        b"a.example",
        b"a.example:80",
        b"a.example:8080",
        b"[::1]:80",
        b"::1",
        b"a b",
        b"xn--bcher-kva.example",
        b"\xff",
    ]
) | st.binary(max_size=6)
fields = st.lists(st.tuples(names, values), max_size=4)


@settings(deadline=None)
@given(fields, st.sampled_from(["host", "location", "upgrade"]))
def test_a_header_is_that_of_mitmproxy(found: list[tuple[bytes, bytes]], name: str) -> None:
    headers = http.Headers(found)

    assert header_of(headers, name.encode()) == headers.get(name)


@settings(deadline=None)
@given(
    fields,
    st.fixed_dictionaries(
        {},
        optional={
            "method": st.sampled_from([b"POST", b"post", b"GET", b"OPTIONS", b"CONNECT", b"PUT"]),
            "path": st.sampled_from([b"*", b"/", b"/a?b", b"", b"/\xff"]),
            "scheme": st.sampled_from([b"http", b"https", b"other", b""]),
            "http_version": st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/3"]),
            "authority": st.sampled_from([b"", b"b.example", b"b.example:81"]),
            "port": st.sampled_from([80, 443, 8080]),
            "host": st.sampled_from(["b.example", "::1", "127.0.0.1"]),
        },
    ),
)
def test_a_url_is_that_of_mitmproxy(found: list[tuple[bytes, bytes]], parts: dict[str, Any]) -> None:
    request = tutils.treq(headers=http.Headers(found), **parts)

    assert url_of(request) == request.pretty_url
