"""Recordings that are written: appended whole, mended, private, locked, and refused where they are none."""

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard

from support.exchanges import exchange, request, response, sent, start
from support.paths import TESTS
from tapehead.errors import RecordingError
from tapehead.protocol.exchange import Entry, encode
from tapehead.recording import recording_file
from tapehead.recording.reader import read_recording
from tapehead.recording.recording_file import RecordingFile

LINES = [encode(exchange(request(start()), response(201))), *(encode(sent("s", {"n": nth}, nth)) for nth in range(5))]
LINE = LINES[0]
FORMS = pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst"])


def write(path: Path, lines: Sequence[bytes] = (LINE,), *, append: bool = False) -> None:
    """Each line as a write of its own."""
    with RecordingFile(path, append=append) as file:
        for line in lines:
            file.append([line])


def read(path: Path) -> list[bytes]:
    """The lines of the exchanges in a recording."""
    return [encode(item.exchange) for item in read_recording(path) if isinstance(item, Entry)]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@FORMS
def test_what_was_appended_is_read_back(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, LINES)

    assert read(tmp_path / name) == LINES
    assert [item.line for item in read_recording(tmp_path / name)] == [1, 2, 3, 4, 5, 6]


@FORMS
def test_many_lines_at_once_are_all_there(tmp_path: Path, name: str) -> None:
    with RecordingFile(tmp_path / name) as file:
        file.append(LINES)
        file.append(LINES)

    assert read(tmp_path / name) == LINES * 2


@FORMS
def test_a_recording_that_exists_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write(path)
    before = path.read_bytes()

    with pytest.raises(RecordingError, match="exists; pass --append to add to it, or --overwrite to replace it"):
        RecordingFile(path)
    assert path.read_bytes() == before


@FORMS
def test_appending_adds_to_what_is_there(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, LINES[:2])
    before = (tmp_path / name).read_bytes()
    write(tmp_path / name, LINES[2:], append=True)

    assert read(tmp_path / name) == LINES
    assert (tmp_path / name).read_bytes().startswith(before)


def test_a_line_of_equal_bytes_is_followed_by_others(tmp_path: Path) -> None:
    """A block of equal bytes is stored as one byte."""
    path, equal = tmp_path / "a.jsonl.zst", encode(sent("s", {"n": "0" * 1_000_000}))
    write(path, [equal])
    write(path, [LINE], append=True)
    write(path, [equal, LINE], append=True)

    assert read(path) == [equal, LINE, equal, LINE]


