"""Content codings come off and go on, and nothing that a client sends unpacks without bounds."""

import contextlib
import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tapehead.protocol.content_coding import CodingError, decode_content, encode_content

CODINGS = ("gzip", "x-gzip", "deflate", "br", "zstd")
PLAIN = b'{"eventType":"ping","playerTime":{"playhead":10.5,"ts":1795401600000}}'


def _raw_deflate(content: bytes) -> bytes:
    return zlib.compress(content, wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize("coding", CODINGS)
def test_each_coding_comes_off_again(coding: str) -> None:
    packed = encode_content(PLAIN, coding)

    assert packed != PLAIN
    assert decode_content(packed, coding) == PLAIN


@given(st.binary(), st.lists(st.sampled_from(CODINGS), max_size=3))
def test_any_stack_of_codings_comes_off(content: bytes, codings: list[str]) -> None:
    stacked = ", ".join(codings)

    assert decode_content(encode_content(content, stacked), stacked) == content


def test_the_last_coding_named_comes_off_first() -> None:
    packed = brotli.compress(gzip.compress(PLAIN))

    assert decode_content(packed, "gzip, br") == PLAIN
    with pytest.raises(CodingError):
        decode_content(packed, "br, gzip")


@pytest.mark.parametrize("coding", [None, "", "identity", " , identity ,"])
def test_no_coding_changes_nothing(coding: str | None) -> None:
    assert decode_content(PLAIN, coding) == PLAIN
    assert encode_content(PLAIN, coding) == PLAIN


@pytest.mark.parametrize("coding", ["GZIP", " gzip ", "gzip,", "identity, GZip"])
def test_a_codings_spelling_does_not_matter(coding: str) -> None:
    assert decode_content(gzip.compress(PLAIN), coding) == PLAIN


def test_deflate_without_its_frame_is_taken() -> None:
    assert decode_content(_raw_deflate(PLAIN), "deflate") == PLAIN


@pytest.mark.parametrize("coding", ["compress", "gzip;q=1", "nonsense", "gzip br"])
def test_an_unknown_coding_is_refused_both_ways(coding: str) -> None:
    with pytest.raises(CodingError, match=f"^unknown content coding {coding}$"):
        decode_content(PLAIN, coding)
    with pytest.raises(CodingError, match=f"^unknown content coding {coding}$"):
        encode_content(PLAIN, coding)


@pytest.mark.parametrize("garbage", [PLAIN, b"\x00", b"\xff" * 100, b"\x1f\x8b\x08garbage"])
@pytest.mark.parametrize("coding", CODINGS)
def test_garbage_is_no_valid_body(coding: str, garbage: bytes) -> None:
    reasons = "it ends too early|it is damaged, or coded in another way"
    with pytest.raises(CodingError, match=f"^the body is no valid {coding}: (?:{reasons})$"):
        decode_content(garbage, coding)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br"])
def test_a_body_cut_short_is_refused_anywhere(coding: str) -> None:
    packed = encode_content(PLAIN, coding)

    for kept in range(len(packed)):
        with pytest.raises(CodingError):
            decode_content(packed[:kept], coding)


def test_a_zstd_body_cut_short_is_refused_anywhere() -> None:
    packed = encode_content(PLAIN, "zstd")

    for kept in range(len(packed)):
        with pytest.raises(CodingError):
            decode_content(packed[:kept], "zstd")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_of_two_members_is_their_sum(coding: str) -> None:
    packed = encode_content(PLAIN, coding)

    assert decode_content(packed + packed, coding) == PLAIN + PLAIN


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_something_behind_the_packed_data_is_refused(coding: str) -> None:
    with pytest.raises(CodingError):
        decode_content(encode_content(PLAIN, coding) + b"more", coding)


def test_something_behind_brotli_is_refused() -> None:
    with pytest.raises(CodingError):
        decode_content(brotli.compress(PLAIN) + b"more", "br")


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_of_just_the_limit_unpacks(coding: str) -> None:
    packed = encode_content(bytes(5000), coding)

    assert decode_content(packed, coding, limit=5000) == bytes(5000)
    with pytest.raises(CodingError, match=r"^the body unpacks to more than 4999 bytes$"):
        decode_content(packed, coding, limit=4999)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_bomb_stops_at_the_limit(coding: str) -> None:
    bomb = encode_content(bytes(30_000_000), coding)

    assert len(bomb) < 40_000
    with pytest.raises(CodingError, match="more than 1000 bytes"):
        decode_content(bomb, coding, limit=1000)


def test_a_bomb_in_a_bomb_stops_at_the_limit() -> None:
    bomb = zstandard.compress(gzip.compress(bytes(30_000_000)))

    with pytest.raises(CodingError, match="more than 100000 bytes"):
        decode_content(bomb, "gzip, zstd", limit=100_000)


@given(st.binary(), st.sampled_from(CODINGS))
def test_any_bytes_unpack_within_bounds_or_are_refused(content: bytes, coding: str) -> None:
    with contextlib.suppress(CodingError):
        assert len(decode_content(content, coding, limit=10_000)) <= 10_000


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_any_number_of_members_takes_time_by_their_number(coding: str) -> None:
    packed = encode_content(b"a", coding)

    assert decode_content(packed * 200_000, coding) == b"a" * 200_000


def test_a_member_may_begin_and_end_anywhere() -> None:
    members = [bytes(range(256)) * size for size in (0, 1, 15, 16, 40, 0, 300)]

    assert decode_content(b"".join(map(gzip.compress, members)), "gzip") == b"".join(members)


def test_many_codings_on_each_other_are_refused_both_ways() -> None:
    assert decode_content(encode_content(PLAIN, "gzip, br, gzip, br, gzip"), "gzip, br, gzip, br, gzip") == PLAIN
    with pytest.raises(CodingError, match=r"^6 content codings, one on the other; expected 5 at most$"):
        decode_content(PLAIN, "gzip" + ", gzip" * 5)
    with pytest.raises(CodingError, match=r"^10000 content codings"):
        encode_content(PLAIN, "br," * 10_000)
