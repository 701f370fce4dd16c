"""Where identifiers stand, in bodies however broken, in queries, forms and headers: they go, and not a byte else."""

import base64
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import pytest

from tapehead.redaction.identifiers import parts_of_header, redact_body, redact_text
from tapehead.redaction.identifying_keys import IdentifyingKeys

SECRET = "jane.doe@example.com"
NAMES = IdentifyingKeys(["userId", "X-Who", "größe", "kid"])


def stand_in(value: str) -> str:
    """Show a value that is cut wrongly."""
    if value in (SECRET, "jane", "jane.doe", "SOMEBODY"):
        return "SOMEBODY"
    return f"CUT {value}" if "jane" in value or "SOMEBODY" in value else value


def in_body(content: bytes) -> bytes:
    return redact_body(content, NAMES, stand_in)


def assert_hidden(template: bytes) -> None:
    """The secret in the template is replaced, and nothing else."""
    assert in_body(template.replace(b"SECRET", SECRET.encode())) == template.replace(b"SECRET", b"SOMEBODY")


BODIES = {
    "a named key": b'{"customMetadata":{"userId":"SECRET","other":"kept"}}',
    "a named key in another case": b'{"USERID":"SECRET","user":"kept"}',
    "a named key beyond ASCII": '{"GRÖSSE":"kept","Größe":"SECRET","x":"kept"}'.encode(),
    "a named key beyond ASCII in another case": '{"GrÖße":"SECRET","x":"kept"}'.encode(),
    "a named key with another letter's lower case": '{"\u212aid":"SECRET","x":"kept"}'.encode(),
    "a query in a string as the body": b'"a=1&userId=SECRET"',
    "a named key escaped": rb'{"\u0075serId":"SECRET","x":"kept"}',
    "objects and arrays under a named key": b'{"userId":[{"a":"SECRET"},["SECRET",1.50]],"x":"kept"}',
    "a flattened key": b'{"visitor.customerIDs.puuid.id":"SECRET","visitor.customerIDs[puuid][authState]":1}',
    "a key with blanks": b'{" userId ":"SECRET"}',
    "JSON in a string": rb'{"x":"{\"userId\":\"SECRET\",\"y\":1.50}","z":"kept"}',
    "a string of JSON as the body": rb'"{\"userId\":\"SECRET\",\"y\":1.50}"',
    "a body escaped once too often": rb"{\"userId\":\"SECRET\",\"y\":1.50}",
    "that and cut": rb"{\"x\":1,\"userId\":\"SECRET\",\"y",
    "a URL in a string": b'{"page":"https://example.com/?a=1&userId=SECRET&b=2","x":"kept"}',
    "single quotes": b"{'userId': 'SECRET', 'x': 'kept'}",
    "no quotes": b"{userId: SECRET, x: kept}",
    "a quote too many before": b'{"media.name":"12" screen","userId":"SECRET","x":"kept"}',
    "a quote too few before": b'{"media.name":"12,"userId":"SECRET","x":"kept"}',
    "a backslash before": rb'{"path":"C:\","userId":"SECRET","x":"kept"}',
    "a quote too many before an object": b'{"x":"a"b","visitor.customerIDs":{"p":{"id":"SECRET"}},"x":"kept"}',
    "a form": b"a=1&userId=SECRET&b=2",
    "several lines of JSON": b'{"userId":"SECRET"}\n{"userId":"SECRET","x":"kept"}\n',
    "a byte order mark": b'\xef\xbb\xbf{"userId":"SECRET","x":"kept"}',
    "NUL behind": b'{"userId":"SECRET","x":"kept"}\x00',
}


@pytest.mark.parametrize("what", BODIES)
def test_only_the_bytes_of_the_value_change(what: str) -> None:
    assert_hidden(BODIES[what])


PARTS = """--b-17\r
Content-Disposition: form-data; name="userId"\r
\r
SECRET\r
--b-17\r
Content-Disposition: form-data; name=data; filename="userId"\r
Content-Type: application/json\r
\r
{"user_id":"SECRET","n":1.50}\r
--b-17\r
Content-Disposition: form-data; name="x"\r
\r
kept\r
--b-17--\r
"""
MORE_BODIES = {
    "nested keys": b'{"visitor":{"marketingCloudUserId":"SECRET","x":"kept"},"analytics":{"aid":"SECRET"},"aid":"x"}',
    "keys nested deeper": b'{"visitor":{"ids":[{"marketingCloudUserId":"SECRET"}]},"x":"kept"}',
    "keys with underscores": b'{"analytics_visitorId":"SECRET","visitor_marketing_cloud_user_id":"SECRET","x_aid":"x"}',
    "keys in camel case": b'{"analyticsVisitorId":"SECRET","visitorId":"SECRET","user-id":"SECRET","useridea":"kept"}',
    "flattened with underscores": b'{"visitor_customerIDs_puuid_id":"SECRET","x":"kept"}',
    "other names of an ECID": b'{"ecid":"SECRET","MCMID":"SECRET","d_mid":"SECRET","mid":"kept"}',
    "a longer one": b'{"marketingCloudVisitorID":"SECRET","x":"kept"}',
    "an identity map": b'{"identityMap":{"ECID":[{"id":"SECRET","primary":true}]},"x":"kept"}',
    "without quotes, with underscores": b"{analytics_visitor_id: SECRET, x: kept}",
    "a form with brackets": b"a=1&analytics[visitorId]=SECRET&user_id=SECRET&b=2",
    "a form with encoded brackets": b"a=1&analytics%5Baid%5D=SECRET&b=2",
    "a link of Adobe's": b'{"page":"https://example.com/?x=1&adobe_mc=TS=17|MCMID=SECRET|MCORGID=A@AdobeOrg|MCAID=SECRET&y=2"}',
    "JSON in JSON in JSON": rb'{"x":"{\"y\":\"{\\\"userId\\\":\\\"SECRET\\\",\\\"n\\\":1.50}\"}","z":"kept"}',
    "a form of parts": PARTS.encode(),
    "a form of parts with plain line breaks": PARTS.replace("\r", "").encode(),
}