def test_appending_to_whole_lines_adds_no_empty_one(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", LINES[:2])
    write(tmp_path / "a.jsonl", LINES[2:], append=True)

    assert (tmp_path / "a.jsonl").read_bytes() == b"".join(LINES)


@FORMS
def test_appending_makes_a_file_that_is_missing(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, append=True)

    assert read(tmp_path / name) == [LINE]


@FORMS
def test_overwriting_replaces_with_the_first_exchange(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write(path, LINES)
    before = path.read_bytes()
    with RecordingFile(path, overwrite=True) as file:
        assert path.read_bytes() == before
        file.append([LINE])
        file.append([LINE])

    assert read(path) == [LINE, LINE]


@FORMS
def test_wherever_a_crash_cuts_it_short_the_whole_lines_stay_and_it_goes_on(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, LINES)
    whole = (tmp_path / name).read_bytes()
    path = tmp_path / f"cut-{name}"
    for cut in range(1, len(whole), 7):
        path.write_bytes(whole[:cut])
        kept = _read_torn(path)
        write(path, [LINE], append=True)

        assert _read_torn(path) == [*kept, LINE], cut
        assert kept == LINES[: len(kept)]
        path.unlink()


def _read_torn(path: Path) -> list[bytes]:
    try:
        return read(path)
    except RecordingError:
        return []


@FORMS
def test_what_was_written_is_on_disk_before_the_next(tmp_path: Path, name: str) -> None:
    with RecordingFile(tmp_path / name) as file:
        for count, line in enumerate(LINES, start=1):
            file.append([line])
            assert read(tmp_path / name) == LINES[:count]


def test_a_compressed_recording_is_one_that_any_tool_unpacks(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl.zst", LINES * 3)
    write(tmp_path / "a.jsonl.zst", LINES, append=True)
    plain = zstandard.ZstdDecompressor().stream_reader((tmp_path / "a.jsonl.zst").read_bytes(), read_across_frames=True)

    assert plain.read() == b"".join(LINES * 4)


def test_a_frame_ends_where_it_grows_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_file, "FRAME_BYTES", 2 * len(LINE))
    write(tmp_path / "a.jsonl.zst", [LINE] * 9)
    whole = (tmp_path / "a.jsonl.zst").read_bytes()

    assert whole.count(b"\x28\xb5\x2f\xfd") == 5
    assert read(tmp_path / "a.jsonl.zst") == [LINE] * 9


def test_compression_is_worth_it(tmp_path: Path) -> None:
    lines = [encode(sent("s", {"eventType": "ping", "n": nth}, nth)) for nth in range(200)]
    write(tmp_path / "a.jsonl.zst", lines)

    assert (tmp_path / "a.jsonl.zst").stat().st_size * 4 < sum(map(len, lines))


@FORMS
def test_a_recording_is_its_owners_alone(tmp_path: Path, name: str) -> None:
    write(tmp_path / "new" / name)
    old = tmp_path / name
    old.touch(mode=0o644)
    write(old)

    assert mode(tmp_path / "new" / name) == mode(old) == 0o600


def test_no_more_than_one_folder_is_created(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=rf"there is no folder '{tmp_path}/mised'; create it first"):
        RecordingFile(tmp_path / "mised" / "new" / "a.jsonl")

    assert list(tmp_path.iterdir()) == []


def test_a_recording_without_exchanges_is_discarded_with_the_folder_that_was_made_for_it(tmp_path: Path) -> None:
    with RecordingFile(tmp_path / "made" / "a.jsonl") as file:
        file.discard_if_empty()
    with RecordingFile(tmp_path / "b.jsonl") as file:
        file.append([LINE])
        file.discard_if_empty()

    assert [path.name for path in tmp_path.iterdir()] == ["b.jsonl"]


# ---- One process at a time ----

HOLD = """
import sys
from pathlib import Path
from tapehead.recording.recording_file import RecordingFile
with RecordingFile(Path(sys.argv[1]), append=True):
    print("held", flush=True)
    sys.stdin.read()
"""


@FORMS
@pytest.mark.parametrize("how", ["append", "overwrite"])
def test_two_processes_never_write_into_one_recording(tmp_path: Path, name: str, how: str) -> None:
    path = tmp_path / name
    write(path)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RecordingError, match=f"^another process records into '{path}'; name another file$"):
            RecordingFile(path, **{how: True})
        holder.kill()
    write(path, append=True)

    assert read(path) == [LINE, LINE]


@FORMS
def test_a_recording_can_be_opened_again_while_the_disk_still_confirms_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with RecordingFile(path) as file:
        file.append([LINE])
        handle = file.handle()
    write(path, append=True)
    os.close(handle)

    assert read(path) == [LINE, LINE]


# ---- A disk that refuses ----

HALF = """
import resource, signal, sys
from pathlib import Path
from tapehead.recording.recording_file import RecordingFile
from unit.recording.test_recording_file import LINES
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
file = RecordingFile(path)
file.append(LINES[:1])
for room in (0, 1, 10, 100):
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, resource.RLIM_INFINITY))
    try:
        file.append(LINES[1:] * 4)
    except OSError as error:
        print(error.strerror)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if room:
        file.append(LINES[1:2])
file.close()
"""


@FORMS
def test_a_write_that_is_refused_in_its_middle_is_taken_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    done = subprocess.run(
        [sys.executable, "-c", HALF, path],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=TESTS,
    )

    assert done.stdout.splitlines() == ["File too large"] * 4
    assert read(path) == [*LINES[:1], *LINES[1:2] * 3]
    assert all(isinstance(item, Entry) for item in read_recording(path))


@FORMS
def test_somebody_who_empties_the_file_costs_what_was_in_it_only(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with RecordingFile(path) as file:
        file.append(LINES)
        os.truncate(path, 0)
        file.append([LINE])
        file.append([LINE])

    assert read(path) == [LINE, LINE]


@FORMS
def test_a_file_knows_when_its_path_leads_elsewhere(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with RecordingFile(path) as file:
        assert (file.is_moved, file.is_removed) == (False, False)
        path.rename(tmp_path / "moved")
        assert (file.is_moved, file.is_removed) == (True, False)
        path.touch()
        assert (file.is_moved, file.is_removed) == (True, False)
        (tmp_path / "moved").unlink()
        assert (file.is_moved, file.is_removed) == (True, True)


# ---- What is no recording ----


def test_a_directory_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=rf"^'{tmp_path}' is a directory; name a file in it$"):
        RecordingFile(tmp_path, append=True)


@FORMS
@pytest.mark.parametrize("how", ["append", "overwrite"])
@pytest.mark.parametrize("foreign", [b'{"level":"info"}\n', b"\x89PNG\r\n\x1a\n", LINE.replace(b":2,", b":3,", 1)])
def test_a_foreign_file_is_neither_added_to_nor_replaced(tmp_path: Path, foreign: bytes, how: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(foreign)

    with pytest.raises(RecordingError, match=r"is not a recording; name another file|update tapehead"):
        RecordingFile(path, **{how: True})
    assert path.read_bytes() == foreign


def test_a_name_that_lies_about_compression_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain.zst").write_bytes(LINE)
    (tmp_path / "packed.jsonl").write_bytes(zstandard.compress(LINE))

    with pytest.raises(RecordingError, match=r"plain.zst' is not compressed with zstd, as its name says: "):
        RecordingFile(tmp_path / "plain.zst", append=True)
    with pytest.raises(RecordingError, match=r"packed.jsonl' is compressed; its name has to end in .zst$"):
        RecordingFile(tmp_path / "packed.jsonl", append=True)


@FORMS
def test_an_empty_file_may_be_written_to(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    write(tmp_path / name)

    assert read(tmp_path / name) == [LINE]


def test_a_file_is_no_directory_for_recordings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RecordingError, match="cannot write"):
        RecordingFile(tmp_path / "file" / "a.jsonl")
