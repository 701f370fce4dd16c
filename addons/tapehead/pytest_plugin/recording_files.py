"""The recordings that a run of tests writes: the folder, the files and their names."""

import re
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from unicodedata import normalize

from tapehead.errors import UsageError
from tapehead.files import open_private

# The longest names of a module, of a class and its test, and of a parameter in the name of a file, in bytes.
MOST_BYTES = (40, 80, 50)
# pytest writes the characters of a parameter that are not ASCII so.
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def usable_folder(text: str, current: Path) -> Path:
    """Return the folder for recordings that an option names, created if it is missing.

    Args:
        text: its path.
        current: the folder that the path is relative to.

    Raises:
        UsageError: it is empty, or no file can be written there.
    """
    if not text:
        raise UsageError("--tapehead-keep is empty; expected a folder (is a variable of the shell not set?)")
    folder = current / text
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror or str(error)
        raise UsageError(f"--tapehead-keep: cannot write recordings to '{folder}': {reason}; name a folder") from None


def write_recording(path: Path, lines: Iterable[bytes]) -> None:
    """Write a recording in one piece, in the place of a former one.

    Raises:
        OSError: it cannot be written; a former one is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        with open(fresh, "xb", opener=open_private) as file:
            file.writelines(lines)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def file_name_of(nodeid: str) -> str:
    """Return a name for the recording of a test, without a suffix: its module, test and parameter, and a digest."""
    path, _, test = nodeid.partition("::")
    name, bracket, parameter = test.partition("[")
    parts = path.rpartition("/")[2].removesuffix(".py"), name, parameter.removesuffix("]") if bracket else ""
    words = (_words(part, most) for part, most in zip(parts, MOST_BYTES, strict=True))
    digest = sha256(nodeid.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return "-".join([*filter(None, words), digest])


def key_name_of(nodeid: str) -> str:
    """Return the same name in the characters that a key may have."""
    plain = normalize("NFD", file_name_of(nodeid)).encode("ascii", "ignore").decode()
    return re.sub("-+", "-", plain).strip("-")


def _words(text: str, most: int) -> str:
    unescaped = _ESCAPED.sub(lambda match: chr(min(int(match[1] or match[2] or match[3], 16), 0x10FFFF)), text)
    words = re.sub(r"[^\w.]+", "-", normalize("NFC", unescaped)).strip("-.")
    return words.encode()[:most].decode("utf-8", "ignore").strip("-.")
