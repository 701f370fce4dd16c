"""The loop that ships: what it tries, how often, and what it tells."""

import errno
import os
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from support.memory_store import MemoryStore
from tapehead.remote.urls import ObjectUrl, parse_url
from tapehead.shipping import shipper as shipper_module
from tapehead.shipping import uploader as uploader_module
from tapehead.shipping.finished_files import FinishedFiles, LockedFile
from tapehead.shipping.shipper import Shipper
from tapehead.shipping.shipping_messages import ShippingStatus, ShippingTimes
from tapehead.shipping.uploader import Uploader

FOLDER = parse_url("s3://bucket/runs")
NAMES = [f"a-20261130T2058{second:02}.000001Z.jsonl" for second in range(3)]


class FailingStore(MemoryStore):
    """A store that fails at the first uploads, each with the next of some errors."""

    def __init__(self, errors: Iterable[Exception]) -> None:
        super().__init__()
        self._errors = iter(errors)

    def put_new_file(self, url: ObjectUrl, path: object) -> None:
        if error := next(self._errors, None):
            raise error
        super().put_new_file(url, str(path))


class FakeTime:
    """A clock that stands still but for pauses, which are noted; after the last pause wanted, the end is asked for."""

    def __init__(self, ending_after: int) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self._left = ending_after

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    # ---- As the event that asks for the end ----

    def is_set(self) -> bool:
        return self._left <= 0

    def wait(self, seconds: float) -> bool:
        self.sleep(seconds)
        self._left -= 1
        return self.is_set()


def ship(
    folder: Path, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, *, pauses: int = 0, look: float = 1000.0
) -> tuple[list[ShippingStatus], FakeTime]:
    """Run the loop until so many pauses are over, and then to its end; what it told, and its clock."""
    clock, told = FakeTime(pauses), list[ShippingStatus]()
    monkeypatch.setattr(shipper_module, "time", clock)
    monkeypatch.setattr("random.uniform", lambda _least, most: most)
    times = ShippingTimes(look=look, first_pause=1.0, longest_pause=60.0)
    made = Shipper(Uploader(store, FOLDER), FinishedFiles(folder / "a.jsonl", str(FOLDER)), told.append, times)
    made.run(clock)  # type: ignore[arg-type]
    return told, clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        (tmp_path / name).write_bytes(b"line\n" * (number + 1))
    return tmp_path


def test_the_oldest_file_goes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    told, _ = ship(folder, store, monkeypatch)
    assert [len(content) for content in store.objects.values()] == [5, 10, 15]
    assert [(each.shipped, each.waiting) for each in told] == [(1, 2), (2, 1), (3, 0), (3, 0)]
    assert [each.is_done for each in told] == [False, False, False, True]


def test_pauses_double_up_to_the_longest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [ConnectionError(1, f"reason {number}") for number in range(9)]
    told, clock = ship(folder, FailingStore(errors), monkeypatch, pauses=9)
    assert clock.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    # One failure is no news; the reason is, and the end of it.
    assert [each.problem for each in told][:3] == ["", "reason 1", "reason 2"]
    assert told[-1] == ShippingStatus(is_checked=True, shipped=3, is_done=True)


def test_a_single_failure_is_not_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = ship(folder, FailingStore([ConnectionError(1, "reason")]), monkeypatch, pauses=1)
    assert {each.problem for each in told} == {""}
    assert told[-1].shipped == 3


