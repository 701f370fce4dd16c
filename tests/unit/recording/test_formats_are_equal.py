"""A recording of format 1 says the same as the one of format 2 that has nothing but its converted fields."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.exchanges import Player, Step, entries, event, exchange, request, response, sent, session
from support.paths import DATA, RECORDINGS_FOLDER
from tapehead.auditor.recordings_audit import audit
from tapehead.comparison.compare import diff
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import Answered, ClosedBy, Exchange, Finding, Severity, decode, encode
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schemas
from tapehead.recording.format_versions import convert
from tapehead.replay.index import build_index
from tapehead.replay.replayer import Replayer

SAMPLES = sorted(RECORDINGS_FOLDER.glob("*.jsonl"))
STEPS: list[Step] = [
    (1.0, 0.0, "play", {}),
    (11.0, 10.0, "ping", {}),
    (21.0, 20.0, "pauseStart", {}),
    (22.0, 20.0, "play", {}),
]


def in_format_1(made: Exchange) -> bytes:
    """A line as it was written before format 2."""
    old = msgspec.structs.replace(made, tapehead=1, order=None, source="", closed_by=None)
    return re.sub(rb'("started":"[^"]+\.\d{3})\d{3}Z"', rb'\g<1>Z"', encode(old), count=1)


@pytest.fixture(params=SAMPLES, ids=lambda path: path.stem)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A sample in format 1 and in format 2, under one name."""
    exchanges = [entry.exchange for entry in read_recordings([request.param], warn=pytest.fail)]
    old, new = tmp_path / "old" / "a.jsonl", tmp_path / "new" / "a.jsonl"
    for path, lines in ((old, map(in_format_1, exchanges)), (new, map(encode, exchanges))):
        path.parent.mkdir()
        path.write_bytes(b"".join(lines))
    return old, new


def test_the_audit_finds_the_same(both: tuple[Path, Path]) -> None:
    old, new = ([result.report() for result in audit(read_recordings([path], warn=pytest.fail))] for path in both)
    for result in (*old, *new):
        result |= {"recording": "a.jsonl", "started": result["started"][:23]}

    assert old == new


def test_the_diff_finds_nothing(both: tuple[Path, Path]) -> None:
    old, new = (list(audit(read_recordings([path], warn=pytest.fail))) for path in both)

    assert diff(old, new).same


def test_the_replay_answers_the_same() -> None:
    made = session("s1", STEPS)
    counted = [msgspec.structs.replace(each, order=n, source="record") for n, each in enumerate(made, start=1)]
    answers = []
    for lines in (map(in_format_1, made), map(encode, reversed(counted))):
        exchanges = [decode(convert(line, 1 if b'"tapehead":1,' in line else 2)) for line in lines]
        replayer = Replayer(build_index([entries(exchanges)]), Schemas(), random_bytes=bytes)
        player = Player(replayer)
        player.open()
        answers.append([player.sid[:4], *player.play(STEPS)])
        assert replayer.summary().unused == []

    assert answers[0] == answers[1]
    assert answers[0][1:] == [204] * 4


@pytest.mark.parametrize(("closed_by", "status"), [("client", 204), ("endpoint", 0), (None, 0)])
def test_a_client_that_left_is_not_replayed_as_a_failure(closed_by: ClosedBy | None, status: int) -> None:
    last = msgspec.structs.replace(sent("s1", event("sessionEnd", 20, 30), 30, answered=None), closed_by=closed_by)
    player = Player(Replayer(build_index([entries([*session("s1", STEPS), last])]), Schemas(), random_bytes=bytes))
    player.open()
    player.play(STEPS)

    assert player.send("sessionEnd", 20, 30) == status
    assert ("the recorded client left" in player.answer.note) == (closed_by == "client")


HEADERS = st.lists(st.tuples(st.text(st.characters(max_codepoint=255)), st.text(st.characters(max_codepoint=255))))
TEXT = st.text()
REQUESTS = st.builds(Request, method=TEXT, url=TEXT, headers=HEADERS, saved=st.booleans())
RESPONSES = st.builds(Response, status=st.integers(0, 999), reason=TEXT, headers=HEADERS, saved=st.booleans())
BODIES = st.binary() | TEXT.map(str.encode) | st.recursive(st.integers() | TEXT, st.lists).map(msgspec.json.encode)
EXCHANGES = st.builds(
    Exchange,
    tapehead=st.just(2),
    started=TEXT,
    order=st.none() | st.integers(0, 2**62),
    elapsed_ms=st.floats(0, 1e9),
    call=st.sampled_from(Call),
    session=st.none() | TEXT,
    source=TEXT,
    request=st.builds(
        lambda message, body, coded: message.with_content(body, coded=coded), REQUESTS, BODIES, st.booleans()
    ),
    response=st.none() | st.builds(lambda message, body: message.with_content(body), RESPONSES, BODIES),
    error=st.none() | TEXT,
    closed_by=st.sampled_from([None, "client", "endpoint"]),
    answered=st.none() | st.builds(Answered, TEXT, TEXT, TEXT),
    findings=st.lists(st.builds(Finding, TEXT, st.sampled_from(Severity), TEXT, TEXT)),
)


@given(EXCHANGES)
def test_every_field_comes_back(whole: Exchange) -> None:
    line = encode(whole)

    assert decode(line) == whole
    assert line.count(b"\n") == 1


@given(BODIES, BODIES)
@example(b'{"a": 1.0,"started":"2026-11-23T06:08:30.206Z"}', b'{"tapehead":1}')
def test_conversion_keeps_every_byte_of_bodies(sent: bytes, answered: bytes) -> None:
    made = exchange(request(sent), response(201, [], answered))
    converted = decode(convert(in_format_1(made), 1))

    assert converted.request.content() == sent
    assert converted.response
    assert converted.response.content() == answered
    assert converted == made


def test_captures_of_format_1_are_kept() -> None:
    versions = {line[:14] for path in (DATA / "formats" / "1.jsonl",) for line in path.read_bytes().splitlines()}

    assert versions == {b'{"tapehead":1,'}
