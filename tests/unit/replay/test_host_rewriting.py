"""Nothing in a replayed answer names another host than the one that was called."""

import re

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import HOST, event, exchange, request, response, sent, session, start
from support.replay import player_of, replay_summary
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Headers, Request, Response
from tapehead.protocol.routes import CORS_HEADERS
from tapehead.protocol.schemas import build_schema
from tapehead.replay.host_rewriting import HostRewriter, Rewrite

RECORDED, CALLED = "company.hb-api.omtrdc.net", "127.0.0.1:8080"
URL = f"http://{CALLED}/api/v1/sessions"
REWRITER = HostRewriter(["gateway.example:8443", "upstream"])


def rewritten(headers: Headers, content: bytes = b"", page: str | None = None, url: str = URL) -> Response:
    answer = Response(status=201, headers=headers).with_content(content)
    return REWRITER.rewrite(answer, url, page)[0]


def header(name: str, value: str, page: str | None = None, url: str = URL) -> str | None:
    return rewritten([(name, value)], page=page, url=url).header(name)


# Spellings of a URL of /s on another host, as browsers read them, and of one that has the called host.
ABSOLUTE = {
    f"https://{RECORDED}/s": f"http://{CALLED}/s",
    f"HTTPS://{RECORDED.upper()}/s": f"http://{CALLED}/s",
    "http://gateway.example/s": f"http://{CALLED}/s",
    "https://gateway.example:8443/s?a=1#b": f"http://{CALLED}/s?a=1#b",
    "https://other.example:1/s": f"http://{CALLED}/s",
    "https://user:pass@other.example/s": f"http://{CALLED}/s",
    f"https://{CALLED}@other.example/s": f"http://{CALLED}/s",
    f"http://x@{CALLED}/s": f"http://{CALLED}/s",
    "https://a,b;c@other.example/s": f"http://{CALLED}/s",
    "https://[2001:db8::1]:8443/s": f"http://{CALLED}/s",
    "https:other.example/s": f"http://{CALLED}/s",
    "https:/other.example/s": f"http://{CALLED}/s",
    "https:///other.example/s": f"http://{CALLED}/s",
    "https:\\\\other.example\\s": f"http://{CALLED}\\s",
    "ht\ttps:/\n/other.ex\rample/s": f"http://{CALLED}/s",
    " \x0bhttps://other.example/s ": f"http://{CALLED}/s",
    "wss://other.example/s": f"http://{CALLED}/s",
    "player://other.example/s": f"http://{CALLED}/s",
    "https://other.example": f"http://{CALLED}",
    "https://other.example?s": f"http://{CALLED}?s",
    "//other.example/s": f"//{CALLED}/s",
    "///other.example/s": f"//{CALLED}/s",
    "/\\other.example/s": f"//{CALLED}/s",
    "\\\\other.example/s": f"//{CALLED}/s",
    "/\t/other.example/s": f"//{CALLED}/s",
}
UNCHANGED = (
    "/api/v1/sessions/abc",
    "/va/api/v1/sessions/abc/",
    "sessions/abc",
    "?a",
    f"http://{CALLED}/s",
    f"//{CALLED}/s",
    "",
)


@pytest.mark.parametrize("name", ["Location", "content-location", "SourceMap", "X-SourceMap"])
@pytest.mark.parametrize(("value", "expected"), ABSOLUTE.items())
def test_a_url_names_the_called_host_in_its_own_form(name: str, value: str, expected: str) -> None:
    assert header(name, value) == expected


@pytest.mark.parametrize("value", UNCHANGED)
def test_a_url_of_no_other_host_stays(value: str) -> None:
    assert header("Location", value) == value


def test_the_default_port_makes_no_other_host() -> None:
    url = f"https://{RECORDED}/api/v1/sessions"

    assert header("Location", f"https://{RECORDED}:443/s", url=url) == f"https://{RECORDED}:443/s"
    assert header("Location", f"https://{RECORDED}:444/s", url=url) == f"https://{RECORDED}/s"
    assert header("Location", f"http://{RECORDED}/s", url=url) == f"https://{RECORDED}/s"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Refresh", "5; url=https://other.example/x", f"5; url=http://{CALLED}/x"),
        ("Refresh", "0;URL='//other.example/x'", f"0;URL='//{CALLED}/x'"),
        ("Refresh", "5", "5"),
        ("Link", '<https://a.example/1>; rel="x", <//b.example/2>', f'<http://{CALLED}/1>; rel="x", <//{CALLED}/2>'),
        ("Link", '</schemas/1>; rel="describedby"', '</schemas/1>; rel="describedby"'),
        ("Location", "/login?to=https%3A%2F%2Fother.example%2Fx", "/login?to=http%3A%2F%2F127.0.0.1:8080%2Fx"),
        ("Location", "/login?to=https://other.example/x", f"/login?to=http://{CALLED}/x"),
        ("WWW-Authenticate", 'Bearer uri="https://other.example/x", a="b"', f'Bearer uri="http://{CALLED}/x", a="b"'),
        ("P3P", 'policyref="http://other.example/p3p.xml", CP="NOI"', f'policyref="http://{CALLED}/p3p.xml", CP="NOI"'),
        ("X-Backend", RECORDED, CALLED),
        ("X-Backend", "node7.company.hb-api.omtrdc.net:443 (hit)", f"{CALLED} (hit)"),
        ("X-Backend", "gateway.example", CALLED),
        ("X-Backend", "notgateway.example.org upstream", "notgateway.example.org upstream"),
        ("Set-Cookie", f"a=b; Domain=.{RECORDED}; Path=/", "a=b; Path=/"),
        ("Set-Cookie", "a=b;domain=omtrdc.net", "a=b"),
        ("Set-Cookie", "a=b; Path=/; Secure", "a=b; Path=/; Secure"),
        ("Content-Type", "application/json", "application/json"),
    ],
)
def test_other_headers_name_no_other_host(name: str, value: str, expected: str) -> None:
    expected = expected.replace("127.0.0.1:8080%2F", "127.0.0.1%3A8080%2F")

    assert header(name, value) == expected


