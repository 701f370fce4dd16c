"""What identifies a person or a device is replaced wherever it stands, and nothing else changes by a byte."""

import functools
import re
import time
from collections.abc import Callable

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import START, exchange, request, response, start, start_with
from tapehead.protocol.content_coding import encode_content
from tapehead.protocol.exchange import Exchange, Finding, Severity, encode
from tapehead.protocol.messages import Response
from tapehead.protocol.parameters import PARAMETERS, PLACEHOLDER
from tapehead.redaction.identifiers import redact_body
from tapehead.redaction.identifying_headers import PERSON_HEADERS
from tapehead.redaction.identifying_keys import IdentifyingKeys
from tapehead.redaction.redactor import PREFIX, Redactor

REDACTOR = Redactor(b"a key")
SECRET = "jane.doe@example.com"
STANDS = REDACTOR.pseudonym(SECRET)
ECID = "12345678901234567890123456789012345678"

# The facts, not the table: what spec and reference call identifying.
PERSON_KEYS = (
    "analytics.visitorId",
    "analytics.aid",
    "visitor.marketingCloudUserId",
    "visitor.customerIDs",
    "appInstallationId",
)


def _redacted(content: bytes) -> bytes:
    return redact_body(content, IdentifyingKeys(), REDACTOR.pseudonym)


def _identifiers(content: bytes) -> list[str]:
    """The values in a body that identify somebody."""
    found: list[str] = []

    def note(value: str) -> str:
        found.append(value)
        return value

    redact_body(content, IdentifyingKeys(), note)
    return found


def _stands_for(template: bytes) -> None:
    """The secret in the template is replaced, and nothing else."""
    before, after = template.replace(b"SECRET", SECRET.encode()), template.replace(b"SECRET", STANDS.encode())
    assert _redacted(before) == after


def _of(body: object, answered: Response | None = None, path: str = "/api/v1/sessions", **headers: str) -> Exchange:
    return REDACTOR.redact(exchange(request(body, path, **headers), answered or response(201)))


def _visitor() -> dict[str, object]:
    return start_with({"analytics.visitorId": SECRET})


def test_the_table_marks_who_is_identified() -> None:
    assert {row.key for row in PARAMETERS if row.person} == set(PERSON_KEYS)


@pytest.mark.parametrize("key", PERSON_KEYS)
def test_each_identifying_parameter_is_replaced(key: str) -> None:
    _stands_for(b'{"a":"kept","KEY": "SECRET" ,"b":1.00}'.replace(b"KEY", key.encode()))


@pytest.mark.parametrize("key", sorted({row.key for row in PARAMETERS} - set(PERSON_KEYS)))
def test_no_other_parameter_is_replaced(key: str) -> None:
    content = orjson.dumps({"params": {key: SECRET}})

    assert _redacted(content) == content


# Bodies in which SECRET stands for an identifying value.
TEMPLATES = {
    "nested": rb'{"params":{"visitor.customerIDs":{"puuid":{"id":"SECRET","authState":1},"x":{"id":"SECRET"}}}}',
    "authState kept": rb'{"visitor.customerIDs":{"puuid":{"authState":2,"id":"SECRET"}},"authState":"1"}',
    "nested deeper": rb'{"visitor.customerIDs":{"a":{"b":[["SECRET"],{"c":"SECRET"}]}},"c":"kept"}',
    "array": rb'{"analytics.aid":["SECRET",null,true,"SECRET"],"media.id":["kept"]}',
    "escaped key": rb'{"\u0061nalytics.aid":"SECRET","analytics\u002evisitorId":"SECRET","\u0061":"kept"}',
    "duplicate keys": rb'{"analytics.aid":"SECRET","analytics.aid":"SECRET","media.id":"kept","media.id":"kept"}',
    "odd spacing": b'{\t"analytics.aid"\r\n :\n"SECRET"\t}\n',
    "numbers' spelling": rb'{"analytics.aid":"SECRET","ts":1.50e+10,"playhead":-0.0,"length":1E2}',
    "array of events": rb'[{"params":{"analytics.aid":"SECRET"}},{"media.id":"kept"},{"analytics.aid":"SECRET"}]',
    "key as a value": rb'{"media.id":"analytics.aid","x":["analytics.aid","kept"],"analytics.aid":"SECRET"}',
    "escaped quotes": rb'{"media.id":"\",\"analytics.aid\":\"kept","analytics.aid":"SECRET"}',
    "cut behind the value": rb'{"params":{"analytics.aid":"SECRET"',
    "no body of ours": rb'{"deep":{"deeper":[{"analytics.aid":"SECRET"}]}}',
}


