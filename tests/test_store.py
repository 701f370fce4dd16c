"""Recordings on disk: appended whole, mended, private, and refused where they are none."""

import os
import stat
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tapehead.exchange import encode
from tapehead.problems import RecordingProblem
from tapehead.recording import BadLine, Entry
from tapehead.store import RecordingWriter, SafeWriter, pseudonym_key, read_entries, read_recording, state_directory
from tapes import exchange, request, response, start

WHOLE = exchange(request(start()), response(201))
LINE = encode(WHOLE)

not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")


def _write(path: Path, count: int = 1, *, append: bool = False) -> None:
    with RecordingWriter(path, append=append) as writer:
        for _ in range(count):
            writer.append(WHOLE)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _problem(path: Path) -> str:
    with pytest.raises(RecordingProblem) as caught:
        list(read_recording(path))
    return str(caught.value)


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    _write(tmp_path / "a.jsonl", 3)
    items = list(read_recording(tmp_path / "a.jsonl"))

    assert [item.line for item in items] == [1, 2, 3]
    assert [encode(item.exchange) for item in items if isinstance(item, Entry)] == [LINE] * 3


def test_a_recording_that_exists_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    _write(path)

    with pytest.raises(RecordingProblem, match="exists; say --append to add to it, --overwrite to replace it"):
        RecordingWriter(path)
    assert path.read_bytes() == LINE


def test_appending_adds_to_what_is_there(tmp_path: Path) -> None:
    _write(tmp_path / "a.jsonl")
    _write(tmp_path / "a.jsonl", append=True)

    assert (tmp_path / "a.jsonl").read_bytes() == LINE * 2


def test_appending_makes_a_file_that_is_missing(tmp_path: Path) -> None:
    _write(tmp_path / "a.jsonl", append=True)

    assert (tmp_path / "a.jsonl").read_bytes() == LINE


def test_appending_mends_a_torn_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINE + LINE[:40])
    _write(path, append=True)

    assert path.read_bytes() == LINE + LINE[:40] + b"\n" + LINE
    assert [isinstance(item, Entry) for item in read_recording(path)] == [True, False, True]


def test_a_recording_is_its_owners_alone(tmp_path: Path) -> None:
    _write(tmp_path / "new" / "deep" / "a.jsonl")

    assert _mode(tmp_path / "new" / "deep" / "a.jsonl") == 0o600


def test_an_exchange_is_on_disk_before_the_next(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "a.jsonl") as writer:
        for count in (1, 2, 3):
            writer.append(WHOLE)
            assert (tmp_path / "a.jsonl").read_bytes() == LINE * count


