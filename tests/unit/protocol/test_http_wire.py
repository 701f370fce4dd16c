"""Headers of edited recordings on the wire: only what HTTP can carry is sent."""

import pytest

from support.exchanges import response
from tapehead.protocol.http_wire import header_bytes, pack, reason_bytes
from tapehead.protocol.messages import Response
from tapehead.proxy.flows import to_mitmproxy


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("X-Note", "fine", [(b"X-Note", b"fine")]),
        ("X-Note", "\xe9", [(b"X-Note", b"\xe9")]),
        ("X-Note", "a \u20ac", [(b"X-Note", b"a ?")]),
        ("X-Note", "a\r\nSet-Cookie: b\0", [(b"X-Note", b"a  Set-Cookie: b ")]),
        ("X-Note", "a\tb", [(b"X-Note", b"a\tb")]),
        ("X Note", "a", []),
        ("X-Note:", "a", []),
        ("\ufeffX", "a", []),
        ("", "a", []),
        ("Content-Length", "7", []),
    ],
)
def test_headers_are_sent_as_far_as_they_can_be(name: str, value: str, sent: list[tuple[bytes, bytes]]) -> None:
    assert header_bytes([(name, value)]) == sent


def test_a_reason_is_one_line() -> None:
    assert reason_bytes(Response(status=200, reason="O\u212a\r\n", headers=[])) == b"O?  "


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_gets_none(status: int) -> None:
    odd = response(status, [], b"more")

    assert pack(odd) == b""
    assert to_mitmproxy(odd).raw_content == b""
    assert pack(response(200, [], b"more")) == b"more"