@pytest.mark.parametrize("what", TEMPLATES)
def test_only_the_bytes_of_the_value_change(what: str) -> None:
    _stands_for(TEMPLATES[what])


def test_a_value_cut_short_is_replaced() -> None:
    redacted = _redacted(b'{"media.id":"kept","analytics.aid":"' + SECRET[:-3].encode())

    assert redacted.startswith(b'{"media.id":"kept","analytics.aid":"pseudonym-')
    assert b"jane" not in redacted


@pytest.mark.parametrize("behind", [b'{"media.id":"kept"}', b"kept", b'"kept"', b"[1]", b'\n{"x":{"y":1}}'])
def test_what_follows_an_object_stays(behind: bytes) -> None:
    _stands_for(b'{"analytics.aid":"SECRET"} ' + behind)


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"12", b'"analytics.aid"', b"{}", b"[", b'"', b"\xff\xfe", b'{"analytics.aid":', b"\x00" * 9],
)
def test_a_body_without_identifiers_stays(content: bytes) -> None:
    assert _redacted(content) == content
    assert _identifiers(content) == []


def test_identifiers_are_told_unescaped() -> None:
    content = (
        rb'{"analytics.aid":"\u00fc\"","visitor.customerIDs":{"a":{"id":"b","authState":1}},"analytics.visitorId":17}'
    )

    assert _identifiers(content) == ['ü"', "b", "17"]


@given(st.text(min_size=1), st.binary(min_size=1))
def test_a_value_has_one_pseudonym_with_a_key(value: str, key: bytes) -> None:
    pseudonym = Redactor(key).pseudonym(value)
    assert Redactor(key).pseudonym(value) == pseudonym
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", value):
        assert re.sub("[0-9]", "0", pseudonym) == re.sub("[0-9]", "0", value)
    elif not PLACEHOLDER.fullmatch(value):
        assert re.fullmatch(r"pseudonym-[0-9a-f]{16}", pseudonym)
        assert Redactor(key).pseudonym(pseudonym) == pseudonym


def test_other_values_and_keys_have_other_pseudonyms() -> None:
    pseudonyms = {Redactor(key).pseudonym(value) for key in (b"1", b"2") for value in ("a", "b", ECID, ECID[::-1])}

    assert len(pseudonyms) == 8


def test_a_pseudonym_says_that_it_is_one() -> None:
    assert re.fullmatch(rf"{PREFIX}[0-9a-f]{{16}}", STANDS)


@given(st.from_regex(r"[0-9]{1,78}", fullmatch=True))
def test_digits_stay_digits_of_the_same_length(value: str) -> None:
    pseudonym = REDACTOR.pseudonym(value)

    assert pseudonym.isdigit()
    assert len(pseudonym) == len(value)


def test_an_ecid_stays_an_ecid() -> None:
    assert re.fullmatch(r"[0-9]{38}", REDACTOR.pseudonym(ECID))
    assert REDACTOR.pseudonym(ECID) != ECID


@pytest.mark.parametrize(
    "value", ["", " ", "N/A", "null", "undefined", "<your-userId>", "[YOUR_ID]", "[object Object]"]
)
def test_placeholders_identify_nobody_and_stay(value: str) -> None:
    assert REDACTOR.pseudonym(value) == value
    assert _redacted(orjson.dumps({"analytics.aid": value})) == orjson.dumps({"analytics.aid": value})


def test_redacting_twice_changes_nothing_more() -> None:
    once = _redacted(TEMPLATES["nested"])

    assert _redacted(once) == once


def test_words_of_json_stay() -> None:
    content = b'{"analytics.aid":null,"analytics.visitorId":true,"visitor.customerIDs":false}'

    assert _redacted(content) == content


def test_a_number_stays_a_number() -> None:
    for number in range(200):
        redacted = orjson.loads(_redacted(b'{"analytics.aid":%d}' % number))
        assert isinstance(redacted["analytics.aid"], int)


@pytest.mark.parametrize("number", ["12345678901234567890", "-5", "1.5e3", "1234567"])
def test_a_number_that_identifies_is_replaced(number: str) -> None:
    redacted = _redacted(b'{"analytics.aid":%s}' % number.encode())

    assert number.encode() not in redacted
    assert isinstance(orjson.loads(redacted)["analytics.aid"], int | float)


@pytest.mark.parametrize("name", ["Cookie", "authorization", "Proxy-Authorization", "X-Forwarded-For", "FORWARDED"])
def test_headers_that_identify_are_replaced(name: str) -> None:
    redacted = REDACTOR.redact(exchange(request(b"{}", **{name: SECRET}, X_Kept="kept"), None)).request

    assert redacted.header(name) == STANDS
    assert redacted.header("X-Kept") == "kept"


