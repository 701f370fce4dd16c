"""zstd streams that end too early: told wherever they are cut, unless after a block of a recorder's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from support.exchanges import session
from tapehead.protocol.exchange import encode
from tapehead.recording.format_versions import BadLine
from tapehead.recording.reader import read_recording
from tapehead.recording.recording_file import ZstdEncoding
from tapehead.recording.unpacking import PIECE_BYTES, CutStreamError, unpack
from tapehead.recording.zstd_frames import FrameTracker

LINES = [encode(call) for call in session("s1", [(float(at), at, "ping", {}) for at in range(1, 40)])]
PLAIN = b"".join(LINES)
SKIPPED = b"\x5a\x2a\x4d\x18" + (20).to_bytes(4, "little") + bytes(20)


def recorded() -> Iterator[bytes]:
    """The blocks of a recorder's frame, without its end."""
    encoding = ZstdEncoding()
    for line in LINES:
        yield encoding.encode([line])


WHOLE = {
    "known size": zstandard.compress(PLAIN),
    "checksum": zstandard.ZstdCompressor(write_checksum=True).compress(PLAIN),
    "two frames": zstandard.compress(PLAIN[:5000]) + zstandard.compress(PLAIN[5000:]),
    "incompressible": zstandard.compress(bytes(range(256)) * 2),
    "repeated": zstandard.compress(b"a" * 500_000),
    "skippable": zstandard.compress(b"a") + SKIPPED + zstandard.compress(b"b"),
}


def is_cut(content: bytes, size: int) -> bool:
    """Whether a tracker says so that gets pieces of a size."""
    tracker = FrameTracker()
    for start in range(0, len(content), size):
        tracker.feed(content[start : start + size])
    return tracker.is_cut


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("name", WHOLE)
def test_each_cut_is_noticed_but_between_frames(name: str, size: int) -> None:
    content = WHOLE[name]
    ends = {len(content), *(len(zstandard.compress(each)) for each in (PLAIN[:5000], b"a") if name != "known size")}
    ends |= {len(zstandard.compress(b"a")) + len(SKIPPED)} if name == "skippable" else set()
    whole = [end for end in range(1, len(content) + 1) if not is_cut(content[:end], size)]
    assert set(whole) <= ends
    assert len(content) in whole


@pytest.mark.parametrize("size", [1, 1000])
def test_what_a_recorder_has_written_so_far_is_not_cut(size: int) -> None:
    blocks = list(recorded())
    content, header = b"".join(blocks), zstandard.frame_header_size(blocks[0])
    ends = [header, *(len(b"".join(blocks[:number])) for number in range(1, len(blocks) + 1))]
    assert [end for end in range(1, len(content) + 1) if not is_cut(content[:end], size)] == ends


def test_a_stream_that_is_cut_gives_what_is_there_first(tmp_path: Path) -> None:
    content = b"".join(recorded())[:-10]
    pieces, stream = list[bytes](), unpack("zstd", [content])
    with pytest.raises(CutStreamError):
        pieces.extend(stream)
    assert PLAIN.startswith(b"".join(pieces))

    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(content)
    *entries, last = read_recording(path)
    assert len(entries) == len(LINES) - 1
    reason = "a write cut short; whatever came after it in the compressed file is missing"
    assert last == BadLine(len(LINES), reason, torn=True)


def test_what_is_no_frame_is_left_to_the_decoder() -> None:
    assert not is_cut(zstandard.compress(b"a") + b"something else", 5)


@pytest.mark.parametrize("beyond", [0, 1, 5_000, 100_000])
@pytest.mark.parametrize("chunk", [1_000, 1_000_000])
def test_an_unfinished_frame_is_read_to_its_last_block(beyond: int, chunk: int) -> None:
    """Also where the last block is in two pieces, and no input is left for the second one."""
    packer = zstandard.ZstdCompressor().compressobj()
    parts = [b"x" * 100_000, b"y" * (2 * PIECE_BYTES - 100_000 - 500), b"z" * (500 + beyond)]
    packed = b"".join(packer.compress(part) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for part in parts)
    pieces = [packed[at : at + chunk] for at in range(0, len(packed), chunk)]

    assert b"".join(unpack("zstd", pieces)) == b"".join(parts)