@pytest.mark.parametrize("what", MORE_BODIES)
def test_other_spellings_of_keys_identify_as_well(what: str) -> None:
    assert_hidden(MORE_BODIES[what])


@pytest.mark.parametrize(
    "encode", [base64.b64encode, base64.urlsafe_b64encode, lambda raw: base64.b64encode(raw).rstrip(b"=")]
)
@pytest.mark.parametrize("template", [b"%s", b'{"x":"%s","y":1.50}', b"a=1&x=%s", b'"%s"'])
def test_json_in_base64_is_read(template: bytes, encode: Callable[[bytes], bytes]) -> None:
    before, after = (
        template % encode(b'{"userId":"%s","x":"\xc3\xbf?>~kept"}' % who) for who in (SECRET.encode(), b"SOMEBODY")
    )

    # In a query, `=` and others may be encoded anew.
    assert unquote_to_bytes(in_body(before)) == after
    assert in_body(template % encode(b'{"user":"jane","n":1.50}')) == template % encode(b'{"user":"jane","n":1.50}')


KEPT = [
    b'{"aid":"jane","mid":"jane","analytics":{"x":{"aid":"jane"}},"visitor":"jane"}',
    b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\nuserId jane\r\n--b--",
    b'{"user":"jane","userIds":"jane","myuserId":"jane"}',
    b'{"x":"userId","y":["userId","jane"]}',
    b'{"visitor.customerIDsExtra":"jane"}',
    rb'{"x":"\",\"userId\":\"jane"}',
    b"userid jane",
]


@pytest.mark.parametrize("content", KEPT)
def test_what_only_looks_like_a_named_key_stays(content: bytes) -> None:
    assert in_body(content) == content


def test_a_documented_parameter_belongs_to_no_shorter_name() -> None:
    content = b'{"media.name":"jane","media.id":"jane"}'

    assert redact_body(content, IdentifyingKeys(["media"]), stand_in) == content
    assert (
        redact_body(content, IdentifyingKeys(["media.id"]), stand_in) == b'{"media.name":"jane","media.id":"SOMEBODY"}'
    )


@pytest.mark.parametrize(("state", "kept"), [(b"0", True), (b"2", True), (b"7", False), (b"123456789", False)])
def test_a_state_of_authentication_is_none_but_the_documented(state: bytes, kept: bool) -> None:
    content = b'{"visitor.customerIDs":{"a":{"authState":%s}}}' % state

    assert (redact_body(content, NAMES, lambda _: "555") == content) == kept


def test_an_empty_name_names_nothing() -> None:
    content = b'{"":"jane","x":"jane"}'

    assert redact_body(content, IdentifyingKeys(["", " "]), stand_in) == content


URLS = {
    "https://example.com/?userId=SECRET": "https://example.com/?userId=SOMEBODY",
    "https://example.com/?a=1&USERID=jane%2Edoe&b=2": "https://example.com/?a=1&USERID=SOMEBODY&b=2",
    "/?user%49d=SECRET#x": "/?user%49d=SOMEBODY#x",
    "/?a=1;userId=SECRET": "/?a=1;userId=SOMEBODY",
    "/?visitor.customerIDs%5Bp%5D%5Bid%5D=SECRET": "/?visitor.customerIDs%5Bp%5D%5Bid%5D=SOMEBODY",
    "/#access&userId=SECRET": "/#access&userId=SOMEBODY",
    "https://jane:password@example.com/x": "https://SOMEBODY:password@example.com/x",
    "/?next=https%3A%2F%2Fx.com%2F%3FuserId%3Djane": "/?next=https%3A%2F%2Fx.com%2F%3FuserId%3DSOMEBODY",
    "/?next=https://x.com/?userId=jane": "/?next=https://x.com/?userId=SOMEBODY",
    "/?data=%7B%22userId%22%3A%22jane%22%7D": "/?data=%7B%22userId%22%3A%22SOMEBODY%22%7D",
    "see https://x.com/?userId=SECRET for more": "see https://x.com/?userId=SOMEBODY for more",
    "/?user=SECRET&x=userId": "/?user=SECRET&x=userId",
    "/userId=/SECRET": "/userId=/SECRET",
    "/?userId=&x=SECRET": "/?userId=&x=SECRET",
    "jane@example.com = userId": "jane@example.com = userId",
}


@pytest.mark.parametrize("url", URLS)
def test_a_query_loses_the_values_of_its_identifying_keys(url: str) -> None:
    assert redact_text(url.replace("SECRET", SECRET), NAMES, stand_in) == URLS[url].replace("SECRET", SECRET)


@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        ("Cookie", "a=b; uid=jane%40example.com; AMCV=x%7CMCMID%7C77", {"b", "jane@example.com", "77"}),
        ("Set-Cookie", "uid=jane; Path=/watch; Domain=example.com", {"jane"}),
        ("X-Forwarded-For", "203.0.113.7, 2001:db8::1", {"203.0.113.7", "2001:db8::1"}),
        ("Forwarded", 'for="[2001:db8::1]:80";by=203.0.113.7', {"[2001:db8::1]:80", "203.0.113.7"}),
        ("Authorization", "Bearer abc.def", {"abc.def"}),
    ],
)
def test_a_header_carries_values(name: str, value: str, parts: set[str]) -> None:
    carried = parts_of_header(name, value)

    assert parts <= carried
    assert value in carried
    assert {"/watch", "example.com"}.isdisjoint(carried)