def test_cookies_that_are_set_are_replaced() -> None:
    redacted = _of(b"{}", response(201, [("Set-Cookie", SECRET)])).response

    assert redacted
    assert redacted.header("Set-Cookie") == STANDS
    assert "set-cookie" in PERSON_HEADERS


PLACES: dict[str, Callable[[str], Exchange]] = {
    "url": lambda value: _of(_visitor(), path=f"/api/v1/sessions?id={value}"),
    "header": lambda value: _of(_visitor(), Referer=f"https://example.com/?user={value}"),
    "answer": lambda value: _of(_visitor(), response(400, [], f'{{"message": "no visitor {value}"}}'.encode())),
    "answer's header": lambda value: _of(_visitor(), response(201, [("X-Visitor", value)])),
    "elsewhere in the body": lambda value: _of(_visitor() | {"customMetadata": {"user": value}}),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_identifier_is_replaced_wherever_it_stands(place: str) -> None:
    line = encode(PLACES[place](SECRET))

    assert SECRET.encode() not in line
    assert line.count(STANDS.encode()) == 2


@pytest.mark.parametrize("place", PLACES)
def test_other_values_there_stay(place: str) -> None:
    assert b"john.doe@example.org" in encode(PLACES[place]("john.doe@example.org"))


def test_findings_are_redacted_too() -> None:
    finding = Finding("rejected", Severity.ERROR, "", f"the endpoint answered 400: no visitor {SECRET}")
    whole = msgspec.structs.replace(exchange(request(_visitor()), response(400)), findings=[finding])

    assert REDACTOR.redact(whole).findings[0].message == f"the endpoint answered 400: no visitor {STANDS}"


def test_short_identifiers_are_not_searched_elsewhere() -> None:
    body = start_with({"analytics.visitorId": "clip", "media.id": "clip-1"})
    params = orjson.loads(_of(body).request.content())["params"]

    assert params["media.id"] == "clip-1"
    assert params["analytics.visitorId"] == REDACTOR.pseudonym("clip")


def test_an_identifier_within_another_leaves_nothing_of_it() -> None:
    for number in range(30):
        short, long = f"{SECRET}/{number}", f"{SECRET}/{number}/household"
        body = start_with({"analytics.visitorId": short, "analytics.aid": long})
        assert "household" not in _of(body, path=f"/api/v1/sessions?aid={long}").request.url


def test_an_identifier_in_a_url_is_found_encoded() -> None:
    redacted = _of(_visitor(), path="/api/v1/sessions?user=jane.doe%40example.com")

    assert "jane.doe" not in redacted.request.url


def test_digits_within_a_number_are_no_identifier() -> None:
    body = start_with({"analytics.visitorId": "795401"})

    assert orjson.loads(_of(body).request.content())["playerTime"] == body["playerTime"]


def test_a_customer_id_named_like_its_state_is_replaced() -> None:
    _stands_for(rb'{"visitor.customerIDs":{"authState":{"id":"SECRET","authState":1}}}')


def test_a_body_that_would_not_unpack_is_searched_as_it_came() -> None:
    asked = request(b"").with_content(orjson.dumps(_visitor()), coded=True)
    redacted = REDACTOR.redact(exchange(asked, None)).request

    assert redacted.coded
    assert redacted.content() == _redacted(orjson.dumps(_visitor()))


def test_an_exchange_without_identifiers_stays_as_it_is() -> None:
    params = {key: value for key, value in START.items() if key not in PERSON_KEYS}
    whole = exchange(request(start(params=params), X_Odd="\xff"), response(400, [], b'{"message":"no"}'), 1.5)

    assert encode(REDACTOR.redact(whole)) == encode(whole)


@given(st.binary())
def test_any_bytes_can_be_redacted(content: bytes) -> None:
    named = b'{"analytics.aid":"jane.doe-17","x":"jane.doe-17",' + content
    whole = REDACTOR.redact(exchange(request(named), response(400, [], content + b" jane.doe-17 " + content)))

    assert whole.response is not None
    assert b"jane.doe-17" not in whole.request.content() + whole.response.content()
    assert _redacted(rb"{\u" + content).startswith(rb"{\u")


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "open brackets": lambda size: b'{"analytics.aid":' + b"[" * size,
    "open objects": lambda size: b'{"analytics.aid":' * (size // 16),
    "open quotes": lambda size: rb'"analytics.aid"' + b'"' * size,
    "backslashes": lambda size: rb'{"analytics.aid":"' + b"\\" * size,
    "escaped quotes": lambda size: rb'{"analytics.aid":"' + rb"\"" * (size // 2),
    "one word": lambda size: b'{"analytics.aid":' + b"x" * size,
    "blanks": lambda size: b'{"analytics.aid":' + b" " * size,
    "separators": lambda size: b'{"analytics.aid":' + b",:" * (size // 2),
    "escapes": lambda size: rb'{"analytics.aid":"' + rb"\u0061" * (size // 6) + b'"}',
    "closing brackets": lambda size: b'{"analytics.aid":1' + b"}]" * (size // 2),
}


def _least_seconds(work: Callable[[], object]) -> float:
    def once() -> float:
        began = time.thread_time()
        work()
        return time.thread_time() - began

    return min(once() for _ in range(3))


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_bodies_take_linear_time(what: str) -> None:
    contents = [HOSTILE[what](size) for size in (25_000, 200_000)]
    small, large = (_least_seconds(functools.partial(_redacted, content)) for content in contents)

    # Eight times the size; were the time quadratic, it would be sixty-four times as long.
    assert large < 30 * small + 0.001


def test_many_identifiers_take_linear_time() -> None:
    many = ({f"n{number}": {"id": f"customer-{number:06d}"} for number in range(count)} for count in (500, 8000))
    wholes = [exchange(request(start_with({"visitor.customerIDs": ids})), None) for ids in many]
    small, large = (_least_seconds(functools.partial(REDACTOR.redact, whole)) for whole in wholes)

    # Sixteen times the size.
    assert large < 32 * small + 0.001


@pytest.mark.parametrize("word", ["player", "playerTime", "sessions", "sample", "media.id"])
def test_an_identifier_that_is_a_plain_word_changes_nothing_else(word: str) -> None:
    body = start_with({"analytics.visitorId": word, "media.channel": f"{word} channel"})
    redacted = _of(body)

    assert redacted.request.url == _of(_visitor()).request.url
    assert orjson.loads(redacted.request.content())["playerTime"] == body["playerTime"]
    params = orjson.loads(redacted.request.content())["params"]
    assert {key for key in params if params[key] != body["params"][key]} <= set(PERSON_KEYS)
    assert params["analytics.visitorId"] == REDACTOR.pseudonym(word)


def test_an_identifier_as_a_key_is_replaced() -> None:
    body = start_with({"analytics.visitorId": "visitor-1"}) | {"customMetadata": {"visitor-1": "visitor-1"}}
    metadata = orjson.loads(_of(body).request.content())["customMetadata"]

    assert metadata == {REDACTOR.pseudonym("visitor-1"): REDACTOR.pseudonym("visitor-1")}


def test_a_key_in_another_case_identifies_as_well() -> None:
    _stands_for(b'{"analytics.visitorid":"SECRET"}')


@pytest.mark.parametrize("key", ["media.ad.id", "media.name", "media.ad.length"])
def test_an_unmistakable_word_is_found_where_it_is_told_what_plays(key: str) -> None:
    whole = "JANEDOEFROMSPRINGFIELD"
    body = start_with({"analytics.visitorId": whole, key: f"for {whole}"}) | {"eventType": whole}

    assert b"JANEDOE" not in _of(body).request.content()


@pytest.mark.parametrize("cut", [1, 6, 15])
def test_an_answer_that_cuts_an_identifier_shows_nothing_of_it(cut: int) -> None:
    whole = "JANEDOEFROMSPRINGFIELD"
    message = f'eventType is \\"{whole[:-cut]}..., which is not documented; it is {whole[:-cut]}...'
    answered = response(400).with_content(b'{"message":"%s"}' % message.encode())
    answer = _of(start_with({"analytics.visitorId": whole}), answered).response

    assert answer
    stands = REDACTOR.pseudonym(whole)
    assert orjson.loads(answer.content())["message"].count(f"{stands}...") == 2
    assert b"JANE" not in answer.content()


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip"])
@pytest.mark.parametrize("kept", [1, 0.7])
def test_a_packed_body_that_does_not_say_so_is_not_stored(coding: str, kept: float) -> None:
    body = start_with({"analytics.visitorId": SECRET, "media.name": "a film " * 20, "media.id": ECID})
    packed = encode_content(orjson.dumps(body), coding)
    stored = REDACTOR.redact(exchange(request(packed[: int(len(packed) * kept)]), None)).request.content()

    assert re.fullmatch(rb"pseudonym-[0-9a-f]{16}", stored)