def test_a_cookie_of_the_called_domain_keeps_it() -> None:
    assert header("Set-Cookie", "a=b; Domain=omtrdc.net", url=f"https://{RECORDED}:8443/") == "a=b; Domain=omtrdc.net"


@pytest.mark.parametrize(
    "name",
    [
        "Alt-Svc",
        "Strict-Transport-Security",
        "Report-To",
        "NEL",
        "Reporting-Endpoints",
        "Content-Security-Policy",
        "Content-Security-Policy-Report-Only",
        "Expect-CT",
        "Public-Key-Pins",
        "Via",
    ],
)
def test_headers_that_bind_or_send_a_player_elsewhere_are_left_out(name: str) -> None:
    answer = Response(status=204, headers=[(name.lower(), "max-age=1"), ("A", "b")])
    replayed, rewrites = REWRITER.rewrite(answer, URL, None)

    assert replayed.headers == [("A", "b")]
    assert rewrites == [Rewrite(name.lower(), "")]


@pytest.mark.parametrize("name", ["Access-Control-Allow-Origin", "Timing-Allow-Origin"])
@pytest.mark.parametrize(
    ("recorded", "page", "expected"),
    [
        ("*", "https://new.example", "*"),
        ("null", None, "null"),
        ("https://old.example", "https://new.example", "https://new.example"),
        ("https://old.example", None, "*"),
        ("https://old.example", "https://old.example", "https://old.example"),
    ],
)
def test_the_page_that_called_may_read_the_answer(name: str, recorded: str, page: str | None, expected: str) -> None:
    assert header(name, recorded, page) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f'{{"id":"https://{RECORDED}/a"}}', f'{{"id":"http://{CALLED}/a"}}'),
        ('{"id":"https:\\/\\/gateway.example:8443\\/a"}', f'{{"id":"http:\\/\\/{CALLED}\\/a"}}'),
        (f'{{"message":"{RECORDED} says no"}}', f'{{"message":"{CALLED} says no"}}'),
        ('{"id":"//u:p@gateway.example/a"}', f'{{"id":"//{CALLED}/a"}}'),
        ('{"id":"http://upstream/a"}', f'{{"id":"http://{CALLED}/a"}}'),
        ('{"message":"no such upstream"}', '{"message":"no such upstream"}'),
        ('{"$schema":"https://json-schema.org/draft-04/schema#"}', '{"$schema":"https://json-schema.org/draft-04/schema#"}'),
        ('{"a":"mygateway.example gateway.example.org"}', '{"a":"mygateway.example gateway.example.org"}'),
    ],
)  # fmt: skip
def test_urls_of_the_recorded_endpoint_in_a_body_name_the_called_host(body: str, expected: str) -> None:
    assert rewritten([], body.encode()).content().decode() == expected


@pytest.mark.parametrize("host", [RECORDED, "gateway.example", "cafe.hb-api.omtrdc.net"])
@pytest.mark.parametrize(
    "escape",
    [r"\n", r"\t", r"\u0020", r"http:\u002f\u002F", r"http:\u002f/", "http%3A%2F%2f", "http%253A%252F%252F", r"\\"],
)
def test_an_escape_before_a_host_in_a_body_stays_whole(escape: str, host: str) -> None:
    assert rewritten([], f'{{"a":"{escape}{host}/s"}}'.encode()).content().decode() == f'{{"a":"{escape}{CALLED}/s"}}'


def test_a_body_in_an_unknown_coding_stays() -> None:
    answer = Response(status=200, headers=[]).with_content(RECORDED.encode(), coded=True)

    assert REWRITER.rewrite(answer, URL, None)[0].content() == RECORDED.encode()


def test_bytes_that_are_no_text_stay() -> None:
    assert rewritten([], b"\xff\x00" + RECORDED.encode()).content() == b"\xff\x00" + CALLED.encode()


