"""Known values are found in any spelling, and only where it is not by chance."""

import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapehead.redaction.value_search import MOST_SPELT, MOST_VALUES, Search, replace, replace_cut, search_for

MAIL_17 = "jane.doe-17@example.com"
MAIL, LONG, PLAIN = "jane.doe@example.com", "sample-player", "player"
SEARCH = search_for([MAIL, LONG, PLAIN])


def add_identifying_keys(_: str) -> str:
    return "*"


def everywhere(text: str, search: Search = SEARCH) -> str:
    return replace(text.encode(), search.likely, add_identifying_keys).decode()


def escaped(value: str) -> str:
    return "".join(f"\\u{ord(each):04X}" for each in value)


def percent(value: str) -> str:
    return "".join(f"%{byte:02x}" for byte in value.encode())


SPELLINGS: dict[str, Callable[[str], str]] = {
    "itself": str,
    "upper case": str.upper,
    "percent": quote,
    "all percent": percent,
    "twice": lambda value: quote(quote(value)),
    "three times": lambda value: percent(quote(quote(value))),
    "JSON": escaped,
    "JSON in a query": lambda value: quote(escaped(value)),
    "HTML": lambda value: html.escape(value).replace("@", "&#64;").replace(".", "&#x2E;"),
}


@pytest.mark.parametrize("how", SPELLINGS)
def test_a_value_is_found_in_every_spelling(how: str) -> None:
    spelt = SPELLINGS[how](MAIL)

    assert everywhere(f"visitor {spelt}, {spelt}!") == "visitor *, *!"
    assert SEARCH.value_of(f' "{spelt}" '.encode()) == MAIL
    assert SEARCH.among(spelt.encode()) is not None


@pytest.mark.parametrize("values", [["jane.doe-17", MAIL_17], [MAIL_17, "jane.doe-17"]])
@pytest.mark.parametrize("spell", [str, quote, percent])
def test_of_values_within_one_another_the_longest_is_replaced(values: list[str], spell: Callable[[str], str]) -> None:
    spelt = f"a={spell(MAIL_17)}&b={spell('jane.doe-17')}&c"

    found = replace(spelt.encode(), search_for(values).likely, lambda value: f"<{value}>").decode()
    assert found == f"a=<{MAIL_17}>&b=<jane.doe-17>&c"


@pytest.mark.parametrize("value", ["Jürgen Müller 7", "ユーザー番号 7", "O'Neil + 7", 'a "b" \\7', "😀 smile 7"])
@pytest.mark.parametrize("spell", [str, quote, quote_plus, percent, lambda value: json.dumps(value)[1:-1]])
def test_values_of_all_kinds_are_found(value: str, spell: Callable[[str], str]) -> None:
    assert everywhere(f"a={spell(value)}&b", search_for([value])) == "a=*&b"


def test_a_header_may_spell_a_value_in_latin_1() -> None:
    search = search_for(["Jürgen-7"])

    assert replace("x Jürgen-7".encode("latin-1"), search.likely, add_identifying_keys) == b"x *"


@pytest.mark.parametrize("text", ["xjane.d@e.fr", "jane.d@e.fr7", "7jane.d@e.fr", "jane.d", "@e.fr"])
def test_what_goes_on_in_a_letter_or_digit_is_another_value(text: str) -> None:
    assert everywhere(text, search_for(["jane.d@e.fr"])) == text


def test_a_value_too_long_for_chance_is_found_within_a_word() -> None:
    assert everywhere(f"MCMID{MAIL}x") == "MCMID*x"


def test_a_long_value_is_found_where_nothing_is_told_only() -> None:
    assert LONG.encode() in SEARCH.likely
    assert LONG.encode() not in SEARCH.sure
    assert MAIL.encode() in SEARCH.sure


def test_a_plain_word_is_found_by_itself_only() -> None:
    assert everywhere("the player plays") == "the player plays"
    assert SEARCH.value_of(b"Player") == PLAIN
    assert SEARCH.value_of(b"players") is None


