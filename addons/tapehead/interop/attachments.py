"""Files that a HAR names as bodies (`_file`): in its folder, or in its zip file; no other file is read."""

import copy
import zipfile
import zlib
from io import BytesIO
from pathlib import Path, PurePosixPath

from tapehead.errors import RecordingError
from tapehead.files import read_regular

# The largest body, the largest HAR in a zip file, and the most that all of them may have, in bytes.
MOST_OF_BODY = 64 * 1024 * 1024
MOST_OF_MEMBER = 256 * 1024 * 1024
MOST_OF_MEMBERS = 1024 * 1024 * 1024
# Packed bytes that are unpacked at once, whatever they stand for: the sizes that an archive states may be wrong.
_PIECE_BYTES = 4096
_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)


class Folder:
    """The folder of a HAR file.

    Attributes:
        attached: the files that were read.
    """

    def __init__(self, folder: Path) -> None:
        self.attached: set[Path] = set()
        self._folder = folder.resolve()

    def read(self, name: str) -> bytes | None:
        """Return the content of a file in the folder or below it; None if it is elsewhere or cannot be read."""
        try:
            path = (self._folder / name).resolve()
            if not path.is_relative_to(self._folder):
                return None
            content = read_regular(path, MOST_OF_BODY)
        except (OSError, ValueError):
            return None
        self.attached.add(path)
        return content


class ArchiveFolder:
    """The folder of a HAR file in a zip file.

    Attributes:
        damaged: the members whose checksum is wrong.
    """

    def __init__(self, archive: zipfile.ZipFile, har: str) -> None:
        self.damaged: set[str] = set()
        self._archive = archive
        self._folder = PurePosixPath(har).parent

    def read(self, name: str) -> bytes | None:
        """Return the content of a member in the folder; None if there is none that can be read."""
        return self.read_member(str(self._folder / name), MOST_OF_BODY)

    def read_member(self, name: str, most: int = MOST_OF_MEMBER) -> bytes | None:
        """Return the content of a member, unless it is larger than `most`; None if it cannot be read.

        A wrong checksum is noted: an archive in which somebody has masked a name is of use all the same.
        """
        try:
            member = copy.copy(self._archive.getinfo(name))
            if member.file_size > most:  # no more than that is unpacked
                return None
            checksum = member.CRC
            del member.CRC
            with self._archive.open(member) as file:
                content = b"".join(iter(lambda: file.read(_PIECE_BYTES), b""))
        except (KeyError, *_DAMAGED):
            return None
        if zlib.crc32(content) != checksum:
            self.damaged.add(name)
        return content


def open_archive(name: str, data: bytes) -> zipfile.ZipFile:
    """Open a zip file.

    Raises:
        RecordingError: it is damaged.
    """
    try:
        return zipfile.ZipFile(BytesIO(data))
    except _DAMAGED as error:
        raise RecordingError(f"'{name}' is a damaged zip file; save it again") from error


def har_members(archive: zipfile.ZipFile) -> list[str]:
    """Return the names of the HAR files in a zip file, each once."""
    return [name for name in archive.NameToInfo if name.lower().endswith(".har")]
