"""Local copies of objects, in a private folder that is removed when the process ends, of a command also by a signal."""

import atexit
import contextlib
import errno
import itertools
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from tapehead.ending_signals import call_at_signals
from tapehead.files import FULL, open_private
from tapehead.remote.stores import StoredObject, open_store

# Objects that are copied at the same time.
AT_ONCE = 4
_PREFIX, _LOCK = "tapehead-copies-", "lock"
# Attempts to make a folder that no other process takes for a stale one.
_ATTEMPTS = 5

# Takes the number of objects and their bytes, and provides a function that takes bytes as they come.
ShowCopies = Callable[[int, int], AbstractContextManager[Callable[[int], None]]]

# What shows that objects are copied, set by commands.
show_copies: list[ShowCopies] = []


class CopyFolder:
    """The folder of a process's copies, made for the first of them; of each version of an object there is one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._copies: dict[StoredObject, str] = {}
        self._folder: Path | None = None
        self._process = self._prepared = 0

    def prepare(self) -> None:
        """Have the folder removed when the process ends; after a signal that nothing handles, by the next process."""
        if self._prepared != os.getpid():
            self._prepared = os.getpid()
            atexit.register(self.remove)

    def remove_at_signals(self) -> None:
        """Have the folder removed by signals, too, unless a program handles them; for the main thread of commands."""
        call_at_signals(self.remove)

    def copy(self, found: StoredObject, on_bytes: Callable[[int], None]) -> str:
        """Return the path of an object's copy, which is made if there is none of this version.

        Raises:
            OSError: the object cannot be read, or the copy cannot be written.
        """
        if known := self._copies.get(found):
            return known
        store = open_store(found.url)
        path = self.write(lambda file: store.copy(found, file, on_bytes))
        if found.version:
            self._copies[found] = path
        return path

    def write(self, write: Callable[[int], None]) -> str:
        """Return the path of a new file, which a function fills, given its descriptor.

        Raises:
            OSError: the function did, or the file cannot be written.
        """
        self.prepare()
        try:
            path = self._new_path()
            file = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        except OSError as error:
            raise self._no_room(error) from error
        try:
            write(file)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise self._no_room(error) if error.errno in _OF_DISK else error from error
        finally:
            os.close(file)
        return str(path)

    def _new_path(self) -> Path:
        with self._lock:
            if self._folder is None or self._process != os.getpid():
                self._folder, self._process = _new_folder(), os.getpid()
                self._copies.clear()
                _remove_stale(self._folder.parent)
            return self._folder / str(next(self._numbers))

    def _no_room(self, error: OSError) -> OSError:
        folder = self._folder or "a temporary folder"
        reason = error.strerror or str(error)
        return OSError(errno.EIO, f"cannot write a copy of it to '{folder}': {reason}; TMPDIR can name another folder")

    def remove(self) -> None:
        """Remove the folder, if this process has made it."""
        if self._folder and self._process == os.getpid():
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


# What a disk answers that is full or failing; stores give none of these.
_OF_DISK = FULL | {errno.EROFS}
COPIES = CopyFolder()


def _new_folder() -> Path:
    """Return a new folder, locked as long as this process runs, where folders can be locked."""
    for _ in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Another process may find it before it is locked, and remove it.
        if os.name != "posix" or (_lock(folder, os.O_CREAT) is not None and (folder / _LOCK).exists()):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=_PREFIX))


def _lock(folder: Path, flags: int) -> int | None:
    """Return the descriptor that keeps a folder of copies locked; None if another process has it, or it is none."""
    import fcntl

    file = -1
    try:
        file = os.open(folder / _LOCK, flags | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if file >= 0:
            os.close(file)
        return None
    return file


def _remove_stale(parent: Path) -> None:
    """Remove the folders of processes that were killed, such as for their use of memory."""
    if os.name != "posix":
        return
    for folder in parent.glob(f"{_PREFIX}*"):
        file = _lock(folder, 0)  # which the system has released
        if file is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(file)


def in_threads[T](work: Callable[[T], None], items: Sequence[T]) -> None:
    """Do work on each item, several at a time; after an interrupt or an error, no more of them are taken.

    Raises:
        Exception: the first one that the work raised.
    """
    waiting, lock, stopped, errors = iter(items), threading.Lock(), threading.Event(), list[Exception]()

    def run() -> None:
        while not stopped.is_set():
            with lock:
                item = next(waiting, None)
            if item is None:
                return
            try:
                work(item)
            except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
                errors.append(error)
                stopped.set()

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(AT_ONCE, len(items)))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        stopped.set()
    if errors:
        raise errors[0]


@contextlib.contextmanager
def showing(objects: Iterable[StoredObject]) -> Iterator[Callable[[int], None]]:
    """Show that objects are copied, where a command does so, and provide a function that takes bytes as they come."""
    sizes = [each.size for each in objects]
    with show_copies[-1](len(sizes), sum(sizes)) if show_copies else nullcontext(lambda _size: None) as on_bytes:
        yield on_bytes
