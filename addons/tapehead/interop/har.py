"""HAR 1.2, as browsers and proxies write it: the collection calls in it, and what each of them makes of the format.

Only what is needed is decoded; of a video's segments, which may be most of a file, no more than method and URL.
"""

import base64
import binascii
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

NO_ANSWER = "no answer is in the HAR"
# What Chromium says, too, where an answer came and the page read no body of it, as of most answers to calls.
_NOT_READ = "net::ERR_ABORTED"
_BOM = b"\xef\xbb\xbf"
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
    # Chrome's and mitmproxy's word for why there is no answer, and Playwright's.
    error: str | None = msgspec.field(default=None, name="_error")
    failure: str | None = msgspec.field(default=None, name="_failureText")

    def why_missing(self) -> str | None:
        """Why there is no answer; None if there is one."""
        reason, is_answered = self.error or self.failure, bool(self.status and self.status > 0)
        if is_answered and reason in (None, "", _NOT_READ):
            return None
        return reason or self.status_text or NO_ANSWER


class _Entry(msgspec.Struct, rename="camel"):
    started_date_time: str
    request: _Request
    response: _Response | None = None
    time: float | None = None


class _Line(msgspec.Struct):
    """What of a request says whether it is a call."""

    method: str
    url: str


class _Glance(msgspec.Struct):
    request: _Line


class _Log(msgspec.Struct):
    entries: list[msgspec.Raw]


class _Har(msgspec.Struct):
    log: _Log


_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_har, _glance, _entry = msgspec.json.Decoder(_Har), msgspec.json.Decoder(_Glance), msgspec.json.Decoder(_Entry)


def read_har(name: str, data: bytes, sieve: CallCollector) -> None:
    """Put what a HAR holds through a sieve; a damaged entry is complained of, and hides no other.

    Raises:
        RecordingError: it is no HAR.
    """
    reader = _Reader(name, data.removeprefix(_BOM), sieve)
    for index, raw in enumerate(reader.entries()):
        sieve.look()
        try:
            reader.read(raw)
        except (*_BROKEN, MalformedEntryError) as error:
            sieve.damage(name, f"log.entries[{index}]", str(error))


class _Reader:
    """Reads the entries of a HAR."""

    def __init__(self, name: str, data: bytes, sieve: CallCollector) -> None:
        self._name = name
        self._data = data
        self._sieve = sieve
        self._mended = False

    def entries(self) -> Iterator[msgspec.Raw]:
        """The entries, undecoded."""
        try:
            found = self._parse()
        except _BROKEN as error:
            raise RecordingError(f"{self._name} {self._explain(error)}") from error
        self._data = b""
        return iter(found.log.entries)

    def _parse(self) -> _Har:
        try:
            return _har.decode(self._data)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            mended = mend(self._data)
            self._mended = mended != self._data
            if not self._mended:
                raise
            return _har.decode(mended)

    def _explain(self, error: Exception) -> str:
        """What is wrong with a file that cannot be read as HAR, and what to do."""
        if _RECORDING.match(self._data):
            return "is a recording of tapehead, which every command reads as it is"
        if isinstance(error, RecursionError):
            return "is no HAR: its JSON nests too deep"
        if isinstance(error, msgspec.ValidationError):
            return f"is no HAR: {error}; save the traffic as HAR 1.2"
        if "truncated" in str(error):
            return f"is cut short: its JSON ends in the middle, after {len(self._data):,} bytes; save it again"
        return f"is no HAR: {error}; save it again"

    def read(self, raw: msgspec.Raw) -> None:
        """Put an entry through the sieve.

        Raises:
            DamageError: it is damaged; so do msgspec's errors say.
        """
        line = _glance.decode(raw).request
        host, port, path = _parts(line.url)
        route = self._sieve.pick(line.method, path, [host], port)
        if route:
            entry = _entry.decode(raw)
            seen = self._seen(route, entry)
            self._sieve.take(seen)
            if not seen.request.body and not _is_empty(entry.request):
                self._sieve.miss_body(seen)

    def _seen(self, route: Route, entry: _Entry) -> CapturedCall:
        started = _time(entry.started_date_time)
        error = entry.response.why_missing() if entry.response else NO_ANSWER
        told = self._told(entry.response) if entry.response and error is None else None
        took = (entry.time or 0) / 1000
        return CapturedCall(route, self._asked(entry.request), told, error, started, started + took)

    def _asked(self, request: _Request) -> RawRequest:
        headers = self._headers(request.headers)
        body = self._body(request.post_data, request.body_size, headers)
        return RawRequest(request.method, request.url.partition("#")[0], headers, body, bare=True)

    def _told(self, response: _Response) -> RawResponse:
        headers = self._headers(response.headers)
        if response.headers is None and response.redirect_url:
            headers = ((b"Location", self._encode(response.redirect_url)),)
        status, body = int(response.status or 0), self._body(response.content, None, headers)
        return RawResponse(status, self._clean(response.status_text or ""), headers, body, bare=True)

    def _headers(self, pairs: list[_Pair] | None) -> RawHeaders:
        """The fields as on the wire; of several in one, as Chrome has them, one for each line."""
        return tuple(
            (self._encode(pair.name), self._encode(value))
            for pair in pairs or ()
            if not pair.name.startswith(":")
            for value in (pair.value or "").split("\n")
        )

    def _body(self, content: _Text | None, size: float | None, headers: RawHeaders) -> bytes:
        """A body with its content coding undone, which exporters have mostly done already."""
        if content is None or not content.text:
            return b""
        if "base64" in ((content.encoding or "").lower(), (content.own_encoding or "").lower()):
            body = _unbase64(content.text)
        else:
            body = self._as_sent(content.text, size)
        coding = ",".join(value.decode("latin-1") for name, value in headers if name.lower() == b"content-encoding")
        return _undo(body, coding)

    def _as_sent(self, text: str, size: float | None) -> bytes:
        """The bytes that an exporter has read as text: UTF-8, unless the size says that it took them for Latin-1."""
        body = self._utf8(text)
        if size is not None and len(body) != size == len(text):
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError:
                return body
        return body

    def _encode(self, text: str) -> bytes:
        """The bytes of a header: Latin-1, where the text is of that."""
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            return self._utf8(text)

    def _clean(self, text: str) -> str:
        return self._utf8(text).decode("utf-8", "replace")

    def _utf8(self, text: str) -> bytes:
        return unmend(text) if self._mended else text.encode()


