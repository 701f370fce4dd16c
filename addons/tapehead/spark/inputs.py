"""The recordings that paths and URLs stand for, as Spark and this machine list them."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tapehead.errors import UsageError
from tapehead.files import open_regular
from tapehead.recording.paths import (
    PATTERNS,
    STDIN,
    FoundInputs,
    InputFile,
    find_inputs,
    ignored_line,
    unreadable,
)
from tapehead.remote.url_paths import OtherUrlPath, UrlPath
from tapehead.spark.source_files import SourceFile, escape_pattern
from tapehead.text import format_number

if TYPE_CHECKING:
    from pyspark import SparkContext

# Spark reads a file at a URL into one array of Java, which has less than 2^31 bytes.
MOST_BYTES = 2_000_000_000
_HAS_PATH = re.compile(r"[^:/]+:(?!//[^/]+$)")
# What Hadoop's libraries say, as far as it is no sentence for those who do not program it.
_NO_LIBRARY = re.compile(r"ClassNotFoundException: Class \S+ not found")
_NO_CLASS = re.compile(r"(?:ClassNotFoundException|NoClassDefFoundError): ([\w.$/]+)")
_NO_HOST = re.compile(r"UnknownHostException: (?:Invalid host name: .* destination host is: \W*)?([\w.-]+)")
_NO_CONNECTION = re.compile(
    r"ConnectException: (?:Call From \S+ to )?(\S+:\d+)(?: failed on connection exception: [\w.]+)?: ([^;]+)"
)
_NO_STORE = re.compile(r"Connect to (\S+:\d+) \S+ failed: ([^:]+)")
_NO_NAME = re.compile(r"(?:NullPointerException|IllegalArgumentException): bucket$", re.MULTILINE)
_NO_BUCKET = re.compile(r"UnknownStoreException: ")
_ENDED = re.compile(r"destination host is: \W*([\w.-]+)\W*:(\d+); : java.io.EOFException")


class FoundFiles(NamedTuple):
    """The recordings that were found, for the reader and for executors; and by number why some cannot be read."""

    inputs: FoundInputs
    files: list[SourceFile]
    failures: dict[int, str]


def find_files(context: "SparkContext", paths: Iterable[Path], warn: Callable[[str], None]) -> FoundFiles:
    """Return the recordings that files, folders, patterns and URLs stand for, as `find_inputs` does.

    Raises:
        UsageError: one is stdin, or Spark cannot read URLs of its kind.
    """
    found: dict[str, tuple[InputFile, SourceFile, str | None]] = {}
    ignored: list[Path] = []
    listing = Listing(context)
    for path in paths:
        if path == STDIN:
            raise UsageError("--engine spark cannot read stdin, which no executor has; save it in a file")
        each = listing.find(str(path), warn) if isinstance(path, OtherUrlPath | UrlPath) else find_inputs([path], warn)
        ignored += each.ignored
        for file in each.files:
            source, failure = (listing.source_of if isinstance(file.path, OtherUrlPath) else _plain_source)(file.path)
            earlier = found.get(source.location, (file, source, failure))
            named = earlier[0].named or file.named
            found[source.location] = earlier[0]._replace(named=named), earlier[1], earlier[2]
    files = [source._replace(number=number) for number, (_, source, _) in enumerate(found.values())]
    failures = {number: why for number, (_, _, why) in enumerate(found.values()) if why}
    left = [path for path in ignored if str(path) not in found and os.path.realpath(path) not in found]
    return FoundFiles(FoundInputs([file for file, _, _ in found.values()], left), files, failures)


def _plain_source(path: Path) -> tuple[SourceFile, str | None]:
    location, failure, size = os.path.realpath(path), None, 0
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        failure = str(unreadable(path, error))
    return SourceFile(0, str(path), location, False, size), failure


class Listing:
    """Listings of file systems by Spark's libraries."""

    def __init__(self, context: "SparkContext") -> None:
        self._context: Any = context
        self._sizes: dict[str, int] = {}

    def read_if_there(self, url: str) -> bytes | None:
        """Return the content of a small file; None if it is not there."""
        path = self._context._jvm.org.apache.hadoop.fs.Path(url)
        if not path.getFileSystem(self._context._jsc.hadoopConfiguration()).exists(path):
            return None
        return bytes(self._context.binaryFiles(escape_pattern(url), 1).collect()[0][1])

    def find(self, url: str, warn: Callable[[str], None]) -> FoundInputs:
        """Return the recordings that a URL stands for.

        Raises:
            UsageError: Spark cannot read URLs of its kind, or cannot list this one.
        """
        from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
        from pyspark.errors import PySparkException

        try:
            return self._find(url, warn)
        except Py4JJavaError as error:
            text = str(error.java_exception.toString())
        except PySparkException as error:
            text = str(error)
        raise UsageError(f"Spark cannot list '{url}': {_reason_of(url, text)}")

    def _find(self, url: str, warn: Callable[[str], None]) -> FoundInputs:
        # A bucket or a host alone is its topmost folder.
        path = self._context._jvm.org.apache.hadoop.fs.Path(url if _HAS_PATH.match(url) else f"{url}/")
        system = path.getFileSystem(self._context._jsc.hadoopConfiguration())
        found = list(system.globStatus(path) or ())
        files, left = list[InputFile](), list[Path]()
        for status in found:
            if status.isFile():
                name = self._name_of(status)
                files.append(InputFile(OtherUrlPath(name), len(found) == 1))
                continue
            inside = sorted(self._names_below(system, status.getPath()))
            matching = [name for name in inside if any(fnmatchcase(name, pattern) for pattern in PATTERNS)]
            others: list[Path] = [OtherUrlPath(name) for name in inside if name not in set(matching)]
            if not matching:
                left_line = ignored_line(others)
                line = f"there is no recording ({', '.join(PATTERNS)}) in '{url}'"
                warn(f"{line}; {left_line}" if left_line else line)
                continue
            files += [InputFile(OtherUrlPath(name), False) for name in matching]
            left += others
        return FoundInputs(files if found else [InputFile(OtherUrlPath(url), True)], left)

    def _names_below(self, system: Any, folder: Any) -> Iterator[str]:
        listed = system.listFiles(folder, True)
        while listed.hasNext():
            yield self._name_of(listed.next())

    def _name_of(self, status: Any) -> str:
        name = str(status.getPath().toString())
        self._sizes[name] = int(status.getLen())
        return name

    def source_of(self, path: Path) -> tuple[SourceFile, str | None]:
        """Return a recording that Spark reads, and why it cannot be read."""
        name = str(path)
        size, failure = self._sizes.get(name), None
        if size is None:
            failure = f"there is no file '{name}'"
        elif size > MOST_BYTES:
            failure = (
                f"'{name}' has {format_number(size, grouped=True)} bytes, and executors read up to"
                f" {format_number(MOST_BYTES, grouped=True)} at a URL; divide it, or pass a path that all machines see"
            )
        return SourceFile(0, name, name, True, size or 0), failure


