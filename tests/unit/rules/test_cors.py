"""A preflight whose answer does not allow what the browser asked for: the call never came."""

import msgspec
import pytest

from support.exchanges import exchange, opened, request, start
from support.sessions import run
from tapehead.protocol.exchange import Exchange, Severity
from tapehead.protocol.messages import Headers, Response

ORIGIN = "https://tv.example"
ALLOWED: Headers = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "OPTIONS,POST,PUT"),
    ("Access-Control-Allow-Headers", "Content-Type"),
]


def preflight(answered: Headers = ALLOWED, status: int = 200, **asked: str) -> Exchange:
    """A preflight of a page for a call with this Method and these Headers."""
    wanted = {"Method": "POST", "Headers": "content-type"} | asked
    headers = [(f"Access-Control-Request-{name}", value) for name, value in wanted.items() if value]
    asking = request(b"", method="OPTIONS").with_headers([("Origin", ORIGIN), *headers])
    return exchange(asking, Response(status=status, reason="", headers=answered))


def allowing(**headers: str) -> Headers:
    """The usual answer with other values: by the last word of a header's name; an empty one is left out."""
    changed = {name: headers.get(name.rpartition("-")[2], value) for name, value in ALLOWED}
    return [(name, value) for name, value in changed.items() if value]


def messages(asked: Exchange) -> list[str]:
    return [finding.message for result in run([asked]) for finding in result.findings if finding.rule == "cors-refused"]


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        (
            preflight(allowing(Origin="https://other.example")),
            "the origin 'https://tv.example' (it allows 'https://othe",
        ),
        (preflight(allowing(Origin="")), "the origin 'https://tv.example' (it allows none)"),
        (preflight(allowing(Origin="*, *")), "the origin 'https://tv.example' (it allows '*, *')"),
        (preflight(allowing(Methods="POST"), Method="PUT"), "the method PUT (it allows 'POST')"),
        (preflight(Headers="content-type, x-player"), "the headers 'x-player' (it allows 'Content-Type')"),
        (preflight(allowing(Headers="")), "the headers 'content-type' (it allows none)"),
        (preflight(allowing(Headers="*"), Headers="authorization"), "the headers 'authorization' (it allows '*')"),
    ],
)
def test_what_is_not_allowed_is_told_once(asked: Exchange, refused: str) -> None:
    (message,) = messages(asked)

    assert message.startswith(f"the call was not sent: the answer does not allow {refused}")


@pytest.mark.parametrize(
    "asked",
    [
        preflight(),
        preflight(status=204),
        preflight(allowing(Origin=ORIGIN)),
        preflight(allowing(Methods="")),
        preflight(allowing(Methods="*"), Method="PUT"),
        preflight(Headers=""),
        preflight(Headers="CONTENT-TYPE"),
        preflight(allowing(Headers="content-type,X-Player"), Headers="content-type,x-player"),
        preflight(allowing(Headers="*"), Headers="x-player"),
    ],
)
def test_what_is_allowed_is_no_finding(asked: Exchange) -> None:
    assert [result.findings for result in run([asked])] == []


def test_without_what_the_browser_asked_or_without_headers_nothing_is_known() -> None:
    assert messages(preflight(allowing(Origin=""), Method="")) == []
    assert messages(preflight([])) == []


def test_an_answer_that_is_refused_as_a_whole_is_one_mistake() -> None:
    (result,) = run([preflight(allowing(Origin=""), status=403)])

    assert [finding.rule for finding in result.findings] == ["rejected"]


def test_it_is_an_error_beside_the_session_that_did_come() -> None:
    came = opened("s1", start())
    refused = msgspec.structs.replace(preflight(Headers="x-player"), started=came.started)
    results = run([refused, came])

    found = [(each.rule, each.severity) for result in results for each in result.findings]
    assert found.count(("cors-refused", Severity.ERROR)) == 1
