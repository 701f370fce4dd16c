"""Secret keys of pseudonyms: one for each directory of recordings, stored outside of it."""

import hashlib
import os
import secrets
from pathlib import Path

from tapehead.errors import RecordingError


def state_directory() -> Path:
    """Return the directory of the user's own state (XDG_STATE_HOME/tapehead)."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "tapehead"


def key_path(directory: Path) -> Path:
    """Return the path of the key for recordings in `directory`."""
    return state_directory() / "keys" / hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:32]


def pseudonym_key(directory: Path) -> bytes:
    """Return the secret key of the pseudonyms in recordings in `directory`; 32 bytes, created (mode 0600) if missing.

    Raises:
        RecordingError: it can neither be read nor created.
    """
    path = key_path(directory)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return create_key(path) or path.read_bytes()
    except OSError as error:
        message = f"cannot keep the pseudonyms' key in {path}: {error.strerror}; set XDG_STATE_HOME or pass --keep-ids"
        raise RecordingError(message) from error


def create_key(path: Path) -> bytes | None:
    """Create a key at `path`; None if there is one. It is linked once it is whole, so that no half is ever read."""
    if path.exists():
        return None
    key, aside = secrets.token_bytes(32), path.with_suffix(f".{os.getpid()}")
    aside.touch(mode=0o600)
    aside.write_bytes(key)
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        return None
    finally:
        aside.unlink()
    return key