def _reason_of(url: str, text: str) -> str:
    """Return what an exception of Java says, as a part of a sentence."""
    scheme = url.partition(":")[0]
    if scheme == "s3":
        return "Spark's name for S3 is s3a://"
    if "No FileSystem for scheme" in text or _NO_LIBRARY.search(text):
        library = "org.apache.hadoop:hadoop-aws:VERSION" if scheme == "s3a" else "GROUP:LIBRARY:VERSION"
        example = f"PYSPARK_SUBMIT_ARGS='--packages {library} pyspark-shell'"
        return f"it has no library for {scheme}://; add it, as with {example}"
    if missing := _NO_CLASS.search(text):
        advice = "; pass an hdfs:// URL" if scheme in ("webhdfs", "swebhdfs") else ""
        return f"its library for {scheme}:// lacks the class {missing[1]}{advice}"
    if unknown := _NO_HOST.search(text):
        return f"there is no host '{unknown[1]}'"
    if _NO_NAME.search(text):
        return f"it has no bucket, or none with a valid name; expected {scheme}://BUCKET/PATH"
    if _NO_BUCKET.search(text):
        return f"there is no bucket '{url.split('/')[2]}'"
    if refused := _NO_CONNECTION.search(text) or _NO_STORE.search(text):
        return f"cannot reach '{refused[1]}': {refused[2]}; is it running, and is its port right?"
    if ended := _ENDED.search(text):
        return f"'{ended[1]}:{ended[2]}' ended the connection; is that the port of a name node?"
    line = text.splitlines()[0].partition("; For more details see")[0]
    return line.partition(": ")[2].removeprefix(url).removeprefix(": ") or line
