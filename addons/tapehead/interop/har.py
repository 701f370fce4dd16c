"""Import of HAR 1.2 files, in the dialects of browsers and proxies.

Only what is needed is decoded; of a video's segments, which may be most of a file, no more than method and URL.
"""

import base64
import binascii
import codecs
import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector, MalformedEntryError
from tapehead.protocol.content_coding import CodingError, decode_content
from tapehead.protocol.messages import is_json
from tapehead.protocol.routes import Route
from tapehead.recording.capture import CapturedCall, RawHeaders, RawRequest, RawResponse

NO_ANSWER = "the HAR file has no response"
# Chromium says so, too, where the page did not read the response's body, as with most responses to calls.
_NOT_READ = "net::ERR_ABORTED"
_RECORDING = re.compile(rb'\s*\{\s*"tapehead"\s*:')
_PORTS = {"http": 80, "https": 443}


class _Pair(msgspec.Struct):
    name: str
    value: str | None = None


class _Text(msgspec.Struct):
    """A body: `postData` of a request, `content` of a response."""

    text: str | None = None
    encoding: str | None = None
    own_encoding: str | None = msgspec.field(default=None, name="_encoding")


class _Request(msgspec.Struct, rename="camel"):
    method: str
    url: str
    headers: list[_Pair] | None = None
    post_data: _Text | None = None
    body_size: float | None = None


class _Response(msgspec.Struct, rename="camel"):
    status: float | None = None
    status_text: str | None = None
    headers: list[_Pair] | None = None
    content: _Text | None = None
    redirect_url: str | None = msgspec.field(default=None, name="redirectURL")
    # The reason for a missing response as Chrome and mitmproxy write it, and as Playwright does.
    error: str | None = msgspec.field(default=None, name="_error")
    failure: str | None = msgspec.field(default=None, name="_failureText")

    def missing_reason(self) -> str | None:
        """Return why there is no response; None if there is one."""
        reason, is_answered = self.error or self.failure, bool(self.status and self.status > 0)
        if is_answered and reason in (None, "", _NOT_READ):
            return None
        return reason or self.status_text or NO_ANSWER


class _Entry(msgspec.Struct, rename="camel"):
    started_date_time: str
    request: _Request
    response: _Response | None = None
    time: float | None = None


class _RequestLine(msgspec.Struct):
    """The part of a request that decides whether it is a call."""

    method: str
    url: str


class _EntryOutline(msgspec.Struct):
    request: _RequestLine


class _Log(msgspec.Struct):
    entries: list[msgspec.Raw]


class _Har(msgspec.Struct):
    log: _Log


_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_har_decoder, _entry_decoder = msgspec.json.Decoder(_Har), msgspec.json.Decoder(_Entry)
_outline_decoder = msgspec.json.Decoder(_EntryOutline)


def read_har(name: str, data: bytes, collector: CallCollector) -> None:
    """Collect the calls of a HAR file; a malformed entry is skipped.

    Raises:
        RecordingError: it is not a HAR file.
    """
    reader = HarReader(name, data.removeprefix(codecs.BOM_UTF8))
    for index, raw in enumerate(reader.entries()):
        collector.count_entry()
        try:
            reader.collect(raw, collector)
        except (*_BROKEN, MalformedEntryError) as error:
            collector.skip_malformed(name, f"log.entries[{index}]", str(error))


