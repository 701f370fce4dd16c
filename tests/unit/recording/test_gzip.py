"""Recordings that are packed with gzip: read as far as they go, and never written."""

import gzip
import os
import tracemalloc
import zlib
from pathlib import Path

import pytest

from support.exchanges import session
from tapehead.errors import RecordingError
from tapehead.protocol.exchange import Exchange, encode
from tapehead.recording import documents
from tapehead.recording.reader import RecordingReader
from tapehead.recording.recording_file import RecordingFile
from tapehead.recording.stored_lines import has_stored_lines

CALLS = session("s1", [(float(at), at, "ping", {}) for at in range(1, 200)])
LINES = [encode(call) for call in CALLS]
PLAIN = b"".join(LINES)


def read(path: Path) -> tuple[list[Exchange], list[str]]:
    """The exchanges of a recording, and the warnings."""
    warnings: list[str] = []
    entries = RecordingReader([path], warnings.append).entries(keep_places=True)
    return [entry.exchange for entry in entries], warnings


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl", "a.bin"])
@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(PLAIN),
        b"".join(map(gzip.compress, LINES)),
        gzip.compress(PLAIN[:5000]) + gzip.compress(PLAIN[5000:], 1),
        gzip.compress(PLAIN) + bytes(512),
        gzip.compress(b"\xef\xbb\xbf" + PLAIN),
    ],
    ids=["one member", "a member a line", "cut within a line", "zeros at the end", "with a BOM"],
)
def test_what_is_packed_is_told_by_its_content(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    assert read(path) == (CALLS, [])
    assert not has_stored_lines(path)


@pytest.mark.parametrize("cut", [1, 8, 100, 2000])
def test_a_file_that_is_cut_short_is_read_as_far_as_it_goes(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress(PLAIN)
    path.write_bytes(packed[:-cut])
    whole = zlib.decompressobj(31).decompress(packed[:-cut]).count(b"\n")

    exchanges, warnings = read(path)

    assert 0 < whole <= len(CALLS)
    assert exchanges == CALLS[:whole]
    assert warnings == [
        f"{path}:{whole + 1}: skipped, a write cut short; whatever came after it in the compressed file is missing"
    ]


def test_a_file_that_is_damaged_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    second = bytearray(gzip.compress(PLAIN))
    second[0] ^= 0xFF
    path.write_bytes(gzip.compress(PLAIN) + second)

    exchanges, warnings = read(path)

    assert exchanges == CALLS
    assert len(warnings) == 1
    assert warnings == [
        f"{path}:{len(CALLS) + 1}: skipped, the file is damaged, and cannot be read from here on:"
        " its compressed content is invalid"
    ]


def test_a_file_that_was_packed_to_fill_memory_is_read_in_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_LINE_BYTES", 1_000_000)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(PLAIN) + gzip.compress(bytes(100_000_000)))
    tracemalloc.start()
    try:
        exchanges, warnings = read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert exchanges == CALLS
    assert [line.partition("skipped, ")[2] for line in warnings] == ["longer than 100,000,000 bytes"]
    assert peak < 20_000_000


def test_nothing_is_written_with_gzip(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"gzip loses what a crash cuts off; name a \.jsonl file, and gzip it"):
        RecordingFile(tmp_path / "a.jsonl.gz")
    assert os.listdir(tmp_path) == []  # noqa: PTH208

    packed = tmp_path / "a.jsonl"
    packed.write_bytes(gzip.compress(PLAIN))
    for how in ({"append": True}, {"overwrite": True}):
        with pytest.raises(RecordingError, match="is packed with gzip, so nothing can be added to it"):
            RecordingFile(packed, **how)
    assert read(packed) == (CALLS, [])
