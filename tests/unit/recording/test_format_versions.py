"""A recording is read line by line: what is wrong is told with its number, and hides nothing else."""

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import exchange, request, response, start
from tapehead.protocol.exchange import FORMAT_VERSION, Entry, encode
from tapehead.recording import format_versions
from tapehead.recording.format_versions import BadLine, NewerFormatError, read_lines

GOOD = encode(exchange(request(start()), response(201)))
VERSION = b'"tapehead":%d' % FORMAT_VERSION
NEWER = GOOD.replace(VERSION, b'"tapehead":%d' % (FORMAT_VERSION + 1), 1)


def _read(*lines: bytes) -> list[tuple[int, str]]:
    """The number and the kind of each item: good, bad or torn."""
    items = read_lines(lines)
    return [(item.line, "good" if isinstance(item, Entry) else "torn" if item.torn else "bad") for item in items]


def test_entries_come_in_order_with_their_lines() -> None:
    assert _read(GOOD, GOOD, GOOD) == [(1, "good"), (2, "good"), (3, "good")]


def test_a_torn_last_line_is_told_as_one() -> None:
    items = list(read_lines([GOOD, GOOD[:-20]]))

    assert isinstance(items[0], Entry)
    assert items[1] == BadLine(2, "a write cut short", torn=True)


@pytest.mark.parametrize("kept", [1, 10, len(GOOD) // 2, len(GOOD) - 2])
def test_a_line_is_torn_wherever_it_ends(kept: int) -> None:
    assert _read(GOOD, GOOD[:kept]) == [(1, "good"), (2, "torn")]


def test_a_whole_last_line_needs_no_newline() -> None:
    assert _read(GOOD, GOOD.rstrip(b"\n")) == [(1, "good"), (2, "good")]


@pytest.mark.parametrize("blank", [b"\n", b"  \n", b"\r\n", b"\t\n", b""])
def test_blank_lines_are_passed_over_but_counted(blank: bytes) -> None:
    assert _read(blank, GOOD, blank, GOOD) == [(2, "good"), (4, "good")]


def test_carriage_returns_of_an_editor_do_no_harm() -> None:
    assert _read(GOOD.replace(b"\n", b"\r\n")) == [(1, "good")]


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b"\xff\xfe\n",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b'{"log":{"entries":[]}}\n',
        b'{"tapehead":"1"}\n',
        b'{"tapehead":1}\n',
        b'{"tapehead":1.5}\n',
        b"[" * 100_000 + b"\n",
        b'{"tapehead":1,"more":' + b"[" * 100_000 + b"\n",
        b'{"more":' + b'{"a":' * 100_000 + b"\n",
        GOOD.replace(b'"status":201', b'"status":"201"'),
        GOOD.replace(b'"status":201', b'"status":201.5'),
        GOOD.rstrip(b"\n") + GOOD,
        GOOD[:50] + b"\n",
    ],
)
def test_a_bad_line_in_the_middle_hides_no_other(line: bytes) -> None:
    assert _read(GOOD, line, GOOD) == [(1, "good"), (2, "bad"), (3, "good")]


def test_a_bad_line_says_why() -> None:
    (item,) = read_lines([b'{"log":{}}\n'])

    assert isinstance(item, BadLine)
    assert item.reason == "not an exchange: Object missing required field `tapehead`"


@pytest.mark.parametrize("version", [b"0", b"-1"])
def test_there_are_no_formats_below_one(version: bytes) -> None:
    (item,) = read_lines([GOOD.replace(VERSION, b'"tapehead":' + version, 1)])

    assert isinstance(item, BadLine)
    assert item.reason == f"not an exchange: there is no format {version.decode()}"


def test_a_later_format_is_refused_with_advice() -> None:
    with pytest.raises(
        NewerFormatError, match=rf"format {FORMAT_VERSION + 1} is newer .*\(format {FORMAT_VERSION}\); update tapehead"
    ):
        list(read_lines([NEWER]))


def test_a_later_format_is_refused_whatever_else_it_changed() -> None:
    with pytest.raises(NewerFormatError):
        list(read_lines([b'{"tapehead":7,"exchange":"another shape"}\n']))


def test_lines_before_a_later_format_are_read() -> None:
    items = read_lines([GOOD, NEWER])

    assert isinstance(next(items), Entry)
    with pytest.raises(NewerFormatError):
        next(items)


@given(st.lists(st.binary().map(lambda junk: junk.replace(b"\n", b"") + b"\n")))
def test_junk_never_raises_and_never_hides(junk: list[bytes]) -> None:
    items = list(read_lines([GOOD, *junk, GOOD]))

    assert isinstance(items[0], Entry)
    assert isinstance(items[-1], Entry)
    assert items[-1].line == len(junk) + 2


# ---- A line of this version, which is parsed at once, and the same line with its version looked for ----


def _read_all(lines: list[bytes]) -> object:
    try:
        return list(read_lines(lines))
    except NewerFormatError as error:
        return str(error)


def _read_in_two_passes(lines: list[bytes]) -> object:
    with patch.object(format_versions, "_CURRENT", b"no line"):
        return _read_all(lines)


SPOILT = st.builds(
    lambda start, end, junk: GOOD[:start] + junk + GOOD[max(start, end) :],
    st.integers(0, len(GOOD)),
    st.integers(0, len(GOOD)),
    st.sampled_from([b"", b"\xff", b'"', b"}", b",", b"null", b'"tapehead":3,', b'"tapehead":1,', b'"more":0,']),
)


@given(st.lists(SPOILT, max_size=3))
def test_spoilt_lines_are_told_alike(lines: list[bytes]) -> None:
    assert _read_all(lines) == _read_in_two_passes(lines)


@pytest.mark.parametrize("version", [b"1", b"2", b"3", b"0", b'"2"'])
def test_of_two_versions_in_a_line_the_last_counts(version: bytes) -> None:
    lines = [GOOD.replace(b'"findings":', b'"tapehead":%b,"findings":' % version, 1)]
    assert lines != [GOOD]
    assert _read_all(lines) == _read_in_two_passes(lines)


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"\n",
        GOOD.replace(b'"request":', b'"request":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b',"b":', 1),
    ],
)
def test_deep_json_is_told_in_our_words(line: bytes) -> None:
    (item, _) = read_lines([line, GOOD])
    assert isinstance(item, BadLine)
    assert "it is nested too deeply" in item.reason
    assert "recursion" not in item.reason