class HarReader:
    """A HAR file, and what is special about its text."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._data = data
        self._mended = False

    def entries(self) -> Iterator[msgspec.Raw]:
        """Return the entries, not decoded.

        Raises:
            RecordingError: the file is not a HAR file.
        """
        try:
            try:
                har = _har_decoder.decode(self._data)
            except msgspec.ValidationError:
                raise
            except msgspec.DecodeError:
                mended = mend(self._data)
                self._mended = mended != self._data
                if not self._mended:
                    raise
                har = _har_decoder.decode(mended)
        except _BROKEN as error:
            raise RecordingError(f"{self._name} {self._explain(error)}") from error
        self._data = b""
        return iter(har.log.entries)

    def _explain(self, error: Exception) -> str:
        if _RECORDING.match(self._data):
            return "is a recording of tapehead, which every command reads as it is"
        if isinstance(error, RecursionError):
            return "is not a HAR file: its JSON nests too deep"
        if isinstance(error, msgspec.ValidationError):
            return f"is not a HAR file: {error}; save the traffic as HAR 1.2"
        if "truncated" in str(error):
            return f"is cut short: its JSON ends in the middle, after {len(self._data):,} bytes; save it again"
        return f"is not a HAR file: {error}; save it again"

    def collect(self, raw: msgspec.Raw, collector: CallCollector) -> None:
        """Collect the call of an entry, if it is one.

        Raises:
            MalformedEntryError, _BROKEN: the entry is malformed.
        """
        line = _outline_decoder.decode(raw).request
        try:
            parts = urlsplit(line.url)
            port = parts.port or _PORTS.get(parts.scheme, 443)
        except ValueError as error:
            raise MalformedEntryError("its URL is malformed") from error
        route = collector.find_route(line.method, parts.path, [parts.hostname or ""], port)
        if route:
            entry = _entry_decoder.decode(raw)
            call = self.captured_call(route, entry)
            collector.add(call)
            request = entry.request
            sent_empty = request.post_data and request.post_data.text == "" and not (request.body_size or 0) > 0
            if not call.request.body and not sent_empty:
                collector.count_missing_body(call)

    def captured_call(self, route: Route, entry: _Entry) -> CapturedCall:
        """Return an entry as if the call had been captured on the wire.

        Raises:
            MalformedEntryError: its time or a body is malformed.
        """
        try:
            time = datetime.fromisoformat(entry.started_date_time.strip())
            started = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError) as error:
            raise MalformedEntryError("its startedDateTime is not a time in ISO 8601") from error
        reason = entry.response.missing_reason() if entry.response else NO_ANSWER
        headers = self._headers(entry.request.headers)
        body = self._body(entry.request.post_data, entry.request.body_size, headers)
        request = RawRequest(entry.request.method, entry.request.url.partition("#")[0], headers, body, bare=True)
        response = self._raw_response(entry.response) if entry.response and reason is None else None
        return CapturedCall(route, request, response, reason, started, started + (entry.time or 0) / 1000)

    def _raw_response(self, response: _Response) -> RawResponse:
        headers = self._headers(response.headers)
        if response.headers is None and response.redirect_url:
            headers = ((b"Location", self._encode(response.redirect_url)),)
        reason = self._utf8(response.status_text or "").decode("utf-8", "replace")
        body = self._body(response.content, None, headers)
        return RawResponse(int(response.status or 0), reason, headers, body, bare=True)

    def _headers(self, pairs: list[_Pair] | None) -> RawHeaders:
        """Return the fields as on the wire; where Chrome joins several with newlines, one for each line."""
        return tuple(
            (self._encode(pair.name), self._encode(value))
            for pair in pairs or ()
            if not pair.name.startswith(":")
            for value in (pair.value or "").split("\n")
        )

    def _body(self, content: _Text | None, size: float | None, headers: RawHeaders) -> bytes:
        """Return a body without its content coding, which most exporters have undone already."""
        if content is None or not content.text:
            return b""
        text = content.text
        if "base64" in ((content.encoding or "").lower(), (content.own_encoding or "").lower()):
            try:
                body = base64.b64decode("".join(text.split()), validate=True)
            except (binascii.Error, ValueError) as error:
                raise MalformedEntryError(f"its body is not base64: {error}") from error
        else:
            body = self._utf8(text)
            if size is not None and len(body) != size == len(text):  # the exporter took the bytes for Latin-1
                with contextlib.suppress(UnicodeEncodeError):
                    body = text.encode("latin-1")
        coding = ",".join(value.decode("latin-1") for name, value in headers if name.lower() == b"content-encoding")
        if coding and not is_json(body):
            with contextlib.suppress(CodingError):
                return decode_content(body, coding)
        return body

    def _encode(self, text: str) -> bytes:
        """Return the bytes of a header: Latin-1 where that is possible."""
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            return self._utf8(text)

    def _utf8(self, text: str) -> bytes:
        return unmend(text) if self._mended else text.encode()


# ---- Halves of surrogate pairs, which JSON can hold and Unicode text cannot ----

# An escaped backslash escapes nothing; a whole pair stays; a half is the third group.
_HALF = re.compile(
    rb"(?<!\\)((?:\\\\)*+)"
    rb"(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD]([89a-fA-F][0-9a-fA-F]{2}))"
)
# Private characters, one for each byte that is not UTF-8, which mitmproxy writes as such a half.
_STANDS_FOR_A_BYTE = re.compile("[\U0010f880-\U0010f8ff]")
_REPLACEMENT = rb"\ufffd"


def mend(data: bytes) -> bytes:
    """Return JSON in which another character replaces each half of a surrogate pair."""

    def replace(match: re.Match[bytes]) -> bytes:
        if match[2]:
            return match[0]
        half = int(match[3], 16)
        return match[1] + (b"\\udbfe\\udc%02x" % (half - 0xC00) if 0xC80 <= half <= 0xCFF else _REPLACEMENT)

    return _HALF.sub(replace, data)


def unmend(text: str) -> bytes:
    """Return the bytes of a text out of mended JSON."""
    halves = _STANDS_FOR_A_BYTE.sub(lambda match: chr(ord(match[0]) - 0x10F880 + 0xDC80), text)
    return halves.encode("utf-8", "surrogateescape")
