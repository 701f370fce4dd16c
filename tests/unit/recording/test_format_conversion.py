"""Recordings of every version that ever was are read: old files are kept, and steps lead from each to the next."""

import re
from pathlib import Path

import msgspec
import orjson
import pytest

from support.paths import DATA
from tapehead.errors import RecordingError
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import FORMAT_VERSION, Entry, encode
from tapehead.recording.format_versions import STEPS, Fields, convert
from tapehead.recording.reader import read_recording

FORMATS = DATA / "formats"
LINE = b'{"tapehead":1,"started":"x","request":{"body":{"a": 1.0,"a":1e2}}}\n'


def rename(fields: Fields) -> Fields:
    return {("began" if name == "started" else name): value for name, value in fields.items()}


def add(fields: Fields) -> Fields:
    return {**fields, "arrival": msgspec.Raw(b"7")}


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.zst"])
def test_a_recording_of_every_version_is_read_whole(version: int, suffix: str) -> None:
    items = list(read_recording(FORMATS / f"{version}.{suffix}"))

    assert len(items) == 13
    assert all(isinstance(item, Entry) for item in items)


def test_what_is_read_of_the_first_version_is_what_was_written() -> None:
    lines = (FORMATS / "1.jsonl").read_bytes().splitlines(keepends=True)
    entries = list(read_recordings([FORMATS / "1.jsonl"], warn=pytest.fail))
    bodies = [entry.exchange.request.content() for entry in entries]

    assert [encode(entry.exchange) for entry in entries] == [in_format_2(line) for line in lines]
    assert bodies[8:] == [
        b'{"a": 1.0, "a": 1e2, "\\u0065": "\xc3\xa9"}',
        b"no JSON \xe2\x82\xac",
        b"\xff\x00\xfe",
        b"",
        b"\x00\x01\x02",
    ]


def in_format_2(line: bytes) -> bytes:
    """A line of format 1 with the changes that format 2 brought."""
    line = line.replace(b'{"tapehead":1,', b'{"tapehead":2,', 1)
    return re.sub(rb'("started":"[^"]+\.\d{3})Z"', rb'\g<1>000Z"', line, count=1)


def test_a_step_leads_from_every_version_to_the_next() -> None:
    assert set(STEPS) == set(range(1, FORMAT_VERSION))


def test_steps_are_walked_one_by_one_and_leave_bytes_alone() -> None:
    converted = convert(LINE, 1, wanted=3, steps={1: rename, 2: add})

    assert orjson.loads(converted) == {"tapehead": 3, "began": "x", "request": {"body": {"a": 100.0}}, "arrival": 7}
    assert b'{"a": 1.0,"a":1e2}' in converted
    assert convert(converted, 3, wanted=3, steps={}) == converted
    assert orjson.loads(convert(LINE, 2, wanted=3, steps={2: add}))["started"] == "x"


def test_a_line_of_this_version_is_not_touched() -> None:
    assert convert(LINE, FORMAT_VERSION) is LINE


@pytest.mark.parametrize("started", [b'"2026-11-23T06:08:30Z"', b'"soon"', b"5", b'"2026-11-23T06:08:30.206+01:00"'])
def test_a_time_that_no_version_wrote_is_left_as_it_is(started: bytes) -> None:
    line = b'{"tapehead":1,"started":%s}\n' % started

    assert convert(line, 1) == line.replace(b":1,", b":2,")


def test_a_newer_recording_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"tapehead":%d}\n' % (FORMAT_VERSION + 1))

    with pytest.raises(RecordingError, match=r"newer than this tapehead reads \(format 2\); update tapehead$"):
        list(read_recording(path))


def test_what_is_read_of_the_second_version_is_what_was_written() -> None:
    lines = (FORMATS / "2.jsonl").read_bytes().splitlines(keepends=True)
    exchanges = [entry.exchange for entry in read_recordings([FORMATS / "2.jsonl"], warn=pytest.fail)]

    assert [encode(exchange) for exchange in exchanges] == lines
    assert [exchange.order for exchange in exchanges] == [*range(1, 9), *range(1, 6)]
    assert {exchange.source for exchange in exchanges} == {
        "record http://127.0.0.1:8080 2026-11-23T06:08:00.000Z",
        "player.har",
    }
    assert [place for place, exchange in enumerate(exchanges) if not exchange.request.saved] == [5, 11]
    assert [place for place, each in enumerate(exchanges) if each.response and not each.response.saved] == [10]
    assert [exchange.closed_by for exchange in exchanges if exchange.closed_by] == ["client"]
