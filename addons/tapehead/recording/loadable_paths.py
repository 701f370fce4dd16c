"""Check of paths that come while tapehead runs: nothing that never ends, blocks, or takes long to read or unpack."""

import glob
import math
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from tapehead.errors import UsageError
from tapehead.recording.unpacking import PIECE_BYTES, StreamError, recording_coding, unpack
from tapehead.recording.zstd_frames import MAGIC
from tapehead.remote.url_paths import UrlPath
from tapehead.remote.urls import is_url, restore_url, without_secrets

# Limits of what is loaded while players wait for answers: bytes in files that are named, those of recordings unpacked,
# and files in a folder. HAR and flow files have limits of their own.
MOST_BYTES = 1_000_000_000
MOST_FILES = 10_000


def check_loadable(paths: Iterable[str | Path]) -> None:
    """Check files, folders and patterns before any of them is opened; those that do not exist are left to the reader.

    Raises:
        UsageError: one is a device, a pipe or a socket, a URL, too large, or would have whole disks searched.
    """
    size = 0
    for named in map(str, (path for path in paths if not isinstance(path, UrlPath))):  # which no text becomes here
        if is_url(url := restore_url(named)):
            raise UsageError(
                f"cannot load '{without_secrets(url)}' while tapehead runs: URLs are read at its start alone, since "
                "whoever can call it could have it fetch anything; start it with this recording"
            )
        exists = os.path.exists(named)  # noqa: PTH110 - Path.exists may raise
        if "**" in named and not exists:
            raise UsageError(f"cannot load '{named}': name a folder instead of '**'; the folders in it are read, too")
        for match in map(Path, [named] if exists else glob.glob(named)):  # noqa: PTH207 - Path.glob takes no absolute ones
            try:
                status = match.stat()
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                if sum(1 for _ in islice(_files_below(match), MOST_FILES + 1)) > MOST_FILES:
                    raise UsageError(f"cannot load '{match}': more than {MOST_FILES:,} files; name the recordings")
            elif stat.S_ISREG(status.st_mode):
                size += _size_of(match, status.st_size, MOST_BYTES - size)
            else:
                raise UsageError(f"cannot load '{match}': not a file or a folder, but a device, a pipe or a socket")
    if size > MOST_BYTES:
        raise UsageError(
            f"cannot load more than {MOST_BYTES:,} bytes while tapehead runs, unpacked; start it with these recordings"
        )


def _size_of(path: Path, stored: int, most: int) -> int:
    """Return the size of a file, of a packed one unpacked, as far as it is not above `most`."""
    size = 0
    with suppress(OSError, StreamError), path.open("rb") as file:
        if coding := recording_coding(file.read(len(MAGIC))):
            file.seek(0)
            for piece in unpack(coding, iter(lambda: file.read(PIECE_BYTES), b""), math.inf):
                size += len(piece)
                if size > most:
                    break
    return max(stored, size)


def _files_below(folder: Path) -> Iterable[str]:
    """Yield the names of the files below a folder, and of folders, too, which take time as well."""
    for _, folders, files in os.walk(folder):
        yield from folders
        yield from files
