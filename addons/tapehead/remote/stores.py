"""Stores of objects: what is in them, reading and writing, with each error in a sentence.

The file systems of `fsspec` do the work, on an event loop in a thread of their own. They find credentials and endpoint
as the store's own tools do: variables, files of settings, the machine's role.
"""

import asyncio
import base64
import errno
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, NamedTuple

from tapehead.errors import UsageError
from tapehead.extras import needing
from tapehead.files import write_all
from tapehead.remote.store_errors import is_not_implemented, is_not_satisfiable, store_error
from tapehead.remote.urls import ObjectUrl

# Seconds until a store has to take a connection, to send something, and to have answered a question.
CONNECT_SECONDS, READ_SECONDS, ANSWER_SECONDS = 5.0, 15.0, 60.0
# Seconds in which a piece of an object has to come or to go, slow as the network may be.
PIECE_SECONDS = 300.0
# Attempts of the library and, in each, of the library below it.
ATTEMPTS = 2
PIECE_BYTES = 4_000_000
CHANGED = "it changed while it was read; try again once nothing writes to it"


class StoredObject(NamedTuple):
    """An object in a store, or what has objects below it.

    Attributes:
        url: its URL.
        size: its size in bytes.
        version: changes with its content; empty where the store does not tell.
        is_folder: whether there is no such object, but there are objects below it.
        md5: a checksum, in hexadecimal digits, of its content if that is what the store has a checksum of: not where
            it encrypts, nor of an upload in parts.
    """

    url: ObjectUrl
    size: int
    version: str
    is_folder: bool = False
    md5: str = ""


class ObjectStore:
    """A store of objects, for any thread.

    All methods raise `OSError` whose `strerror` is part of a sentence: `FileNotFoundError` if there is no such object,
    `PermissionError` if access is denied, `ConnectionError` if the store cannot be reached or fails, so that trying
    again later may help, and others.

    Args:
        scheme: the scheme of its URLs.
        files: the file system of fsspec.
    """

    def __init__(self, scheme: str, files: Any) -> None:
        self._scheme = scheme
        self._files = files

    def info(self, url: ObjectUrl) -> StoredObject:
        """Return an object, or the folder of that name."""
        return self._run(self._info(url), url, ANSWER_SECONDS)

    def exists(self, url: ObjectUrl) -> bool:
        """Return whether there is an object."""
        try:
            return not self.info(url).is_folder
        except FileNotFoundError:
            return False

    def list_below(self, url: ObjectUrl) -> list[StoredObject]:
        """Return the objects below a URL, in the order of their keys."""
        found = self._run(self._files._find(url.path.rstrip("/"), detail=True), url, None)
        return self._objects(found)

    def glob(self, url: ObjectUrl) -> list[StoredObject]:
        """Return the objects and folders that a pattern matches, in the order of their keys.

        `*` and `?` match within a folder, `**` any number of folders.
        """
        found = self._run(self._files._glob(url.path, detail=True), url, None)
        if not found:  # also where there is no such bucket
            self._check_bucket(url)
        return self._objects(found)

    def read(self, url: ObjectUrl, start: int, end: int) -> bytes:
        """Return the bytes of an object from `start` to `end`, or to its end."""
        return self._run(self._read(url, start, end), url, PIECE_SECONDS)

    def copy(self, found: StoredObject, file: int, on_bytes: Callable[[int], None]) -> None:
        """Write the content of an object to a file.

        Args:
            found: the object.
            file: the descriptor of an empty file.
            on_bytes: called in another thread with each number of bytes that was written.
        """
        self._run(self._copy(found, file, on_bytes), found.url, None)

    def put_bytes(self, url: ObjectUrl, content: bytes) -> None:
        """Store an object, in the place of a former one."""
        self._run(self._files._pipe_file(url.path, content), url, PIECE_SECONDS)

    def put_file(self, url: ObjectUrl, path: str | os.PathLike[str]) -> None:
        """Store the content of a file as an object, in the place of a former one; large ones in parts, all or nothing.

        Raises:
            OSError: as above, or the file cannot be read.
        """
        seconds = _upload_seconds(path)
        self._run(self._files._put_file(os.fspath(path), url.path), url, seconds)

    def put_new_file(self, url: ObjectUrl, path: str | os.PathLike[str]) -> None:
        """Store the content of a file unless there is such an object, as by another process; as `put_file` otherwise.

        Stores that cannot make that one step replace the object.
        """
        seconds = _upload_seconds(path)
        self._run(self._put_new_file(url, os.fspath(path)), url, seconds)

    def _check_bucket(self, url: ObjectUrl) -> None:
        """Raise `OSError` if there is no such bucket; rights to look into it are no matter here."""
        with suppress(PermissionError):
            self.info(url._replace(key=""))

    # ---- In the loop ----

    async def _put_new_file(self, url: ObjectUrl, path: str) -> None:
        try:
            await self._files._put_file(path, url.path, mode="create")
        except FileExistsError:
            return
        except Exception as error:
            if not is_not_implemented(error):
                raise
            await self._files._put_file(path, url.path)

    async def _info(self, url: ObjectUrl) -> StoredObject:
        return self._object(await self._files._info(url.path))

    async def _read(self, url: ObjectUrl, start: int, end: int) -> bytes:
        try:
            content: bytes = await self._files._cat_file(url.path, start=start, end=end)
        except Exception as error:
            if is_not_satisfiable(error):  # there is nothing from `start` on
                return b""
            raise
        return content

    async def _copy(self, found: StoredObject, file: int, on_bytes: Callable[[int], None]) -> None:
        async def piece_at(position: int) -> int:
            content = await asyncio.wait_for(self._read(found.url, position, position + PIECE_BYTES), PIECE_SECONDS)
            try:
                write_all(file, content)
            except OSError as error:
                raise _CopyError(error) from error
            on_bytes(len(content))
            return len(content)

        size = await piece_at(0)
        if size < PIECE_BYTES:  # all of it, as it is now
            return
        # What came in one piece is as it was at one time; of more pieces, each may be of another version.
        before = await self._info(found.url)
        while size < before.size and (length := await piece_at(size)):
            size += length
        after = await self._info(found.url)
        is_known = not found.version or found.version == before.version
        if size != after.size or before != after or not is_known:
            raise OSError(errno.EBUSY, CHANGED)

    # ---- Results and errors ----

    def _objects(self, found: dict[str, dict[str, Any]]) -> list[StoredObject]:
        return sorted((self._object(info) for info in found.values()), key=lambda each: each.url)

    def _object(self, info: dict[str, Any]) -> StoredObject:
        bucket, _, key = str(info["name"]).partition("/")
        version = info.get("ETag") or info.get("etag") or info.get("generation") or ""
        is_folder = info["type"] == "directory"
        # S3 has it in the tag, Google in a field of its own.
        md5 = base64.b64decode(info["md5Hash"]).hex() if "md5Hash" in info else str(info.get("ETag", "")).strip('"')
        url = ObjectUrl(self._scheme, bucket, key)
        return StoredObject(url, int(info["size"] or 0), str(version), is_folder, md5)

    def _run[Result](self, work: Coroutine[Any, Any, Result], url: ObjectUrl, seconds: float | None) -> Result:
        """Return the result of work in the loop, which ends after so many seconds."""
        running = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), self._files.loop)
        try:
            return running.result()
        except _CopyError as error:
            raise error.reason from error
        except Exception as error:
            raise store_error(error, url) from error
        except BaseException:
            running.cancel()
            raise


