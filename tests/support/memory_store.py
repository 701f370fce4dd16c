"""A store of objects in memory, which may not keep what it receives."""

import errno
import hashlib
import os
from pathlib import Path

from tapehead.remote.stores import ObjectStore, StoredObject
from tapehead.remote.urls import ObjectUrl


class MemoryStore(ObjectStore):
    """The store, with one bucket, `bucket`.

    Args:
        checksum: what it has of the content: its `md5`, another text, or nothing.
        received: what it keeps instead of each content.

    Attributes:
        objects: the contents, by URL.
        puts: how often something was stored.
        pieces: how many pieces were read.
    """

    def __init__(self, checksum: str = "md5", received: bytes | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts = self.pieces = 0
        self._checksum = checksum
        self._received = received

    def info(self, url: ObjectUrl) -> StoredObject:
        if url.bucket != "bucket":
            raise OSError(errno.ENXIO, f"there is no bucket '{url.bucket}'")
        if not url.key:
            return StoredObject(url, 0, "", is_folder=True)
        if str(url) not in self.objects:
            raise FileNotFoundError(errno.ENOENT, "there is no such object")
        content = self.objects[str(url)]
        digest = hashlib.md5(content).hexdigest() if self._checksum == "md5" else self._checksum
        return StoredObject(url, len(content), "1", md5=digest)

    def read(self, url: ObjectUrl, start: int, end: int) -> bytes:
        self.pieces += 1
        return self.objects[str(url)][start:end]

    def put_new_file(self, url: ObjectUrl, path: str | os.PathLike[str]) -> None:
        self.puts += 1
        self.objects.setdefault(str(url), Path(path).read_bytes() if self._received is None else self._received)