def test_an_exchange_is_one_write_that_nothing_tears(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    wide = [exchange(request(digit.encode() * 100_000), response(400)) for digit in "1234"]
    with RecordingWriter(path) as first, RecordingWriter(path, append=True) as second:
        writers = [first, second, first, second]
        with ThreadPoolExecutor(4) as pool:
            for _ in range(20):
                list(pool.map(RecordingWriter.append, writers, wide))

    assert Counter(path.read_bytes().splitlines(keepends=True)) == {encode(each): 20 for each in wide}


def test_a_recording_without_exchanges_is_discarded(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "a.jsonl") as writer:
        writer.discard_if_empty()
    with RecordingWriter(tmp_path / "b.jsonl") as writer:
        writer.append(WHOLE)
        writer.discard_if_empty()

    assert [path.name for path in tmp_path.iterdir()] == ["b.jsonl"]


def test_a_directory_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(RecordingProblem, match=rf"^{tmp_path} is a directory; name a file in it$"):
        RecordingWriter(tmp_path, append=True)


@pytest.mark.parametrize("how", [{"append": True}, {"overwrite": True}])
@pytest.mark.parametrize(
    "foreign", [b'{"level":"info"}\n', b"\x89PNG\r\n\x1a\n", encode(WHOLE).replace(b":1,", b":2,", 1)]
)
def test_a_foreign_file_is_neither_added_to_nor_replaced(tmp_path: Path, foreign: bytes, how: dict[str, bool]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(foreign)

    with pytest.raises(RecordingProblem, match=r"is no recording; name another file|update tapehead"):
        RecordingWriter(path, **how)
    assert path.read_bytes() == foreign


def test_an_empty_file_may_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    with RecordingWriter(tmp_path / "a.jsonl") as writer:
        writer.append(WHOLE)

    assert (tmp_path / "a.jsonl").read_bytes() == encode(WHOLE)


def test_a_recording_cut_short_in_its_first_line_can_be_added_to(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(encode(WHOLE)[:40])
    with RecordingWriter(tmp_path / "a.jsonl", append=True) as writer:
        writer.append(WHOLE)

    assert (tmp_path / "a.jsonl").read_bytes().endswith(b"\n" + encode(WHOLE))


def test_a_file_is_no_directory_for_recordings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RecordingProblem, match="cannot write"):
        RecordingWriter(tmp_path / "file" / "a.jsonl")


def test_a_full_disk_is_told_once_and_counted(tmp_path: Path) -> None:
    told: list[str] = []
    writer = RecordingWriter(tmp_path / "a.jsonl")
    tape = SafeWriter(writer, told.append)
    tape.append(WHOLE)
    writer.close()
    tape.append(WHOLE)
    tape.append(WHOLE)

    assert (tape.written, tape.lost) == (1, 2)
    assert told == [f"cannot write {writer.path}: Bad file descriptor; the traffic goes on unrecorded"]


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert _problem(tmp_path / "a.jsonl") == f"there is no file {tmp_path / 'a.jsonl'}"


def test_a_directory_is_no_recording(tmp_path: Path) -> None:
    assert _problem(tmp_path) == f"{tmp_path} is a directory; name the files in it, such as {tmp_path}/*.jsonl"


@not_as_root
def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    _write(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").chmod(0)

    assert _problem(tmp_path / "a.jsonl") == f"cannot read {tmp_path / 'a.jsonl'}: Permission denied"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that nobody can read")
def test_a_file_that_fails_to_read_is_a_problem() -> None:
    assert _problem(Path("/proc/self/mem")) == "cannot read /proc/self/mem: Input/output error"


@pytest.mark.parametrize("content", [b"", b"\n", b"\n \n"])
def test_an_empty_recording_is_a_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)

    assert _problem(tmp_path / "a.jsonl").endswith("a.jsonl is empty: no exchange was recorded")


def test_a_foreign_file_is_a_problem_by_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "a.har").write_bytes(b'\n{\n"log": {}\n}\n')

    assert "a.har is no recording: line 2: no exchange: " in _problem(tmp_path / "a.har")


def test_a_later_format_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINE + b'{"tapehead":2}\n')

    assert "a.jsonl: format 2 is newer" in _problem(tmp_path / "a.jsonl")


def test_a_torn_recording_is_read_with_one_complaint(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINE + LINE[:-9])
    told: list[str] = []

    assert len(read_entries(path, told.append)) == 1
    assert told == [f"{path}:2: skipped, a write cut short"]
    assert isinstance(list(read_recording(path))[1], BadLine)


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = pseudonym_key(tmp_path)
    (path,) = (state_directory() / "keys").iterdir()

    assert len(key) == 32
    assert pseudonym_key(tmp_path) == key == path.read_bytes()
    assert _mode(path) == 0o600


def test_the_key_stays_out_of_the_recordings(tmp_path: Path) -> None:
    pseudonym_key(tmp_path)

    assert not list(tmp_path.iterdir())
    assert not state_directory().is_relative_to(tmp_path)


def test_each_directory_has_its_own_key(tmp_path: Path) -> None:
    keys = {pseudonym_key(tmp_path / name) for name in ("a", "b", "a/b")}

    assert len(keys) == 3


@pytest.mark.parametrize(
    "spelling", [lambda path: path / "..", lambda path: Path(os.path.relpath(path.parent)), lambda path: path.parent]
)
def test_a_directory_has_one_key_however_spelt(tmp_path: Path, spelling: Callable[[Path], Path]) -> None:
    (tmp_path / "sub").mkdir()

    assert pseudonym_key(spelling(tmp_path / "sub")) == pseudonym_key(tmp_path)


def test_a_key_that_cannot_be_kept_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))

    with pytest.raises(RecordingProblem, match=r"cannot keep the pseudonyms' key in .*; set XDG_STATE_HOME or say"):
        pseudonym_key(tmp_path)