@pytest.mark.parametrize("value", ["", "a", "12345", "a@b.c"])
def test_a_short_value_is_not_looked_for(value: str) -> None:
    assert search_for([value]).among(value.encode()) is None


def test_what_only_might_identify_is_never_sure() -> None:
    search = search_for([], [MAIL])

    assert (list(search.sure), list(search.likely)) == ([], [MAIL.encode()])


def test_the_longer_of_two_values_goes_first() -> None:
    assert everywhere("a/user-1/house, user-1", search_for(["user-1", "user-1/house"])) == "a/*, *"


def test_an_escape_in_json_is_no_part_of_a_value() -> None:
    inner = rb"\nice-77 \u0041bc-77"
    found = replace(inner, search_for(["nice-77", "u0041bc-77"]).likely, add_identifying_keys, json=True)

    assert json.loads(b'"' + found + b'"') == json.loads(b'"' + inner + b'"')


def test_an_endless_value_is_found_by_its_beginning_and_replaced_to_its_end() -> None:
    value = "v-7" * MOST_SPELT
    search = search_for([value])

    assert everywhere(f"a {value}, {value[:-9]}!", search) == "a *, *!"
    assert search.value_of(value.encode()) == value


MANY = [f"customer-{number:06d}" for number in range(2 * MOST_VALUES)]


@pytest.mark.parametrize("value", [MANY[0], MANY[-1]])
@pytest.mark.parametrize("text", ["{}", "a={}", "by {}, who left", "%7B%22{}%22"])
def test_of_more_values_than_are_searched_for_one_by_one_each_is_found(value: str, text: str) -> None:
    search = search_for(MANY, ["longer-than-others-" + "x" * 60 + "-4711", "ab-12"])

    assert search.among(b"by customer-002000") is None
    assert replace(text.format(value).encode(), search.sure, lambda _: "*").decode() == text.format("*")
    among = search.among(text.format(value).encode())
    assert among is not None
    assert among.value_of(value.encode()) == value


def test_a_text_with_more_values_than_can_be_replaced_is_replaced_as_a_whole() -> None:
    text = " ".join(MANY).encode()

    assert replace(b"by " + text, search_for(MANY).sure, lambda _: "*") == b"*"


def test_many_short_values_are_found() -> None:
    search = search_for([f"{number:04d}" for number in range(2 * MOST_VALUES)])

    assert replace(b"from 1999 on", search.every, lambda _: "*") == b"from * on"


@pytest.mark.parametrize("text", ['x is "jane.doe@e...; expected', "no visitor jane.doe@exam", "jane.d..."])
def test_what_was_cut_is_found(text: str) -> None:
    cut = replace_cut(text.encode(), SEARCH.likely, add_identifying_keys).decode()

    assert "jane" not in cut
    assert cut == text.replace(text[text.index("jane") :].split("...")[0], "*")


def test_what_is_too_short_for_a_cut_value_stays() -> None:
    assert replace_cut(b"jane....", SEARCH.likely, add_identifying_keys) == b"jane...."


@given(st.text(), st.text())
def test_nothing_is_found_in_other_texts(text: str, other: str) -> None:
    assert everywhere(text + other) == text + other


@given(st.binary(), st.booleans())
def test_any_bytes_can_be_searched(content: bytes, json: bool) -> None:
    around = content + b" " + MAIL.encode() + b" " + content

    assert SEARCH.among(around) is not None
    assert SEARCH.value_of(content) in (None, MAIL, LONG, PLAIN)
    assert MAIL.encode() not in replace(around, SEARCH.likely, add_identifying_keys, json=json)


@pytest.mark.parametrize("value", ["", "\\u", "%"])
def test_a_value_that_is_empty_is_nowhere(value: str) -> None:
    search = search_for([value, MAIL], [value, "x"])

    assert b"" not in search.every
    assert replace(f"to {MAIL}".encode(), search.every, add_identifying_keys) == b"to *"
