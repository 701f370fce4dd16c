"""A store that goes down while a folder of it is copied: told in few lines, soon, and never taken for all there is."""

import re
from pathlib import Path

import pytest

from support.exchanges import session
from support.har_files import har_of
from support.object_stores import Bucket, environment_of
from support.processes import run_tapehead
from support.unreliable_store import unreliable
from tapehead.remote.copies import AT_ONCE
from tapehead.remote.journal_paths import JournalPath
from tapehead.remote.journal_urls import JournalUrl
from tapehead.remote.url_paths import MOST_FAILURES, fetch_all

FILES = 60
# A listing takes two of them; the library may ask twice for an object.
REQUESTS = 12


@pytest.mark.parametrize("command", [["audit"], ["audit", "--jobs", "2"], ["show"], ["import", "--out", "out.jsonl"]])
def test_the_rest_of_a_folder_is_not_asked_for(
    command: list[str], bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(FILES):
        bucket.put(f"runs/{number}.har", har_of(session(f"s{number}", [(1, 0, "play", {}), (9, 8, "sessionEnd", {})])))
    with unreliable(bucket.store.port) as store:
        for name, value in environment_of(store.url).items():
            monkeypatch.setenv(name, value)
        store.last_request = REQUESTS
        done = run_tapehead(command[0], f"{bucket.url}/runs/*.har", *command[1:], cwd=tmp_path)

    told = done.stderr.splitlines()
    assert done.returncode == 2, done.stderr
    (left,) = (line for line in told if " objects not read from " in line)
    # Some were asked for at the same time as the last of these.
    pattern = rf"tapehead: (\d+) objects not read from '{bucket.url}', which failed for (\d+) in a row: the store"
    found = re.match(rf"{pattern} at '{store.url}' cannot be reached, or does not answer; try again later$", left)
    assert found, left
    assert MOST_FAILURES <= int(found[2]) < MOST_FAILURES + AT_ONCE
    each = [line for line in told if "cannot be reached" in line and line != left]
    if command == ["show"]:  # ends at the first
        assert len(each) == 1
    else:  # some may have failed before the last that was read
        assert int(found[2]) <= len(each) < int(found[2]) + AT_ONCE
    assert int(found[1]) + len(each) < FILES


def test_journals_are_asked_one_by_one() -> None:
    paths = [JournalPath(JournalUrl(port, "secret-of-a-test")) for port in range(1, 3 * MOST_FAILURES)]

    assert fetch_all(paths) == []
    assert all(path.problem for path in paths)
    assert not any(path.is_left for path in paths)
