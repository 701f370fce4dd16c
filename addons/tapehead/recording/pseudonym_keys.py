"""Secret keys of pseudonyms: one for each directory of recordings, outside of it, or one for several machines."""

import contextlib
import hashlib
import os
import secrets
import tempfile
from pathlib import Path

from tapehead.errors import RecordingError
from tapehead.files import read_regular

KEY_BYTES = 32
# Names a file with the key of recordings in all directories, which several machines can share.
KEY_VARIABLE = "TAPEHEAD_PSEUDONYM_KEY"
# Read of a file that should be a key, so that its size can be told.
MOST_BYTES = 1_000_000


def state_directory() -> Path:
    """Return the directory of the user's own state (XDG_STATE_HOME/tapehead)."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "tapehead"


def key_path(directory: Path) -> Path:
    """Return the path of the key for recordings in `directory`."""
    return state_directory() / "keys" / hashlib.sha256(os.fsencode(str(directory.resolve()))).hexdigest()[:32]


def shared_key() -> bytes | None:
    """Return the key in the file that a variable names, 32 bytes; None if the variable is not set.

    Raises:
        RecordingError: it cannot be read, or is no key.
    """
    path = os.environ.get(KEY_VARIABLE)
    if not path:
        return None
    advice = f"let {KEY_VARIABLE} name a file of {KEY_BYTES} random bytes, or nothing"
    try:
        key = read_regular(Path(path), MOST_BYTES)
    except OSError as error:
        raise RecordingError(f"cannot read the pseudonyms' key in '{path}': {error.strerror}; {advice}") from error
    if len(key) != KEY_BYTES:  # pseudonyms that anybody could compute
        raise RecordingError(f"the pseudonyms' key in '{path}' has {len(key)} bytes; {advice}")
    return key


def pseudonym_key(directory: Path) -> bytes:
    """Return the secret key of the pseudonyms in recordings in `directory`; 32 bytes, created (mode 0600) if missing.

    Raises:
        RecordingError: it can neither be read nor created, or is no key.
    """
    if shared := shared_key():
        return shared
    path = key_path(directory)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = create_key(path) or read_regular(path, MOST_BYTES)
    except OSError as error:
        message = (
            f"cannot keep the pseudonyms' key in '{path}': {error.strerror}; set XDG_STATE_HOME or pass --keep-ids"
        )
        raise RecordingError(message) from error
    if len(key) != KEY_BYTES:  # pseudonyms that anybody could compute
        raise RecordingError(
            f"the pseudonyms' key in '{path}' has {len(key)} bytes instead of {KEY_BYTES}; restore it, or remove it, "
            "which gives everybody new pseudonyms"
        )
    return key


def create_key(path: Path) -> bytes | None:
    """Create a key at `path`; None if there is one.

    It gets its name once it is whole and on the disk, so that neither a crash nor another process finds a half.
    """
    if path.exists():
        return None
    key = secrets.token_bytes(KEY_BYTES)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.") as aside:  # with mode 0600
        aside.write(key)
        aside.flush()
        os.fsync(aside.fileno())
        try:
            path.hardlink_to(aside.name)
        except FileExistsError:
            return None
    sync_folder(path.parent)
    return key


def sync_folder(path: Path) -> None:
    """Have the disk confirm the names in a folder, where the system can."""
    with contextlib.suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
