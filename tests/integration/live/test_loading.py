"""Recordings that are loaded through the HTTP API: what never ends, blocks or is too large is refused at once."""

import gzip
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import zstandard

from support.api_client import api_of
from support.live_client import LIVE, RECORDING, play
from support.processes import Command, running
from tapehead.recording.loadable_paths import MOST_BYTES, MOST_FILES

PIECE = 1_000_000


@pytest.fixture(scope="module")
def replaying() -> Iterator[Command]:
    with running("replay", RECORDING, "-q", *LIVE) as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a file of each kind that no recording is."""
    folder = tmp_path_factory.mktemp("loaded")
    os.mkfifo(folder / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
    (folder / "empty").mkdir()
    (folder / "binary").write_bytes(bytes(range(256)) * 1000)
    with (folder / "huge.jsonl").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    recorded = RECORDING.read_bytes().splitlines(keepends=True)[0]
    packer = zstandard.ZstdCompressor().compressobj()
    with (folder / "packed.jsonl.zst").open("wb") as file:
        for _ in range(MOST_BYTES // PIECE + 1):
            file.write(packer.compress(recorded + b" " * PIECE + b"\n"))
        file.write(packer.flush())
    with gzip.open(folder / "packed.har.gz", "wb") as har:
        har.write(b'{"log": {"version": "1.2", "entries": [')
        for _ in range(60):
            har.write(b" " * PIECE)
    (folder / "many").mkdir()
    for number in range(MOST_FILES + 1):
        (folder / "many" / str(number)).touch()
    return folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/dev/zero", "not a file or a folder, but a device, a pipe or a socket"),
        ("pipe.jsonl", "not a file or a folder, but a device, a pipe or a socket"),
        ("p*.jsonl", "not a file or a folder, but a device, a pipe or a socket"),
        ("socket", "not a file or a folder, but a device, a pipe or a socket"),
        ("empty", "there is no recording"),
        ("binary", "is not a recording"),
        ("huge.jsonl", "cannot load more than 1,000,000,000 bytes while tapehead runs"),
        ("packed.jsonl.zst", "cannot load more than 1,000,000,000 bytes while tapehead runs"),
        ("packed.har.gz", "unpacks to more than 1,000 times its size"),
        ("many", "more than 10,000 files; name the recordings"),
        ("**/*.jsonl", "name a folder instead of '**'"),
    ],
)
def test_what_is_no_recording_is_refused_while_players_are_answered(
    name: str, message: str, replaying: Command, folder: Path
) -> None:
    with api_of(replaying) as api, httpx.Client() as player:
        error = api.send("PUT", "/recording", {"recordings": [str(folder / name)]}, 400)["error"]
        sid = play(player, replaying.url)

    assert message in error
    assert sid


def test_a_folder_with_a_pipe_is_loaded_without_it(replaying: Command, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "session.jsonl").write_bytes(RECORDING.read_bytes())
    with api_of(replaying) as api:
        loaded = api.send("PUT", "/recording", {"recordings": [str(tmp_path)]})["recordings"]

    assert loaded[-1] == str(tmp_path / "session.jsonl")
