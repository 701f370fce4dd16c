"""Session ids of ours spell what a restart needs, and no other id passes for one."""

from secrets import token_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapehead.protocol.routes import find_route, location_of, sid_of_location
from tapehead.protocol.session_id import CHANCE_BYTES, NO_RECORDED_SESSION, PROCESS_BYTES, Sid, fingerprint, mint, read


@given(st.binary(min_size=8, max_size=8), st.integers(-(2**63), 2**63 - 1))
def test_an_id_contains_what_it_was_minted_with(recorded: bytes, started_ts: int) -> None:
    chance = token_bytes(CHANCE_BYTES)

    assert read(mint(recorded, started_ts, chance)) == Sid(recorded, started_ts, 0, chance[-PROCESS_BYTES:])


@given(st.integers(0, 2**42), st.integers(-(2**30), 2**30))
def test_an_id_says_when_its_session_began(arrived_ms: int, later_ms: int) -> None:
    """By the clock of another machine, which may be behind."""
    sid = read(mint(NO_RECORDED_SESSION, 0, token_bytes(CHANCE_BYTES), arrived_ms / 1000))

    assert sid
    assert sid.arrived_by((arrived_ms + later_ms) / 1000) == pytest.approx(arrived_ms / 1000, abs=0.002)


@pytest.mark.parametrize("started_ts", [2**63, -(2**63) - 1, 10**300])
def test_a_ts_beyond_64_bits_counts_as_zero(started_ts: int) -> None:
    assert read(mint(NO_RECORDED_SESSION, started_ts, bytes(CHANCE_BYTES))) == Sid(NO_RECORDED_SESSION, 0)


def test_an_id_looks_like_the_endpoints_own() -> None:
    sid = mint(fingerprint("abc"), 0, token_bytes(CHANCE_BYTES))

    assert len(sid) == 64
    assert set(sid) <= set("0123456789abcdef")


def test_ids_differ_from_their_first_digits_on() -> None:
    assert len({mint(fingerprint("abc"), 0, token_bytes(CHANCE_BYTES))[:8] for _ in range(100)}) == 100


@pytest.mark.parametrize("foreign", ["", "abc", "0" * 64, "g" * 64, "f" * 62, "f" * 66, "ü" * 64, "\ud800", "\x00"])
def test_a_foreign_id_is_not_read(foreign: str) -> None:
    assert read(foreign) is None


def test_an_id_with_one_digit_changed_is_not_read() -> None:
    sid = mint(fingerprint("abc"), 1_795_401_600_000, token_bytes(CHANCE_BYTES))
    others = (sid[:place] + ("1" if sid[place] == "0" else "0") + sid[place + 1 :] for place in range(64))

    assert [read(other) for other in others] == [None] * 64


def test_an_id_goes_through_location_and_path() -> None:
    sid = mint(fingerprint("abc"), 0, token_bytes(CHANCE_BYTES))
    route = find_route(f"/api/v1/sessions/{sid}/events")

    assert sid_of_location(location_of(sid)) == sid
    assert route
    assert route.sid == sid


def test_a_fingerprint_is_the_same_in_every_run() -> None:
    assert fingerprint("abc").hex() == "d8bb14d833d59559"


def test_fingerprints_of_different_sessions_differ() -> None:
    assert fingerprint("abc") != fingerprint("abd")
    assert fingerprint("\ud800") != fingerprint("abc")
