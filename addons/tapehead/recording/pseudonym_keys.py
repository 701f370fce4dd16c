"""The secret keys of pseudonyms: one for each directory of recordings, and outside of all of them."""

import hashlib
import os
import secrets
from pathlib import Path

from tapehead.errors import RecordingError


def state_directory() -> Path:
    """Where tapehead keeps what belongs to the user and not into recordings (XDG_STATE_HOME/tapehead)."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "tapehead"


def pseudonym_key(directory: Path) -> bytes:
    """The secret key of the pseudonyms in recordings in `directory`, made (mode 0600) when first asked for.

    Raises:
        RecordingError: it can neither be read nor made.
    """
    name = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:32]
    path = state_directory() / "keys" / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _make_key(path) or path.read_bytes()
    except OSError as error:
        message = f"cannot keep the pseudonyms' key in {path}: {error.strerror}; set XDG_STATE_HOME or say --keep-ids"
        raise RecordingError(message) from error


def _make_key(path: Path) -> bytes | None:
    """A new key at `path`; None if one is there. Written aside first, so that nobody reads half of it."""
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