def test_new_files_are_counted_while_the_store_is_down(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Filling(FailingStore):
        def put_new_file(self, url: ObjectUrl, path: object) -> None:
            (folder / "a-20261130T235959.000001Z.jsonl").write_bytes(b"new\n")
            super().put_new_file(url, path)

    told, _ = ship(folder, Filling([ConnectionError(1, "reason")] * 3), monkeypatch, pauses=20, look=0.5)
    assert max(each.waiting for each in told) == 4
    assert told[-1].shipped == 4


def test_at_the_end_it_tries_at_once_and_again_each_second(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [ConnectionError(1, "reason")] * 10
    told, clock = ship(folder, FailingStore(errors), monkeypatch, pauses=5)
    assert clock.pauses[:5] == [1, 2, 4, 8, 16]
    assert max(clock.pauses[5:]) <= 1
    assert told[-1].shipped == 3


def test_a_file_that_cannot_be_read_holds_up_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / NAMES[0]).unlink()
    (folder / NAMES[0]).mkdir()
    told, _ = ship(folder, MemoryStore(), monkeypatch)
    assert (told[-1].shipped, told[-1].failed, told[-1].waiting) == (2, 1, 0)
    assert f"cannot read '{folder / NAMES[0]}'" in told[-1].failed_file


def test_a_file_that_the_store_never_takes_holds_up_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    class Choosy(MemoryStore):
        def put_new_file(self, url: ObjectUrl, path: str | os.PathLike[str]) -> None:
            tries.append(str(url))
            if Path(path).stat().st_size == 5:
                raise OSError(errno.EIO, "there is another object of that name")
            super().put_new_file(url, path)

    told, clock = ship(folder, Choosy(), monkeypatch, pauses=10, look=1.0)
    assert tries[0] not in tries[1:3]
    assert next(each.shipped for each in told if each.waiting == 1) == 2
    assert clock.now < 1015
    assert {each.problem for each in told} == {""}
    said = f"cannot ship '{folder / NAMES[0]}': there is another object of that name"
    # A single failure is no news. The pauses between two tries double.
    assert list(dict.fromkeys(each.failed_file for each in told)) == ["", said]
    assert 4 <= tries.count(tries[0]) <= 7
    assert (told[-1].shipped, told[-1].waiting, told[-1].failed, told[-1].is_done) == (2, 1, 0, True)


def test_what_several_files_meet_is_the_stores_fault_until_one_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [RuntimeError(f"reason {number}") for number in range(4)]
    told, _ = ship(folder, FailingStore(errors), monkeypatch, pauses=5, look=1.0)
    assert list(dict.fromkeys(each.problem for each in told)) == [
        "",
        "RuntimeError: reason 2",
        "RuntimeError: reason 3",
    ]
    assert {each.failed_file for each in told} == {""}
    assert told[-1] == ShippingStatus(is_checked=True, shipped=3, is_done=True)


def test_a_file_that_cannot_be_read_for_a_while_is_shipped_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter([OSError(errno.ESTALE, "Stale file handle"), OSError(errno.EMFILE, "Too many open files")])

    class Sometimes(LockedFile):
        def __init__(self, path: Path) -> None:
            if path.name == NAMES[0] and (error := next(errors, None)):
                raise error
            super().__init__(path)

    monkeypatch.setattr(uploader_module, "LockedFile", Sometimes)
    told, _ = ship(folder, MemoryStore(), monkeypatch, pauses=5, look=1.0)
    assert {each.failed_file for each in told} == {f"cannot read '{folder / NAMES[0]}': Stale file handle"}
    assert max(each.failed for each in told) == 1
    assert (told[-1].shipped, told[-1].failed, told[-1].waiting) == (3, 0, 0)


def test_a_file_that_cannot_be_looked_at_holds_up_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stale(LockedFile):
        def __init__(self, path: Path) -> None:
            if path.name == NAMES[0]:
                raise OSError(errno.ESTALE, "Stale file handle")
            super().__init__(path)

    exists = Path.exists

    def cannot_tell(path: Path) -> bool:
        if path.name == NAMES[0]:
            raise OSError(errno.ESTALE, "Stale file handle")
        return exists(path)

    monkeypatch.setattr(uploader_module, "LockedFile", Stale)
    monkeypatch.setattr(Path, "exists", cannot_tell)
    told, _ = ship(folder, MemoryStore(), monkeypatch)
    assert (told[-1].shipped, told[-1].failed, told[-1].waiting) == (2, 1, 0)


def test_a_file_that_was_removed_is_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Removing(FailingStore):
        def put_new_file(self, url: ObjectUrl, path: object) -> None:
            (folder / NAMES[0]).unlink(missing_ok=True)
            super().put_new_file(url, path)

    told, _ = ship(folder, Removing([ConnectionError(1, "reason")]), monkeypatch, pauses=1)
    assert (told[-1].shipped, told[-1].failed, told[-1].waiting) == (2, 0, 0)


@pytest.mark.parametrize(
    ("error", "is_refused"),
    [
        (PermissionError(errno.EACCES, "access is denied"), True),
        (OSError(errno.ENXIO, "there is no bucket"), True),
        (OSError(errno.EPROTO, "the certificate of the store is not accepted"), True),
        (ConnectionError(errno.EAGAIN, "the store fails"), False),
    ],
)
def test_what_waiting_does_not_help_is_told_as_such(error: OSError, is_refused: bool, folder: Path) -> None:
    class Refusing(MemoryStore):
        def info(self, url: ObjectUrl) -> object:  # type: ignore[override]
            raise error

    told: list[ShippingStatus] = []
    made = Shipper(
        Uploader(Refusing(), FOLDER), FinishedFiles(folder / "a.jsonl", str(FOLDER)), told.append, ShippingTimes()
    )
    made.check()
    assert (told[0].problem, told[0].is_refused) == (error.strerror, is_refused)


def test_a_store_that_is_back_is_noticed_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Back(MemoryStore):
        questions = 0

        def info(self, url: ObjectUrl):  # type: ignore[no-untyped-def]
            self.questions += 1
            if self.questions < 3:
                raise ConnectionError(1, "down")
            return super().info(url)

    clock, told = FakeTime(20), list[ShippingStatus]()
    monkeypatch.setattr(shipper_module, "time", clock)
    made = Shipper(
        Uploader(Back(), FOLDER), FinishedFiles(tmp_path / "a.jsonl", str(FOLDER)), told.append, ShippingTimes()
    )
    made.check()
    made.run(clock)  # type: ignore[arg-type]
    assert [each.problem for each in told] == ["down", "", ""]


def test_the_end_comes_while_it_waits(tmp_path: Path) -> None:
    class Ending(threading.Event):
        def __init__(self) -> None:
            super().__init__()
            self.is_waited_for = threading.Event()

        def wait(self, timeout: float | None = None) -> bool:
            self.is_waited_for.set()
            return super().wait(timeout)

    ending, told = Ending(), list[ShippingStatus]()
    made = Shipper(
        Uploader(MemoryStore(), FOLDER),
        FinishedFiles(tmp_path / "a.jsonl", str(FOLDER)),
        told.append,
        ShippingTimes(look=1000),
    )
    thread = threading.Thread(target=made.run, args=(ending,), daemon=True)
    thread.start()
    assert ending.is_waited_for.wait(60)
    ending.set()
    thread.join(60)
    assert told[-1].is_done
