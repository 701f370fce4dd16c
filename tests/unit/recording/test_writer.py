"""The writer's bounds: how much waits in memory, and how often a disk that refuses is tried again."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tapehead.internal_errors import InternalErrors
from tapehead.recording import writer as writer_module
from tapehead.recording.recorder_settings import Rotation, Sync
from tapehead.recording.recording_file import RecordingFile
from tapehead.recording.rotation import RotatingFile
from tapehead.recording.writer import BackgroundWriter, Prepared

SIZE = 100


class StubbornFile(RotatingFile):
    """A recording whose disk refuses until it is told otherwise, and the times at which it was tried."""

    def __init__(self, path: Path) -> None:
        super().__init__(RecordingFile(path), Rotation(), lambda _: None)
        self.refuses = True
        self.tries: list[float] = []

    def append(self, lines: Sequence[bytes]) -> None:
        self.tries.append(time.monotonic())
        if self.refuses:
            raise OSError(28, "No space left on device")
        super().append(lines)


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


@pytest.mark.parametrize("fitting", [1, 3])
def test_as_many_calls_wait_in_memory_as_fit(fitting: int, tmp_path: Path) -> None:
    """While the thread is busy nothing leaves the backlog: it takes calls up to its last byte, and none beyond."""
    path, busy, go_on = tmp_path / "a.jsonl", threading.Event(), threading.Event()

    def prepare(line: bytes) -> bytes:
        busy.set()
        go_on.wait()
        return line

    file, warnings = RotatingFile(RecordingFile(path), Rotation(), lambda _: None), list[str]()
    most = SIZE * (fitting + 1)
    writer = BackgroundWriter[bytes](file, prepare, warnings.append, InternalErrors(), sync=Sync.NONE, backlog=most)

    async def put_all() -> list[bool]:
        taken = [writer.put(b"0\n", SIZE) is not None]
        await asyncio.to_thread(busy.wait)
        taken += [writer.put(b"%d\n" % number, SIZE) is not None for number in range(1, fitting + 3)]
        go_on.set()
        return taken

    assert asyncio.run(put_all()) == [True] * (fitting + 1) + [False] * 2
    writer.close()
    assert (writer.received, writer.written, writer.lost) == (fitting + 3, fitting + 1, 2)
    assert path.read_bytes() == b"".join(b"%d\n" % number for number in range(fitting + 1))
    assert warnings == [
        f"'{path}': {most} bytes may wait in memory, and further calls are LOST until it has caught up;"
        " traffic continues"
    ]


def test_a_call_that_never_fits_is_lost_with_a_reason(tmp_path: Path) -> None:
    path, warnings = tmp_path / "a.jsonl", list[str]()
    file = RotatingFile(RecordingFile(path), Rotation(), lambda _: None)
    writer = BackgroundWriter[bytes](file, bytes, warnings.append, InternalErrors(), sync=Sync.NONE, backlog=5000)

    async def put_all() -> list[bool]:
        return [writer.put(b"1\n", size) is not None for size in (5001, SIZE, 6000)]

    assert asyncio.run(put_all()) == [False, True, False]
    writer.close()
    assert writer.lost == 2
    assert warnings == [
        f"'{path}': a call of 5,001 bytes is LOST, as 5,000 bytes may wait in memory; traffic continues"
    ]


def test_a_disk_that_refuses_is_tried_again_after_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "RETRY_SECONDS", 0.4)
    file, warnings = StubbornFile(tmp_path / "a.jsonl"), list[str]()
    writer = BackgroundWriter[bytes](file, bytes, warnings.append, InternalErrors(), sync=Sync.NONE, backlog=10_000)

    async def put_often() -> None:
        for number in range(60):
            writer.put(b"%d\n" % number, 10)
            await asyncio.sleep(0.02)

    asyncio.run(put_often())
    wait_until(lambda: len(file.tries) >= 3)
    pauses = [later - earlier for earlier, later in zip(file.tries, file.tries[1:], strict=False)]
    file.refuses = False
    writer.close()

    assert min(pauses) >= 0.4
    assert [line.partition(";")[0] for line in warnings] == [
        f"cannot write '{tmp_path / 'a.jsonl'}': No space left on device",
        f"'{tmp_path / 'a.jsonl'}' can be written again, and the exchanges in memory are in it",
    ]
    assert (writer.written, writer.lost) == (60, 0)


@pytest.mark.parametrize("step", ["_prepare", "_flush", "_confirm", "_take"])
@pytest.mark.parametrize("kind", [KeyError, MemoryError, SystemExit])
def test_the_thread_outlives_whatever_fails_in_it(
    step: str, kind: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step fails once in the middle; the failure is counted, and costs at most the item at hand."""
    reports, path, fails = list[str](), tmp_path / "a.jsonl", [True]
    file = RotatingFile(RecordingFile(path), Rotation(), lambda _: None)
    internal_errors = InternalErrors(report=reports.append)
    writer = BackgroundWriter[bytes](file, bytes, lambda _: None, internal_errors, sync=Sync.EACH, backlog=10_000)
    whole = getattr(writer, step)

    def break_once(argument: list[object]) -> object:
        if fails:
            fails.clear()
            raise kind("planted")
        return whole(argument)

    async def store_all() -> None:
        for number in range(3):
            if stored := writer.store(b"%d\n" % number, 10):
                await stored
            monkeypatch.setattr(writer, step, break_once)

    asyncio.run(store_all())
    writer.close()

    lost = step == "_prepare"
    assert (internal_errors.count, writer.lost) == (1, lost)
    assert path.read_bytes() == (b"0\n2\n" if lost else b"0\n1\n2\n")


def test_slow_work_is_waited_for_at_the_end(tmp_path: Path) -> None:
    path, go_on, internal_errors = tmp_path / "a.jsonl", threading.Event(), InternalErrors(report=lambda _: None)

    def prepare(line: bytes) -> Prepared:
        def work() -> Callable[[], bytes]:
            go_on.wait()
            if line == b"1\n":
                raise KeyError("planted")
            return lambda: line

        return line if line == b"2\n" else work

    file = RotatingFile(RecordingFile(path), Rotation(), lambda _: None)
    writer = BackgroundWriter(file, prepare, lambda _: None, internal_errors, sync=Sync.NONE, backlog=1000)

    async def put_all() -> None:
        for number in range(3):
            writer.put(b"%d\n" % number, 10)

    asyncio.run(put_all())
    threading.Timer(0.2, go_on.set).start()
    writer.close()
    assert path.read_bytes() == b"2\n0\n"
    assert (writer.lost, internal_errors.count) == (1, 1)
