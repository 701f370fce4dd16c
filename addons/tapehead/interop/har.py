"""Import of HAR 1.2 files, in the dialects of browsers and proxies.

Only what is needed is decoded; of a video's segments, which may be most of a file, no more than method and URL. Of a
call, method, URL, time and body are needed: any other value that is of no use, whatever its type, counts as absent.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector, MalformedEntryError
from tapehead.interop.har_bodies import Attachments, read_body, undo_coding
from tapehead.interop.json_repair import mend, unmend
from tapehead.interop.lenient_json import BROKEN, Fields, fields_of, items_of, number_of, text_of
from tapehead.interop.missing_locations import NO_ANSWER
from tapehead.protocol.exchange import ClosedBy
from tapehead.protocol.hosts import carried_url
from tapehead.protocol.routes import Route
from tapehead.recording.capture import CapturedCall, RawHeaders, RawRequest, RawResponse

# Chromium says so, too, where the page did not read the response's body, as with most responses to calls.
_NOT_READ = "net::ERR_ABORTED"
# What browsers and mitmproxy say of a connection that was closed.
_CLOSED_BY: dict[str, ClosedBy] = {
    _NOT_READ: "client",
    "NS_BINDING_ABORTED": "client",
    "Load request cancelled": "client",
    "Client disconnected.": "client",
    "net::ERR_CONNECTION_CLOSED": "endpoint",
    "net::ERR_CONNECTION_RESET": "endpoint",
    "net::ERR_EMPTY_RESPONSE": "endpoint",
    "server closed connection": "endpoint",
}
_RECORDING = re.compile(rb'\s*\{\s*"tapehead"\s*:')
_PORTS = {"http": 80, "https": 443}
# Numbers that are times: of seconds since 1970 between these two, of milliseconds beyond.
_LEAST_SECONDS, _MOST_SECONDS = 1e9, 1e11
# Commas in a file: each may separate two values that take many times its size. A file of 400 MB has so many.
MOST_COMMAS = 10_000_000


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


_har_decoder, _outline_decoder = msgspec.json.Decoder(_Har), msgspec.json.Decoder(_EntryOutline)


def no_attachments(_name: str) -> None:
    """Return the content of a file that a HAR names, where there can be none."""


def read_har(name: str, data: bytes, collector: CallCollector, attachments: Attachments = no_attachments) -> None:
    """Collect the calls of a HAR file; a malformed entry is skipped.

    Args:
        name: what the file is called in messages.
        data: its content, in UTF-8.
        collector: takes the calls.
        attachments: returns what is in the files that the HAR names as bodies.

    Raises:
        RecordingError: it is not a HAR file.
    """
    reader = HarReader(name, data, attachments)
    for index, raw in enumerate(reader.entries()):
        collector.count_entry()
        try:
            reader.collect(raw, collector)
        except (*BROKEN, MalformedEntryError) as error:
            collector.skip_malformed(name, f"log.entries[{index}]", str(error))


class HarReader:
    """A HAR file, and what is special about its text."""

    def __init__(self, name: str, data: bytes, attachments: Attachments = no_attachments) -> None:
        self._name = name
        self._data = data
        self._attachments = attachments
        self._mended = False

    def entries(self) -> Iterator[msgspec.Raw]:
        """Return the entries, not decoded.

        Raises:
            RecordingError: the file is not a HAR file.
        """
        if self._data.count(b",") > MOST_COMMAS:
            raise RecordingError(f"'{self._name}' has more than {MOST_COMMAS:,} values; save less traffic at once")
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
        except BROKEN as error:
            raise RecordingError(f"'{self._name}' {self._explain(error)}") from error
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
            MalformedEntryError, BROKEN: the entry is malformed.
        """
        line = _outline_decoder.decode(raw).request
        method, url = line.method.upper(), carried_url(line.url) or line.url
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS.get(parts.scheme, 443)
        except ValueError as error:
            raise MalformedEntryError("its URL is malformed") from error
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        route = collector.find_route(method, target, [parts.hostname or ""], port)
        if route:
            entry = fields_of(raw)
            collector.add(self.captured_call(route, method, url.partition("#")[0], entry))

    def captured_call(self, route: Route, method: str, url: str, entry: Fields) -> CapturedCall:
        """Return an entry as if the call had been captured on the wire.

        Raises:
            MalformedEntryError: its time is malformed.
        """
        started = _time_of(entry.get("startedDateTime"))
        response = fields_of(entry.get("response"))
        reason = _missing_reason(response)
        answer = None if reason else self._raw_response(response)
        elapsed_ms = number_of(entry.get("time")) or 0.0
        request = self._raw_request(method, url, fields_of(entry.get("request")))
        return CapturedCall(
            route,
            request,
            answer,
            reason,
            started,
            started + elapsed_ms / 1000,
            closed_by=_CLOSED_BY.get(reason) if reason else None,
        )

    def _raw_request(self, method: str, url: str, request: Fields) -> RawRequest:
        headers, size = self._headers(request.get("headers")), number_of(request.get("bodySize"))
        posted = request.get("postData")
        content = fields_of(posted) or ({"text": posted} if posted else {})
        body = read_body(content, size, self._utf8, self._attachments)
        # An exporter that lost a body may say that it is empty.
        is_saved = bool(body) or (body is not None and not (size or 0) > 0)
        return RawRequest(method, url, headers, undo_coding(body or b"", headers), bare=True, saved=is_saved)

    def _raw_response(self, response: Fields) -> RawResponse:
        headers, content = self._headers(response.get("headers")), fields_of(response.get("content"))
        location = text_of(response.get("redirectURL"))
        if location and not any(name.lower() == b"location" for name, _ in headers):
            headers = (*headers, (b"Location", self._encode(location)))
        reason = self._utf8(text_of(response.get("statusText")) or "").decode("utf-8", "replace")
        body = read_body(content, None, self._utf8, self._attachments)
        is_saved = bool(body) or not (number_of(content.get("size")) or 0) > 0
        status = int(number_of(response.get("status")) or 0)
        return RawResponse(status, reason, headers, undo_coding(body or b"", headers), bare=True, saved=is_saved)

    def _headers(self, raw: msgspec.Raw | None) -> RawHeaders:
        """Return the fields as on the wire; where Chrome joins several with newlines, one for each line.

        Some exporters write one object instead of a list of pairs.
        """
        pairs = [(pair.get("name"), pair.get("value")) for pair in map(fields_of, items_of(raw))]
        named = [(text_of(name), value) for name, value in pairs] or list(fields_of(raw).items())
        return tuple(
            (self._encode(name), self._encode(value))
            for name, values in named
            if name and not name.startswith(":")
            for value in (text_of(values) or "").split("\n")
        )

    def _encode(self, text: str) -> bytes:
        """Return the bytes of a header: Latin-1 where that is possible."""
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            return self._utf8(text)

    def _utf8(self, text: str) -> bytes:
        return unmend(text) if self._mended else text.encode()


def _time_of(raw: msgspec.Raw | None) -> float:
    """Return a time in seconds since 1970, from ISO 8601, or from a number of seconds or milliseconds.

    Raises:
        MalformedEntryError: it is neither.
    """
    number = number_of(raw)
    if number is not None and number >= _LEAST_SECONDS:
        return number if number < _MOST_SECONDS else number / 1000
    try:
        time = datetime.fromisoformat((text_of(raw) or "").strip())
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise MalformedEntryError("its startedDateTime is not a time in ISO 8601") from error


def _missing_reason(response: Fields) -> str | None:
    """Return why there is no response, as Chrome and mitmproxy write it, or Playwright; None if there is one."""
    reason = text_of(response.get("_error")) or text_of(response.get("_failureText"))
    status = number_of(response.get("status"))
    if status and status > 0 and reason in (None, _NOT_READ):
        return None
    return reason or (text_of(response.get("statusText")) if status is not None else None) or NO_ANSWER
