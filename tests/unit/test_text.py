"""Plurals, numbers, escaped control characters, suggestions and shortened values."""

import json
import re

import pytest

from support.paths import ROOT
from tapehead.text import (
    count_of,
    escape_controls,
    escape_output,
    format_number,
    json_type,
    json_type_of,
    nearest,
    quote,
    shorten,
    shorten_value,
)


@pytest.mark.parametrize(
    ("count", "nouns", "grouped", "counted"),
    [
        (1, ("miss", "misses"), False, "1 miss"),
        (0, ("hit",), False, "0 hits"),
        (1200, ("body", "bodies"), False, "1200 bodies"),
        (1200, ("error",), True, "1,200 errors"),
    ],
)
def test_count_of_puts_the_noun_into_its_number(
    count: int, nouns: tuple[str, ...], counted: str, *, grouped: bool
) -> None:
    assert count_of(count, *nouns, grouped=grouped) == counted


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5, "5"),
        (5.0, "5"),
        (0.1234, "0.123"),
        (1795411234.5, "1795411234.5"),
        (100.0, "100"),
        (1795411234567891234, "1795411234567891234"),
        (1e22, "10000000000000000000000"),
        (-0.00004567, "-0.000046"),
        (0.0, "0"),
        (-0.0, "0"),
        (1e300, f"{int(1e300)}"[:57] + "..."),
    ],
)
def test_numbers_are_shown_in_full(value: float, shown: str) -> None:
    assert format_number(value) == shown


def test_small_numbers_keep_as_many_digits_as_asked() -> None:
    assert format_number(0.000123456789, significant=7) == "0.0001234568"
    assert format_number(0.746123456, significant=7) == "0.7461235"


@pytest.mark.parametrize(
    ("value", "shown"), [(1.79e18, "1790000000000000000"), (1e-7, "0.0000001"), (0.1 + 0.2, "0.30000000000000004")]
)
def test_quoted_numbers_have_no_exponent(value: float, shown: str) -> None:
    assert quote(value) == shown


def test_no_message_formats_numbers_so_that_they_may_get_an_exponent() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "addons" / "tapehead").rglob("*.py")}
    assert len(sources) > 100
    # A number that is read again may have one.
    pattern = re.compile(r"""(?<!float\(f"\{audience):[.,\d]*[eg]\}""", re.IGNORECASE)
    assert [str(path) for path, text in sources.items() if pattern.search(text)] == []


def test_thousands_stand_apart_where_asked() -> None:
    assert format_number(1234567.25, grouped=True) == "1,234,567.25"


@pytest.mark.parametrize("control", ["\x1b", "\x00", "\n", "\r", "\t", "\x7f", "\x9b", "\u200e", "\u202e", "\u2066"])
def test_characters_that_steer_a_terminal_are_escaped(control: str) -> None:
    assert escape_controls(f"a{control}b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    "control", ["\x1b", "\x1b[2J", "\x1b[8m", "\x00", "\r", "\x7f", "\x9b31m", "\u200e", "\u202e", "\x85"]
)
def test_of_what_is_printed_only_breaks_and_own_styles_stay(control: str) -> None:
    escaped = escape_controls(control)

    assert escape_output(f"a\n\tb{control}c\r\n") == f"a\n\tb{escaped}c\r\n"
    assert escape_output(f"\x1b[1;31mb{control}\x1b[0m", styled=True) == f"\x1b[1;31mb{escaped}\x1b[0m"
    assert escape_output(f"\x1b[31mb{control}") == f"\ufffd[31mb{escaped}"


def test_json_that_is_printed_keeps_its_value() -> None:
    value = {"a\x9b": "\x1b[2J\x85\u202e\n\r\x1b[31m"}
    printed = escape_output(json.dumps(value, ensure_ascii=False, indent=2), styled=True)

    assert [line for line in printed.split("\n") if escape_controls(line) != line] == []
    assert json.loads(printed) == value


@pytest.mark.parametrize(
    "text", ["plain", "Grüße", "नमस्ते", "\u0645\u06cc\u200c\u062e\u0648", "👩\u200d👩\u200d👧", "a  b"]
)
def test_text_of_any_language_stays(text: str) -> None:
    assert escape_controls(text) == text


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sessionStrat", "; did you mean sessionStart?"),
        ("PING", "; did you mean ping?"),
        ("bitrate", "; did you mean media.qoe.bitrate?"),
        ("xyzzy", ""),
        ("ping" * 30, ""),
    ],
)
def test_nearest_suggests_what_was_meant(name: str, hint: str) -> None:
    assert nearest(name, ["sessionStart", "ping", "media.qoe.bitrate"]) == hint


def test_long_text_is_cut_with_dots() -> None:
    assert shorten("x" * 100) == "x" * 100
    assert shorten("x" * 101) == "x" * 97 + "..."
    assert shorten("abcdef", 4, "…") == "abc…"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (5.0, "5"), ((), "-"), (("a", None, 3), "a, -, 3"), ("a\n b", "a b"), ("x" * 61, "x" * 57 + "...")],
)
def test_a_value_of_a_message_fits_one_line(value: object, shown: str) -> None:
    assert shorten_value(value) == shown


def test_values_are_quoted_as_json() -> None:
    deep: object = []
    for _ in range(300):
        deep = [deep]

    assert quote('say "hi"') == r'"say \"hi\""'
    assert quote({"a": 1}) == '{"a":1}'
    assert quote("x" * 70) == '"' + "x" * 56 + "..."
    assert quote(deep) == "an array"


@pytest.mark.parametrize(
    ("value", "name", "with_article"),
    [
        ({}, "object", "an object"),
        ([], "array", "an array"),
        ("", "string", "a string"),
        (True, "boolean", "a boolean"),
        (1, "number", "a number"),
        (1.5, "number", "a number"),
        (None, "null", "null"),
    ],
)
def test_values_have_the_types_of_json(value: object, name: str, with_article: str) -> None:
    assert (json_type(value), json_type_of(value)) == (name, with_article)
