"""The hashes of identifiers are confirmed by the disk before the lines of their sessions, as often as those are."""

import errno
import itertools
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from support.exchanges import event, start_with
from support.processes import Command, running
from tapehead.recording.identifier_file import IdentifierFile
from tapehead.recording.pseudonym_keys import pseudonym_key, state_directory
from tapehead.redaction import session_identifiers

VISITOR = "jane.doe@example.com"
# Adds the path of each file that the disk is asked to confirm to a list.
SPY = """
import os
whole = os.fdatasync
def listed(file):
    with open({path!r}, "a") as list_of_paths:
        print(os.path.basename(os.path.dirname(os.readlink(f"/proc/self/fd/{{file}}"))), file=list_of_paths)
    whole(file)
os.fdatasync = listed
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Command]:
    with running("serve", "-q") as opened:
        yield opened


def play(proxy: Command, after_each: Callable[[], None]) -> None:
    """Play a session whose start and second event name people; the first and the last event name nobody."""
    with httpx.Client(base_url=proxy.url) as client:
        opened = client.post("/api/v1/sessions", json=start_with({"analytics.visitorId": VISITOR}))
        after_each()
        for params in ({}, {"analytics.visitorId": "later-4711"}, {}):
            body = event("ping", 5, 5, params=params)
            assert client.post(f"{opened.headers['Location']}/events", json=body).is_success
            after_each()


def confirmed(endpoint: Command, folder: Path, sync: str, after_each: Callable[[list[str]], None]) -> list[str]:
    """Return the files that were confirmed during a recording, in their order; `after_each` gets those so far."""
    (folder / "recording").mkdir()
    paths, out = folder / "paths", folder / "recording" / "a.jsonl"
    paths.touch()
    with running(
        *("record", "-q", "--to", endpoint.url, "--out", out, "--sync", sync), broken=SPY.format(path=str(paths))
    ) as proxy:
        play(proxy, lambda: after_each(paths.read_text().split()))
        assert proxy.stop() == 0
    return paths.read_text().split()


def test_with_each_line_its_hashes_are_confirmed_before_it(endpoint: Command, tmp_path: Path) -> None:
    seen: list[list[str]] = []
    confirmed(endpoint, tmp_path, "each", seen.append)

    assert [now[len(before) :] for before, now in itertools.pairwise([[], *seen])] == [
        ["identifiers", "recording"],
        ["recording"],
        ["identifiers", "recording"],
        ["recording"],
    ]


def test_once_a_second_hashes_are_confirmed_before_lines(endpoint: Command, tmp_path: Path) -> None:
    # Each pause is longer than the time between two syncs.
    files = confirmed(endpoint, tmp_path, "second", lambda _: time.sleep(1.3))

    assert files[:2] == ["identifiers", "recording"]
    assert files.count("identifiers") == 2
    assert files.count("recording") >= 3
    assert files[files.index("identifiers", 1) + 1] == "recording"


def test_without_confirmation_hashes_are_confirmed_at_the_end_alone(endpoint: Command, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    assert confirmed(endpoint, tmp_path, "none", seen.append) == ["identifiers", "recording"]
    assert seen == [[]] * 4


def test_hashes_that_the_disk_does_not_confirm_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session whose hashes may be lost must not count as one whose identifiers are all known."""
    warnings = list[str]()
    file, key = IdentifierFile(tmp_path, warnings.append), pseudonym_key(tmp_path)
    identifiers = file.open(key)
    identifiers.add("abc", [VISITOR])

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", refuse)
        file.sync()

    assert len(warnings) == 1
    assert "all that might identify a person will be masked" in warnings[0]
    assert not list((state_directory() / "identifiers").iterdir())
    identifiers.add("abc", ["later-4711"])
    assert not IdentifierFile(tmp_path, pytest.fail).open(key).knows("abc")


def test_a_file_that_was_full_and_the_next_one_are_confirmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_identifiers, "MOST_BYTES", 2000)
    file, sizes, confirm = IdentifierFile(tmp_path, pytest.fail), list[int](), os.fdatasync

    def note_size(opened: int) -> None:
        sizes.append(os.fstat(opened).st_size)
        confirm(opened)

    monkeypatch.setattr(os, "fdatasync", note_size)
    identifiers = file.open(pseudonym_key(tmp_path))
    for number in range(12):
        identifiers.add(f"s{number}", [VISITOR])
    file.sync()
    file.sync()

    (path,) = (state_directory() / "identifiers").glob("*.older")
    assert sizes == [path.stat().st_size, path.with_suffix("").stat().st_size]


def test_hashes_are_confirmed_once_there_are_descriptors_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, calls = IdentifierFile(tmp_path, pytest.fail), list[int]()
    monkeypatch.setattr(os, "fdatasync", calls.append)
    file.open(pseudonym_key(tmp_path)).add("abc", [VISITOR])
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        file.sync()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert not calls
    file.sync()
    assert len(calls) == 1
