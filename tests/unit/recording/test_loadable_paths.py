"""Recordings that a running server is asked to load: their size is known before they are read."""

import gzip
from pathlib import Path

import pytest

from tapehead.errors import UsageError
from tapehead.recording import loadable_paths
from tapehead.recording.loadable_paths import check_loadable


def test_files_that_end_too_early_count_as_far_as_they_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loadable_paths, "MOST_BYTES", 1_500_000)
    paths = [tmp_path / f"{number}.jsonl.gz" for number in range(2)]
    for path in paths:
        path.write_bytes(gzip.compress(bytes(1_000_000))[:-8])

    check_loadable(paths[:1])
    with pytest.raises(UsageError, match=r"^cannot load more than 1,500,000 bytes while tapehead runs, unpacked"):
        check_loadable(paths)