def _is_empty(request: _Request) -> bool:
    """Whether a body that is empty was sent so."""
    said = request.post_data.text if request.post_data else None
    return said == "" and not (request.body_size or 0) > 0


def _parts(url: str) -> tuple[str, int, str]:
    """Host, port and path of a URL.

    Raises:
        DamageError: it is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 443)
    except ValueError as error:
        raise MalformedEntryError("its URL is none") from error
    return parts.hostname or "", port, parts.path


def _time(text: str) -> float:
    """A time in seconds since 1970; UTC where no offset is said.

    Raises:
        DamageError: it is none.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise MalformedEntryError("its startedDateTime is no time in ISO 8601") from error


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedEntryError(f"its body is no base64: {error}") from error


def _undo(body: bytes, coding: str) -> bytes:
    if not coding or is_json(body):
        return body
    try:
        return decode_content(body, coding)
    except CodingError:
        return body


# ---- Halves of surrogate pairs, which JSON can hold and Unicode text cannot ----

# An escaped backslash is none that escapes; a pair that is whole stays; a half is caught.
_HALF = re.compile(
    rb"(?<!\\)((?:\\\\)*+)"
    rb"(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD]([89a-fA-F][0-9a-fA-F]{2}))"
)
# Characters that nobody uses, one for each byte that mitmproxy writes as such a half: what is no UTF-8.
_STANDS_FOR_A_BYTE = re.compile("[\U0010f880-\U0010f8ff]")
_REPLACEMENT = rb"\ufffd"


def mend(data: bytes) -> bytes:
    """JSON without halves of surrogate pairs: something stands in for each."""
    return _HALF.sub(lambda match: match[1] + (match[2] or _stand_in(int(match[3], 16))), data)


def _stand_in(half: int) -> bytes:
    return b"\\udbfe\\udc%02x" % (half - 0xC00) if 0xC80 <= half <= 0xCFF else _REPLACEMENT


def unmend(text: str) -> bytes:
    """The bytes of a text out of mended JSON."""
    halves = _STANDS_FOR_A_BYTE.sub(lambda match: chr(ord(match[0]) - 0x10F880 + 0xDC80), text)
    return halves.encode("utf-8", "surrogateescape")
