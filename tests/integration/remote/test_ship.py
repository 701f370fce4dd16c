"""`record --ship` against a real S3 server behind a connection that fails: everything gets there, and nothing twice."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from bench.load import bare
from support.google_storage import google_store
from support.load import LoadGenerator, numbers_in
from support.object_stores import Bucket, ObjectStore, environment_of, running_store
from support.processes import TIMEOUT_SECONDS, Command, run_tapehead, running
from support.unreliable_store import CUT, DOWN, OLD, SLOW, STALLED, UP, UnreliableStore, unreliable

# As fast as a test wants it: eight seconds without an answer are a failure, and pauses are short.
TIMES = "from tapehead.shipping import shipping_messages as messages\n"
TIMES += "messages.TIMES = messages.ShippingTimes(look=0.05, first_pause=0.05, longest_pause=0.2, answer=8.0)\n"
# The end of a run waits as long as a busy machine takes, or hardly.
PATIENT = TIMES + "from tapehead.cli import shipping_run\nshipping_run.END_SECONDS = 80.0\n"
HASTY = TIMES + "from tapehead.cli import shipping_run\nshipping_run.END_SECONDS = 0.2\n"
DOWN_LINE, BACK_LINE = "cannot ship to '", "' again"


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with running_store() as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[Command]:
    with bare() as opened:
        yield opened


@pytest.fixture
def network(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnreliableStore]:
    """The connection to the store; commands find no other."""
    with unreliable(store.port) as opened:
        for name, value in environment_of(opened.url).items():
            monkeypatch.setenv(name, value)
        yield opened


@contextlib.contextmanager
def shipping(server: Command, folder: Path, bucket: Bucket, *more: object, broken: str = PATIENT) -> Iterator[Command]:
    """`record --ship`, with files of a few calls each."""
    options = ["--out", folder / "a.jsonl", "--append", "--rotate", "10KB", "--ship", f"{bucket.url}/tests"]
    with running("record", "-q", "--no-audit", "--to", server.url, *options, *more, broken=broken) as proxy:
        yield proxy


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def files_in(folder: Path) -> dict[str, bytes]:
    """The full files of the recording, by name; a kill may leave a name that was taken for one, and nothing in it."""
    return {path.name: path.read_bytes() for path in folder.glob("a-*.jsonl") if path.stat().st_size}


def assert_all_shipped_once(folder: Path, bucket: Bucket, network: UnreliableStore) -> None:
    """Check that the store has the bytes of each full file under its name, and got each of them once."""
    files, stored = files_in(folder), {}
    keys = bucket.keys()
    for key in keys:
        prefix, _, name = key.removeprefix("tests/").removesuffix(".jsonl").rpartition("-")
        stored[f"{prefix}.jsonl"] = bucket.get(key)
        assert len(name) == 12
    assert stored == files
    assert len(stored) == len(keys) > 0
    uploads = {path: count for path, count in network.uploads.items() if path.startswith(f"/{bucket.name}/")}
    assert list(uploads.values()) == [1] * len(files), uploads


def wait_for_lines(proxy: Command, text: str, count: int) -> None:
    wait_until(lambda: len(lines_with(proxy, text)) >= count)
    assert len(lines_with(proxy, text)) == count, proxy.lines


def wait_for_uploads(network: UnreliableStore, count: int) -> None:
    wait_until(lambda: sum(network.uploads.values()) >= count)


def lines_with(proxy: Command, text: str) -> list[str]:
    return [line for line in proxy.lines if text in line]


def test_whatever_the_store_does_all_is_recorded_and_shipped_once(
    tmp_path: Path, store: ObjectStore, server: Command, network: UnreliableStore
) -> None:
    bucket, summary = store.bucket(), tmp_path / "summary.json"
    failing = [DOWN, STALLED, "503", "507", "403", DOWN]
    sent = 0
    answered: list[int] = []
    with shipping(server, tmp_path, bucket, "--summary", summary) as proxy:
        for number, behaviour in enumerate([UP, SLOW, CUT, OLD, *failing]):
            network.behaviour = behaviour
            load = LoadGenerator(proxy.port, range(sent, sent + 60))
            load.play()
            answered += load.answered
            sent += 60
            if behaviour in failing:
                wait_for_lines(proxy, DOWN_LINE, number - 3)
                network.behaviour = UP
                wait_for_lines(proxy, BACK_LINE, number - 3)
        assert proxy.stop() == 0

    assert sorted(answered) == list(range(sent))
    assert sorted(number for name in files_in(tmp_path) for number in numbers_in(tmp_path / name)) == sorted(answered)
    assert not (tmp_path / "a.jsonl").exists()
    assert_all_shipped_once(tmp_path, bucket, network)
    count = len(files_in(tmp_path))
    assert orjson.loads(summary.read_bytes())["ship"] == {
        "url": f"{bucket.url}/tests", "shipped": count, "waiting": 0, "failed": 0,
    }  # fmt: skip
    assert proxy.lines[-1] == f"shipped {count} files to '{bucket.url}/tests'"
    # One line for each change, however often it was tried.
    assert len(lines_with(proxy, "tapehead: ")) == 2 * len(failing), proxy.lines
    assert "recording continues, and" in lines_with(proxy, DOWN_LINE)[0]


def test_what_a_killed_run_left_is_shipped_by_the_next_one_and_nothing_twice(
    tmp_path: Path, store: ObjectStore, server: Command, network: UnreliableStore
) -> None:
    bucket, answered = store.bucket(), set[int]()
    for number, behaviour in enumerate([CUT, SLOW, UP]):
        network.behaviour, shipped_before = behaviour, sum(network.uploads.values())
        with shipping(server, tmp_path, bucket) as proxy:
            load = LoadGenerator(proxy.port, range(number * 1_000, number * 1_000 + 1_000))
            player = threading.Thread(target=load.play)
            player.start()
            wait_for_uploads(network, shipped_before + 2)
            proxy.process.send_signal(signal.SIGKILL)
            player.join(TIMEOUT_SECONDS)
            answered |= set(load.answered) - load.late
            proxy.process.wait(TIMEOUT_SECONDS)
    network.behaviour = UP
    with shipping(server, tmp_path, bucket) as proxy:
        assert proxy.stop() == 0

    recorded = [number for name in files_in(tmp_path) for number in numbers_in(tmp_path / name)]
    assert answered <= set(recorded)
    assert len(recorded) == len(set(recorded))
    assert_all_shipped_once(tmp_path, bucket, network)


def test_a_store_that_is_down_all_the_time_delays_neither_the_start_nor_the_end(
    tmp_path: Path, store: ObjectStore, server: Command, network: UnreliableStore
) -> None:
    bucket, summary = store.bucket(), tmp_path / "summary.json"
    network.behaviour = DOWN
    with shipping(server, tmp_path, bucket, "--summary", summary, broken=HASTY) as proxy:
        LoadGenerator(proxy.port, range(60)).play()
        assert proxy.stop() == 0
    count = len(files_in(tmp_path))
    assert len(lines_with(proxy, DOWN_LINE)) == 1
    more = f"{count} files wait: the next run with this --out and --ship ships them"
    assert proxy.lines[-1] == f"shipped 0 files to '{bucket.url}/tests'; {more}"
    ship = orjson.loads(summary.read_bytes())["ship"]
    assert (ship["shipped"], ship["waiting"], ship["failed"]) == (0, count, 0)
    assert bucket.keys() == []

    network.behaviour = UP
    with shipping(server, tmp_path, bucket) as proxy:
        assert proxy.stop() == 0
    assert_all_shipped_once(tmp_path, bucket, network)


def test_googles_store_takes_files_as_well(tmp_path: Path, server: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with google_store() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        options = ["--out", tmp_path / "a.jsonl.zst", "--rotate", "10KB", "--ship", f"gs://{store.bucket}/tests"]
        with running("record", "-q", "--no-audit", "--to", server.url, *options, broken=PATIENT) as proxy:
            store.status = 403  # which the library does not try again on its own
            LoadGenerator(proxy.port, range(200), size=500).play()
            wait_for_lines(proxy, DOWN_LINE, 1)
            store.status = 0
            wait_for_lines(proxy, BACK_LINE, 1)
            assert proxy.stop() == 0
    files = [path.read_bytes() for path in tmp_path.glob("a-*.jsonl.zst")]
    assert len(files) > 1
    assert sorted(store.objects.values()) == sorted(files)
    assert all(key.startswith("tests/a-") and key.endswith(".jsonl.zst") for key in store.objects)


def test_a_second_signal_ends_the_wait(
    tmp_path: Path, store: ObjectStore, server: Command, network: UnreliableStore
) -> None:
    with shipping(server, tmp_path, store.bucket()) as proxy:
        network.behaviour = STALLED
        LoadGenerator(proxy.port, range(5)).play()
        proxy.process.send_signal(signal.SIGTERM)
        wait_until(lambda: files_in(tmp_path))
        while proxy.process.poll() is None:
            proxy.process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        proxy.stop()
    assert "1 file waits: the next run with this --out and --ship ships it" in proxy.lines[-1]


def test_a_dead_process_is_followed_by_another_and_told_once(
    tmp_path: Path, store: ObjectStore, server: Command, network: UnreliableStore
) -> None:
    bucket = store.bucket()
    with shipping(server, tmp_path, bucket) as proxy:
        for number in range(2):
            LoadGenerator(proxy.port, range(number * 60, number * 60 + 60)).play()
            wait_for_uploads(network, number + 1)
            kill_child(proxy)
        assert proxy.stop() == 0
    assert len(lines_with(proxy, "died: killed by SIGKILL; another such process starts in ")) == 1
    assert_all_shipped_once(tmp_path, bucket, network)


def kill_child(proxy: Command) -> None:
    """Kill the process that ships, and wait for another one."""
    (child,) = children_of(proxy)
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: children_of(proxy) not in ([], [child]))


def children_of(proxy: Command) -> list[int]:
    tasks = Path(f"/proc/{proxy.process.pid}/task").glob("*/children")
    return [int(number) for task in tasks for number in task.read_text().split()]


def test_files_are_removed_once_they_are_in_the_store(
    tmp_path: Path, store: ObjectStore, server: Command, network: UnreliableStore
) -> None:
    bucket = store.bucket()
    network.behaviour = DOWN
    with shipping(server, tmp_path, bucket, "--ship-delete", broken=HASTY) as proxy:
        LoadGenerator(proxy.port, range(60)).play()
        proxy.stop()
    files = files_in(tmp_path)
    assert files
    network.behaviour = UP
    with shipping(server, tmp_path, bucket, "--ship-delete") as proxy:
        proxy.stop()

    assert sorted(map(bucket.get, bucket.keys())) == sorted(files.values())
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("a", ".a"))] == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://host/x", "cannot ship to 'ftp://host/x': expected a path, or a URL such as"),
        ("s3://KEY:SECRET@bucket/x", "it contains a login"),
        ("s3://no-such-bucket/x", "cannot ship to 's3://no-such-bucket/x': there is no bucket 'no-such-bucket'"),
    ],
)
def test_a_wrong_url_is_told_at_the_start(url: str, reason: str, tmp_path: Path, network: UnreliableStore) -> None:
    told = refused(tmp_path, url)
    assert reason in told
    assert "SECRET" not in told


def test_an_endpoint_that_is_not_a_url_is_told_at_the_start(
    tmp_path: Path, network: UnreliableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    told = refused(tmp_path, "s3://bucket/x")
    assert "cannot ship to 's3://bucket/x': its endpoint is not a URL; set AWS_ENDPOINT_URL to one" in told


def test_missing_rights_credentials_and_libraries_are_told_at_the_start(
    tmp_path: Path, store: ObjectStore, network: UnreliableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = store.bucket().url
    network.behaviour = "403"
    assert f"cannot ship to '{url}': access is denied" in refused(tmp_path, url)
    network.behaviour = UP
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert f"cannot ship to '{url}': there are no credentials" in refused(tmp_path, url)
    (tmp_path / "s3fs.py").write_text("raise ModuleNotFoundError('No module', name='s3fs')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    assert "s3fs is not installed; run pip install 'tapehead[remote]'" in refused(tmp_path, url)


def refused(folder: Path, url: str) -> str:
    """The line with which `record --ship URL` ends before it listens; no recording is left."""
    ended = run_tapehead("record", "--to", "http://127.0.0.1:9", "--out", folder / "a.jsonl", "--ship", url)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert not (folder / "a.jsonl").exists()
    (line,) = ended.stderr.splitlines()
    return line
