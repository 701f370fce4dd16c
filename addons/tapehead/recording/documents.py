"""Exchanges in the text of a recording: one a line, or as other tools rewrite them.

Editors and shells add byte order marks or write UTF-16; `jq .` and `jq -s .` spread exchanges over lines or put them
into one array. Each exchange comes out on one line, and no line takes more memory than a bound.
"""

import codecs
import itertools
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BytesIO

import msgspec

from tapehead.recording.unpacking import StreamError

# The longest line that is read, in bytes: more than an exchange takes in a recorder's memory. One that goes on without
# end, as in a device file, ends the reading.
MOST_LINE_BYTES = 100_000_000
ENDLESS_BYTES = 10 * MOST_LINE_BYTES
# Bytes within which the form of a recording shows.
_SAMPLE_BYTES = 4096
# The beginnings of JSON in UTF-16, with a byte order mark and without.
_UTF_16 = {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"{\0": "utf-16-le",
    b"[\0": "utf-16-le",
    b"\0{": "utf-16-be",
    b"\0[": "utf-16-be",
}
# An array, or an object whose first line has its brace alone; after a crash, such a line may stand before a whole one.
_SPREAD = re.compile(rb'\s*(?:\[|\{[ \t\r]*\n\s*")')
_DECIDED = re.compile(rb"\s*(?:[^\s{]|\{[ \t\r]*(?:[^ \t\r\n]|\n\s*\S))")
_OUTSIDE, _INSIDE = re.compile(rb'["\[\]{}]'), re.compile(rb'["\\]')
_BETWEEN = b" \t\r\n,"


def exchange_lines(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    """Yield each exchange of a recording as a line, None for one that is too long; the last one may lack its end.

    Raises:
        StreamError: a line does not end.
    """
    chunks = filter(None, _in_utf_8(iter(chunks)))
    start = b""
    while len(start) < _SAMPLE_BYTES and not _DECIDED.match(start) and (chunk := next(chunks, b"")):
        start += chunk
    whole = itertools.chain([start], chunks)
    if not _SPREAD.match(start):
        yield from _split_lines(whole)
        return
    splitter = _DocumentSplitter()
    for chunk in whole:
        yield from splitter.feed(chunk)
    yield from splitter.close()


def is_appendable(start: bytes) -> bool:
    """Return whether lines can be added to a recording that begins so."""
    return not utf_16_of(start) and not _SPREAD.match(start.removeprefix(codecs.BOM_UTF8))


def utf_16_of(start: bytes) -> str | None:
    """Return the encoding of JSON in UTF-16 that begins so; None for any other text."""
    return next((encoding for begin, encoding in _UTF_16.items() if start.startswith(begin)), None)


def _in_utf_8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield text in UTF-8 without a byte order mark."""
    start = b""
    while len(start) < len(codecs.BOM_UTF8) and (chunk := next(chunks, b"")):
        start += chunk
    encoding = utf_16_of(start)
    if not encoding:
        yield start.removeprefix(codecs.BOM_UTF8)
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for chunk in itertools.chain([start], chunks):
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()


def _split_lines(chunks: Iterator[bytes]) -> Iterator[bytes | None]:
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        for part in BytesIO(chunk):
            if not size and part.endswith(b"\n") and len(part) <= MOST_LINE_BYTES:  # a whole line, as most are
                yield part
                continue
            size += len(part)
            if size <= MOST_LINE_BYTES:
                parts.append(part)
            else:
                parts.clear()
                check_size(size)
            if part.endswith(b"\n"):
                yield b"".join(parts) if parts else None
                parts.clear()
                size = 0
    if size:
        yield b"".join(parts) if parts else None


def check_size(size: int) -> None:
    """Check that a line may still end.

    Raises:
        StreamError: it is longer than any.
    """
    if size > ENDLESS_BYTES:
        raise StreamError(f"a line is longer than {ENDLESS_BYTES:,} bytes")


class _DocumentSplitter:
    """A splitter of JSON text into the objects in it, also in one array around them; anything else comes as it is."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._at = self._depth = 0
        # The bytes of a document that is too long, which are no longer there.
        self._dropped = 0
        self._in_string = self._in_array = False

    def feed(self, chunk: bytes) -> Iterator[bytes | None]:
        """Take more text, and yield what is complete; None for a document that is too long."""
        if len(self._text) > MOST_LINE_BYTES:
            self._dropped += self._at
            del self._text[: self._at]
            self._at = 0
            check_size(self._dropped)
        self._text += chunk
        while match := (_INSIDE if self._in_string else _OUTSIDE).search(self._text, self._at):
            if match[0] == b"\\" and match.end() == len(self._text):
                return  # what it escapes comes with the next chunk
            self._at = match.end()
            if match[0] == b"\\":
                self._at += 1
            elif match[0] == b'"':
                self._in_string = not self._in_string
            else:
                yield from self._take_bracket(match[0])
        self._at = len(self._text)

    def _take_bracket(self, bracket: bytes) -> Iterator[bytes | None]:
        opens = bracket in b"{["
        if not self._depth and bracket == (b"]" if self._in_array else b"["):
            self._in_array = opens
            yield from self._take_text(self._at - 1)
            self._take(1)
        elif opens:
            if not self._depth:
                yield from self._take_text(self._at - 1)
            self._depth += 1
        elif self._depth:
            self._depth -= 1
            if not self._depth:
                yield self._take_document(self._at)

    def _take_document(self, end: int) -> bytes | None:
        document, dropped, self._dropped = self._take(end), self._dropped, 0
        return None if dropped else _on_one_line(document)

    def _take(self, end: int) -> bytes:
        taken = bytes(self._text[:end])
        del self._text[:end]
        self._at -= end
        return taken

    def _take_text(self, end: int) -> Iterator[bytes | None]:
        text, dropped, self._dropped = self._take(end).strip(_BETWEEN), self._dropped, 0
        if text or dropped:
            yield None if dropped else _on_one_line(text)

    def close(self) -> Iterator[bytes | None]:
        """Yield what is left."""
        if self._depth:
            yield None if self._dropped else self._take(len(self._text))
        else:
            yield from self._take_text(len(self._text))


def _on_one_line(document: bytes) -> bytes:
    if b"\n" in document or b"\r" in document:
        with suppress(msgspec.MsgspecError, RecursionError):
            return msgspec.json.format(document, indent=-1) + b"\n"
    return document + b"\n"
