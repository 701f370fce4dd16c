"""Recordings of every version that ever was are read: old files are kept, and steps lead from each to the next."""

from pathlib import Path

import msgspec
import orjson
import pytest

from support.paths import DATA
from tapehead.errors import RecordingError
from tapehead.protocol.exchange import FORMAT_VERSION, Entry, encode
from tapehead.recording.format_versions import STEPS, Fields, convert
from tapehead.recording.reader import read_recording, read_recordings

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

    assert [encode(entry.exchange) for entry in entries] == lines
    assert bodies[8:] == [
        b'{"a": 1.0, "a": 1e2, "\\u0065": "\xc3\xa9"}',
        b"no JSON \xe2\x82\xac",
        b"\xff\x00\xfe",
        b"",
        b"\x00\x01\x02",
    ]


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


def test_a_newer_recording_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"tapehead":%d}\n' % (FORMAT_VERSION + 1))

    with pytest.raises(RecordingError, match=r"newer than this tapehead reads \(format 1\); update tapehead$"):
        list(read_recording(path))
