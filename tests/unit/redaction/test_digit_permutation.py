"""Pseudonyms of digits: as many digits, never twice the same, never the value itself, the same with the same key."""

from itertools import pairwise

import orjson
import pytest

from support.exchanges import event, exchange, request, response
from tapehead.redaction.digit_permutation import MOST_DIGITS, permute_digits
from tapehead.redaction.redactor import Redactor

REDACTOR = Redactor(b"a key")


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_all_strings_of_a_length_are_permuted(size: int) -> None:
    values = [f"{number:0{size}d}" for number in range(10**size)]

    assert sorted(map(REDACTOR.pseudonym, values)) == values
    assert [value for value in values if REDACTOR.pseudonym(value) == value] == (["0"] if size == 1 else [])


@pytest.mark.parametrize("size", [5, 6, 9, 13, 16, MOST_DIGITS, MOST_DIGITS + 1, 38])
def test_two_thousand_ids_have_as_many_pseudonyms(size: int) -> None:
    values = [f"4711{number:0{size - 4}d}"[:size] for number in range(min(2_000, 10 ** (size - 4)))]
    pseudonyms = {REDACTOR.pseudonym(value) for value in values}

    assert len(pseudonyms) == len(set(values))
    assert {len(each) for each in pseudonyms} == {size}
    assert pseudonyms.isdisjoint(values) or size < 8


def test_pseudonyms_are_stable_for_a_key_and_follow_no_order() -> None:
    ordered = [REDACTOR.pseudonym(str(number)) for number in range(100_000, 100_200)]

    assert [permute_digits(b"a key", str(number)) for number in range(100_000, 100_200)] == ordered
    assert ordered != sorted(ordered)
    assert set(ordered) != {Redactor(b"another key").pseudonym(str(number)) for number in range(100_000, 100_200)}
    assert len({int(b) - int(a) for a, b in pairwise(ordered)}) > 190


@pytest.mark.parametrize("number", ["4711", "90000000000000000001", "31415926535897932384626433832795028841"])
def test_a_number_has_the_pseudonym_of_the_string_of_its_digits(number: str) -> None:
    for turn in range(30):
        value = f"{number[:-2]}{turn + 10}"
        body = b'{"params":{"analytics.visitorId":%s,"analytics.aid":"%s"}}' % (value.encode(), value.encode())
        stored = REDACTOR.redact(exchange(request(body), response(201))).request.content()
        stands = REDACTOR.pseudonym(value).encode()
        assert stored == b'{"params":{"analytics.visitorId":%s,"analytics.aid":"%s"}}' % (stands, stands)


@pytest.mark.parametrize("number", ["-5", "1.5e3", "0.25", "3.1415926535897932e+37", "12.75"])
def test_other_numbers_keep_their_form_and_differ(number: str) -> None:
    body = b'{"analytics.aid":%s}' % number.encode()
    stored = REDACTOR.redact(exchange(request(body), response(201))).request.content()

    assert stored != body
    assert len(stored) == len(body)
    assert isinstance(orjson.loads(stored)["analytics.aid"], int | float)


def test_a_float_that_was_an_ecid_is_none_in_metadata_either() -> None:
    body = event("sessionStart", customMetadata={"n": 1})
    content = orjson.dumps(body).replace(b'"n":1', b'"n":3.1415926535897932e+37,"m":1.5e+10')
    stored = REDACTOR.redact(exchange(request(content), response(201))).request.content()

    assert b"3.14159" not in stored
    assert b'"m":1.5e+10' in stored
    assert stored.replace(REDACTOR.pseudonym("3.1415926535897932e+37").encode(), b"3.1415926535897932e+37") == content
