"""Exchanges as an HTTP archive (HAR 1.2), for browsers' tools and other programs."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tapehead import __version__
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Request, Response

_VERSION = "HTTP/1.1"
_UNKNOWN = -1


def har_of(exchanges: Iterable[Exchange]) -> dict[str, Any]:
    """Return the archive of some exchanges, ready for JSON."""
    creator = {"name": "tapehead", "version": __version__}
    return {"log": {"version": "1.2", "creator": creator, "entries": [_entry(each) for each in exchanges]}}


def _entry(exchange: Exchange) -> dict[str, Any]:
    response = exchange.response
    return {
        "startedDateTime": exchange.started,
        "time": exchange.elapsed_ms,
        "request": _request(exchange.request),
        "response": _response(response) if response else _no_response(exchange.error or ""),
        "cache": {},
        "timings": {"send": 0, "wait": exchange.elapsed_ms, "receive": 0},
    }


def _request(request: Request) -> dict[str, Any]:
    content = request.content()
    query = [{"name": name, "value": value} for name, value in parse_qsl(urlsplit(request.url).query, True)]
    posted = {"postData": {"mimeType": request.header("Content-Type") or "", "text": _text(content)}} if content else {}
    return {
        **_head(request, len(content)),
        "method": request.method,
        "url": request.url,
        "queryString": query,
        **posted,
    }


def _response(response: Response) -> dict[str, Any]:
    content = response.content()
    body = {"size": len(content), "mimeType": response.header("Content-Type") or "", "text": _text(content)}
    status = {"status": response.status, "statusText": response.reason, "redirectURL": ""}
    return {**_head(response, len(content)), **status, "content": body}


def _no_response(error: str) -> dict[str, Any]:
    """Return what browsers write where no response came."""
    content = {"size": 0, "mimeType": ""}
    status = {"status": 0, "statusText": "", "redirectURL": "", "content": content, "_error": error}
    return {"httpVersion": "", "headers": [], "cookies": [], "headersSize": _UNKNOWN, "bodySize": _UNKNOWN, **status}


def _head(message: Request | Response, size: int) -> dict[str, Any]:
    headers = [{"name": name, "value": value} for name, value in message.headers]
    return {"httpVersion": _VERSION, "headers": headers, "cookies": [], "headersSize": _UNKNOWN, "bodySize": size}


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