FORMS = ("{}", "//{}/x", "https://{}/x", "https://{}:8443", "HTTP:\\\\{}\\", "a=https%3A%2F%2F{}%2F", "http://u:p@{}")


@given(
    name=st.sampled_from(["Location", "Link", "X-Any", "Set-Cookie", "Refresh", "Content-Location"]),
    form=st.sampled_from(FORMS),
    around=st.sampled_from(["{}", "5; url={}", "<{}>; rel=x", "a=b; Domain={}", '"{}", "{}"', "{} "]),
    host=st.sampled_from([RECORDED, "gateway.example", "Gateway.Example"]),
)
def test_a_recorded_host_is_named_nowhere(name: str, form: str, around: str, host: str) -> None:
    value = around.replace("{}", form.format(host))
    replayed = rewritten([(name, value)], form.format(host).encode())
    text = repr(replayed.headers) + replayed.content().decode("latin-1")

    assert host.lower() not in text.lower()


# ---- In a replay ----


def leading_out(sid: str = "abc") -> Exchange:
    return exchange(
        request(start()),
        response(201, [("Location", f"https://{RECORDED}/api/v1/sessions/{sid}"), ("Alt-Svc", 'h3=":443"')]),
    )


def test_what_was_rewritten_is_said_once() -> None:
    lines: list[str] = []
    player = player_of(leading_out(), warn=lines.append)
    for _ in range(3):
        player.open()

    assert lines == [
        f"Location of recorded answers names '{RECORDED}'; replayed answers name the called host instead",
        "Alt-Svc of recorded answers is left out of replayed ones: it leads to other hosts",
    ]
    assert replay_summary(player).rewritten == [Rewrite("Alt-Svc", ""), Rewrite("Location", RECORDED)]
    assert player.header("Location") == f"{HOST}/api/v1/sessions/{player.sid}"
    assert player.send("play") == 204


def test_of_an_answer_that_names_no_other_host_nothing_is_said() -> None:
    lines: list[str] = []
    player = player_of(*session("abc", [(0, 0, "play", {})]), warn=lines.append)
    player.open()

    assert (player.send("play"), lines) == (204, [])


@pytest.mark.parametrize(
    "form",
    [
        "https://{host}/api/v1/sessions/{sid}",
        "//{host}:8443/api/v1/sessions/{sid}",
        "https://u:p@{host}/va/api/v1/sessions/{sid}/",
        "https:\\\\{host}\\api\\v1\\sessions\\{sid}",
        "https://{host}/api/v1/sessions/{sid}?region=1",
        "sessions/{sid}",
        " /api/v1/sessions/{sid} ",
    ],
)
def test_a_session_goes_on_whatever_the_form_of_its_location(form: str) -> None:
    located = response(201, [("Location", form.format(host=RECORDED, sid="abc"))])
    player = player_of(exchange(request(start()), located), sent("abc", event("play"), 1, 410))
    sid = player.open()

    assert re.fullmatch("[0-9a-f]{64}", sid)
    assert RECORDED not in (player.header("Location") or "")
    assert player.send("play") == 410
    assert replay_summary(player).misses == 0


def test_the_schema_of_a_recorded_endpoint_has_the_id_of_the_called_host() -> None:
    served = request(b"", "/api/v1/schemas/ping", "GET").with_url(f"https://{RECORDED}/api/v1/schemas/ping")
    answer = response(200, [], orjson.dumps(build_schema("ping", f"https://{RECORDED}")))
    player = player_of(exchange(served, answer))
    player.call(request(b"", "/api/v1/schemas/ping", "GET"))

    assert player.told() == build_schema("ping", HOST)


def nowhere(asked: Request, status: int, at: float = 0) -> Exchange:
    """An exchange as an exporter leaves it that saves no headers of answers."""
    return msgspec.structs.replace(exchange(asked, Response(status=status, headers=[]), at), session="abc")


def test_a_recording_without_headers_still_replays() -> None:
    events = "/api/v1/sessions/abc/events"
    player = player_of(nowhere(request(start()), 201), nowhere(request(event("play", 1), events), 410, 1))
    sid = player.open()

    assert player.header("Location") == f"/api/v1/sessions/{sid}"
    assert player.header("Date") == "Mon, 23 Nov 2026 02:40:00 GMT"
    assert set(CORS_HEADERS) <= set(player.answer.response.headers if player.answer.response else [])
    assert player.send("play", 1) == 410
    assert set(CORS_HEADERS) <= set(player.answer.response.headers if player.answer.response else [])
    assert replay_summary(player).misses == 0


def test_a_location_that_is_missing_follows_the_path_that_was_called() -> None:
    player = player_of(nowhere(request(start()), 201))
    player.call(request(start(), "/va/api/v1/sessions/"))

    assert re.fullmatch(r"/va/api/v1/sessions/[0-9a-f]{64}", player.header("Location") or "")


def test_an_endpoint_that_sent_no_location_sends_none_again() -> None:
    player = player_of(exchange(request(start()), response(201)))

    assert player.call(request(start())) == 201
    assert player.header("Location") is None