def _upload_seconds(path: str | os.PathLike[str]) -> float:
    """Return how long an upload may take: of its body, the library waits for each byte without an end."""
    return PIECE_SECONDS * (1 + os.stat(path).st_size // PIECE_BYTES)  # noqa: PTH116 - takes texts, too


class _CopyError(Exception):
    """A file that does not take what was read."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(reason)
        self.reason = reason


_Key = tuple[str, int, float]
_stores: dict[_Key, tuple[int, ObjectStore]] = {}
_opening = Lock()


def open_store(url: ObjectUrl, *, attempts: int | None = None, read_seconds: float | None = None) -> ObjectStore:
    """Return the store that an object is in, without a question to it.

    Args:
        url: the object.
        attempts: how often the library tries what has failed; None for `ATTEMPTS`.
        read_seconds: how long it waits for the store to send something; None for `READ_SECONDS`.

    Raises:
        UsageError: a library is not installed, or does not take its settings.
    """
    with _opening:
        attempts, read_seconds = attempts or ATTEMPTS, read_seconds or READ_SECONDS
        key = url.scheme, attempts, read_seconds
        process, store = _stores.get(key, (0, None))
        if store is None or process != os.getpid():  # a loop does not survive a fork
            store = ObjectStore(url.scheme, _open_files(url, attempts, read_seconds))
            _stores[key] = (os.getpid(), store)
        return store


def _open_files(url: ObjectUrl, attempts: int, read_seconds: float) -> Any:
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    with needing("remote", f"'{url}'"), _settings_checked(url):
        if url.scheme == "s3":
            from s3fs import S3FileSystem

            options["config_kwargs"] = {
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": read_seconds,
                "retries": {"mode": "standard", "total_max_attempts": attempts},
            }
            files = S3FileSystem(**options)
        else:
            # The one that the package has in front asks for the kind of a bucket first, over another protocol.
            from gcsfs.core import GCSFileSystem

            files = GCSFileSystem(access="read_write", **options)
    files.retries = attempts
    return files


def quiet_libraries() -> None:
    """Have libraries log nothing of their own in this process, for commands, which tell what goes wrong."""
    import logging

    for name in ("fsspec", "s3fs", "gcsfs", "aiobotocore", "botocore"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@contextmanager
def _settings_checked(url: ObjectUrl) -> Iterator[None]:
    """Tell of libraries that do not take their settings.

    Raises:
        UsageError: they do not.
    """
    try:
        yield
    except (ImportError, UsageError):
        raise
    except Exception as error:
        raise UsageError(f"cannot open '{url}': {' '.join(str(error).split()) or type(error).__name__}") from error
