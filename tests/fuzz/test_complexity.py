"""No quadratic cost: megabytes in every hostile shape, and recordings of many exchanges in each.

A quadratic way through one of these takes hours, so the limit on a test's time ends it; no time is asserted here.
"""

from collections.abc import Iterable
from secrets import token_bytes

import msgspec
import pytest

from fuzz import large_inputs
from fuzz.importers import flow_file_of_bytes, har_of_bytes
from fuzz.targets import REDACTOR, assert_kept, check
from support.exchanges import NOW, exchange, request, response
from tapehead.answers import Outcome
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.comparison.compare import diff
from tapehead.comparison.differences import Scope
from tapehead.protocol.exchange import Entry
from tapehead.protocol.http_wire import unpack
from tapehead.protocol.messages import Request
from tapehead.protocol.routes import sid_of_location
from tapehead.protocol.schemas import Schemas
from tapehead.replay.index import build_index
from tapehead.replay.peers import Peers
from tapehead.replay.replayer import Replayer

pytestmark = pytest.mark.slow

MEGABYTE = 1_000_000
LARGEST = ("arrays in arrays", "objects in objects", "one string", "blanks", "nothing")
EXCHANGES = 800
# The shapes of HAR files that hold calls.
IMPORTED = (
    "calls without anything",
    "one body",
    "one header of lines",
    "halves of surrogate pairs",
    "backslashes and a half",
)
# So many alike that a replay must not look at all of them for each.
LONG = ("sessions of one content", "sessions of one content by many names", "arrays", "one moment")


def _go_through(asked: Request) -> None:
    seen = check(exchange(asked, response(400)))
    assert_kept(REDACTOR.redact(seen))
    assert len(seen.findings) < 300


@pytest.mark.parametrize("shape", large_inputs.BODIES)
def test_a_body_of_a_megabyte_goes_through(shape: str) -> None:
    _go_through(request(large_inputs.BODIES[shape](MEGABYTE)))


@pytest.mark.parametrize("shape", LARGEST)
def test_a_body_of_ten_megabytes_goes_through(shape: str) -> None:
    _go_through(request(large_inputs.BODIES[shape](10 * MEGABYTE)))


@pytest.mark.parametrize("shape", large_inputs.HARS)
def test_a_har_of_ten_megabytes_is_imported_or_refused(shape: str) -> None:
    imported = har_of_bytes(large_inputs.HARS[shape](10 * MEGABYTE))
    assert bool(imported) is (shape in IMPORTED)
    for exchange_of_it in imported[:3]:
        _go_through(exchange_of_it.request)


@pytest.mark.parametrize("shape", large_inputs.FLOW_FILES)
def test_a_flow_file_of_a_megabyte_is_refused(shape: str) -> None:
    assert flow_file_of_bytes(large_inputs.FLOW_FILES[shape](MEGABYTE)) == []


@pytest.mark.parametrize("shape", large_inputs.PACKED)
def test_a_packed_body_goes_through(shape: str) -> None:
    coding, content = large_inputs.PACKED[shape](MEGABYTE)
    bare = request(b"")
    _go_through(unpack(bare.with_headers([*bare.headers, ("Content-Encoding", coding)]), content))


@pytest.mark.parametrize("shape", large_inputs.RECORDINGS)
def test_a_recording_of_thousands_goes_through(shape: str) -> None:
    entries = large_inputs.entries_of(shape, EXCHANGES)
    assert diff(_audited(entries), _audited(entries), Scope()).same
    replay = Replayer(build_index([entries]), Schemas(), random_bytes=token_bytes)
    for entry in entries[:200]:
        answer = replay.answer(entry.exchange.request, NOW)
        assert answer.outcome is not Outcome.HIT or answer.response is not None


@pytest.mark.parametrize(
    ("shape", "has_peers"),
    [
        ("sessions of one content", False),
        ("sessions of one content by many names", False),
        ("arrays", False),
        ("one moment", False),
        ("one moment", True),
        ("one body", True),
    ],
)
def test_a_long_replay_goes_through(shape: str, has_peers: bool) -> None:
    entries = large_inputs.entries_of(shape, 16_000)
    replay = Replayer(build_index([entries]), Schemas(), random_bytes=token_bytes, peers=Peers(has_peers))
    opening = replay.answer(entries[0].exchange.request, NOW).response
    sid = sid_of_location(opening.header("Location")) if opening and has_peers else None
    outcomes = set()
    for entry in entries[1:] if sid else entries:
        asked = entry.exchange.request
        url = asked.url.replace(entry.exchange.session or "", sid) if sid else asked.url
        outcomes.add(replay.answer(msgspec.structs.replace(asked, url=url), NOW).outcome)
    assert outcomes == {Outcome.HIT}


def _audited(entries: Iterable[Entry]) -> list[SessionResult]:
    return list(audit(entries))
