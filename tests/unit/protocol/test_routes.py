"""Paths, methods and Locations are read as the endpoint reads them."""

import pytest

from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.routes import (
    CORS_HEADERS,
    DOCUMENTED_STATUSES,
    ENDPOINT_HOST,
    Call,
    Route,
    find_call,
    find_route,
    location_of,
    sid_of_location,
)

ROUTES = {
    "/api/v1/sessions": Route(Call.SESSION),
    "/api/v1/sessions/": Route(Call.SESSION),
    "/api/v1/sessions?debug=1": Route(Call.SESSION),
    "/api/v1/sessions/abc/events": Route(Call.EVENT, sid="abc"),
    "/api/v1/sessions/abc/events/": Route(Call.EVENT, sid="abc"),
    "/api/v1/sessions/a-b.c~1/events?x=/api/v1/sessions": Route(Call.EVENT, sid="a-b.c~1"),
    "/api/v1/schemas/ping": Route(Call.SCHEMA, event_type="ping"),
    "/api/v1/downloaded": Route(Call.DOWNLOADED),
    "/collect/va/api/v1/sessions": Route(Call.SESSION),
    "/a/api/v1/b/api/v1/sessions/abc/events": Route(Call.EVENT, sid="abc"),
}
FOREIGN = (
    "",
    "/",
    "/api/v1",
    "/api/v2/sessions",
    "/api/v1/session",
    "/api/v1/sessionsX",
    "/api/v1/sessions/abc",
    "/api/v1/sessions//events",
    "/api/v1/sessions/a/b/events",
    "/api/v1/sessions/abc/event",
    "/api/v1/schemas",
    "/api/v1/schemas/",
    "/api/v1/schemas/a/b",
    "/api/v1/downloaded/x",
    "/other?path=/api/v1/sessions",
    "/xapi/v1/sessions",
    "/API/V1/SESSIONS",
)


@pytest.mark.parametrize("path", ROUTES)
def test_a_path_of_the_api_has_its_route(path: str) -> None:
    assert find_route(path) == ROUTES[path]


@pytest.mark.parametrize("path", FOREIGN)
def test_any_other_path_has_no_route(path: str) -> None:
    assert find_route(path) is None


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("POST", "/api/v1/sessions", Call.SESSION),
        ("POST", "/api/v1/sessions/abc/events", Call.EVENT),
        ("POST", "/api/v1/downloaded", Call.DOWNLOADED),
        ("GET", "/api/v1/schemas/ping", Call.SCHEMA),
        ("OPTIONS", "/api/v1/sessions", Call.PREFLIGHT),
        ("OPTIONS", "/api/v1/sessions/abc/events", Call.PREFLIGHT),
        ("OPTIONS", "/api/v1/schemas/ping", Call.PREFLIGHT),
        ("GET", "/api/v1/sessions", None),
        ("PUT", "/api/v1/sessions/abc/events", None),
        ("POST", "/api/v1/schemas/ping", None),
        ("DELETE", "/api/v1/downloaded", None),
        ("OPTIONS", "/elsewhere", None),
    ],
)
def test_a_call_takes_method_and_path(method: str, path: str, call: Call | None) -> None:
    found = find_call(method, path)

    assert (found and found.call) == call


def test_a_preflight_knows_the_session_it_asks_for() -> None:
    assert find_call("OPTIONS", "/api/v1/sessions/abc/events") == Route(Call.PREFLIGHT, sid="abc")


@pytest.mark.parametrize(
    ("location", "sid"),
    [
        ("/api/v1/sessions/abc", "abc"),
        ("/api/v1/sessions/abc/", "abc"),
        ("https://example.hb-api.omtrdc.net/api/v1/sessions/abc", "abc"),
        ("/va/api/v1/sessions/abc", "abc"),
        ("/api/v1/sessions/", None),
        ("/api/v1/sessions", None),
        ("/api/v1/sessions/abc/events", None),
        ("/login", None),
        ("", None),
        (None, None),
    ],
)
def test_the_sid_is_the_last_part_of_location(location: str | None, sid: str | None) -> None:
    assert sid_of_location(location) == sid


def test_a_location_of_ours_is_relative_and_reads_back() -> None:
    assert location_of("abc") == "/api/v1/sessions/abc"
    assert sid_of_location(location_of("abc")) == "abc"


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("example.hb-api.omtrdc.net", True),
        ("EXAMPLE.HB-API.OMTRDC.NET", True),
        ("hb-api.omtrdc.net", True),
        ("hb-api.omtrdc.net.example.com", False),
        ("nothb-api.omtrdc.net", False),
        ("example.sc.omtrdc.net", False),
    ],
)
def test_only_the_vendors_hosts_are_the_endpoint(host: str, ours: bool) -> None:
    assert bool(ENDPOINT_HOST.search(host)) is ours


def test_there_are_twenty_event_types() -> None:
    assert len(set(EVENT_TYPES)) == 20


def test_every_call_documents_its_statuses() -> None:
    assert {call: sorted(statuses) for call, statuses in DOCUMENTED_STATUSES.items()} == {
        Call.SESSION: [201, 400, 500],
        Call.EVENT: [204, 400, 404, 410, 500],
        Call.PREFLIGHT: [200],
        Call.SCHEMA: [200, 404, 500],
        Call.DOWNLOADED: [201, 400, 500],
    }


def test_the_cors_headers_are_the_observed_ones() -> None:
    assert dict(CORS_HEADERS) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "OPTIONS,POST,PUT",
        "Access-Control-Allow-Headers": "Content-Type",
        "Access-Control-Expose-Headers": "Location",
    }
