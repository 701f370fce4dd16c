"""Identifiers planted wherever an exchange can have one, a server that repeats them, and a search through any bytes."""

import base64
import binascii
import contextlib
import functools
import html
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote_to_bytes

import httpx
import zstandard

from support.exchanges import event, start_with

# Names that only the user knows to identify somebody: in metadata, and a header.
NAMED = ("householdId", "X-Device")
# What is planted, by where it is said to identify somebody.
PLANTED = {
    "analytics.visitorId": "jane.roe+4711@example.com",
    "analytics.aid": "2F3A4B5C6D7E8F90-1122334455667788",
    "visitor.marketingCloudUserId": "31415926535897932384626433832795028841",
    "visitor.customerIDs": 'customer "0815" Zoë & Söhne',
    "appInstallationId": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "householdId": "household/99\\Öresund",
    "X-Device": "serial#4242-device",
    "Cookie": "cookie-secret-27182818",
    "Authorization": "bearer-token-16180339",
    "X-Forwarded-For": "203.0.113.77",
    "Set-Cookie": "visit-5772156649",
    "in the answer": "4669201609-answered",
    "in the query": "queried-1414213562",
}
JSON = "application/json"


def _another() -> dict[str, str]:
    """Return the identifiers of another person: the same with other digits."""
    turned = str.maketrans("0123456789", "1234567890")
    return {place: value.translate(turned) for place, value in PLANTED.items()}


# The same of two people.
PEOPLE = (PLANTED, _another())


def metadata(ids: dict[str, str]) -> dict[str, str]:
    """Metadata under a name of the user's, and under one that nobody named."""
    note = f"{ids['analytics.visitorId']} has {ids['appInstallationId']}"
    return {"householdId": ids["householdId"], "note": note, "device": ids["X-Device"]}


def opening(ids: dict[str, str], **params: Any) -> dict[str, Any]:
    """A sessionStart of a person, who is in the programme's name, too."""
    said = ("analytics.visitorId", "analytics.aid", "visitor.marketingCloudUserId", "appInstallationId")
    customers = {"crm": {"id": ids["visitor.customerIDs"], "authState": 1}}
    named = {"media.name": f"Clip of {ids['analytics.visitorId']}", "visitor.customerIDs": customers}
    return start_with({key: ids[key] for key in said} | named | params) | {"customMetadata": metadata(ids)}


def headers(ids: dict[str, str]) -> dict[bytes, bytes]:
    """The headers of a person's player."""
    said = {
        "Content-Type": JSON,
        "Cookie": f"s_vi=[CS]v1|{ids['Cookie']}[CE]; other={ids['analytics.aid']}",
        "Authorization": f"Bearer {ids['Authorization']}",
        "X-Forwarded-For": ids["X-Forwarded-For"],
        "X-Device": ids["X-Device"],
        "Referer": f"https://example.com/{quote(ids['analytics.visitorId'])}?householdId={quote(ids['householdId'])}",
        "User-Agent": f"player of {ids['appInstallationId']}",
    }
    return {name.encode(): value.encode() for name, value in said.items()}


def query(ids: dict[str, str]) -> str:
    """A query that says who asks."""
    return f"?analytics.visitorId={quote(ids['in the query'])}&x={quote_plus(ids['analytics.visitorId'])}"


def events(ids: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The events of a session; each names somebody where it should not."""
    visitor = ids["analytics.visitorId"]
    yield event("play", 0, 1)
    yield event("pauseStart", 5, 2, {"analytics.visitorId": visitor, "x": ids["analytics.aid"]})
    yield event("adBreakStart", 5, 3, {"media.ad.podIndex": 0, "media.ad.podSecond": 5})
    yield event("adStart", 5, 4, {"media.ad.id": f"ad for {visitor}", "media.ad.length": 5, "media.ad.podPosition": 1})
    yield event(f"play {visitor}", 6, 5)
    yield event("ping", 7, 6, customMetadata=metadata(ids))
    yield event("error", 8, 7, qoeData={"media.qoe.errorID": f"no right of {visitor}", "visitor": visitor})


def broken(ids: dict[str, str]) -> Iterator[bytes]:
    """Bodies that are no JSON, or no UTF-8, and name somebody all the same."""
    yield b'{"eventType":"ping","params":{"analytics.visitorId":"' + ids["analytics.visitorId"].encode()
    yield f"householdId={quote_plus(ids['householdId'])}&x=1".encode()
    yield json.dumps({"text": json.dumps({"householdId": ids["householdId"]})}).encode()
    yield json.dumps({"eventType": "ping", "appInstallationId": ids["appInstallationId"]}).encode("utf-16")


def play(url: str, ids: dict[str, str], **params: Any) -> list[int]:
    """Play a session of a person at `url`, with all that is planted; the statuses of the answers."""
    with httpx.Client(base_url=url, headers=headers(ids)) as player:
        opened = player.post(f"/api/v1/sessions{query(ids)}", json=opening(ids, **params))
        if "Location" not in opened.headers:
            return [opened.status_code]
        path = f"{opened.headers['Location']}/events{query(ids)}"
        sent = [player.post(path, json=each) for each in events(ids)]
        sent += [player.post(path, content=each) for each in broken(ids)]
        stray = quote(f"/api/v1/session/{ids['analytics.visitorId']}") + query(ids)
        return [each.status_code for each in (opened, *sent, player.post(stray, json=opening(ids)))]


class Repeating(BaseHTTPRequestHandler):
    """An endpoint whose answers say who asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        opens = "/sessions?" in self.path
        ids = next(each for each in PEOPLE if each["X-Device"] == self.headers["X-Device"])
        visitor = ids["analytics.visitorId"]
        said = {"message": f"no right of {visitor}", "analytics.aid": ids["in the answer"]}
        content = b"" if opens else json.dumps(said).encode()
        self.send_response(201 if opens else 400, f"Not for {visitor}")
        self.send_header("Location", "/api/v1/sessions/a-session")
        self.send_header("Set-Cookie", f"s_vi={ids['Set-Cookie']}; Path=/")
        self.send_header("X-Error", f"{ids['analytics.aid']} is unknown")
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


# ---- The search ----


@functools.cache
def spellings(value: str) -> set[bytes]:
    """Return the ways in which bytes may spell a value, in lower case."""
    plain = value.encode()
    texts = {
        plain,
        value.encode("latin-1"),
        value.encode("utf-16-le"),
        json.dumps(value)[1:-1].encode(),
        json.dumps(value, ensure_ascii=False)[1:-1].encode(),
        html.escape(value).encode(),
        quote(value, safe="").encode(),
        quote_plus(value).encode(),
        plain.hex().encode(),
    }
    return {text.lower() for text in texts}


def leaks(content: bytes, people: Iterable[dict[str, str]] = PEOPLE) -> list[str]:
    """Return the planted values that can be read in `content`, encoded or compressed ones included."""
    readings = [reading.lower() for reading in _readings(content)]
    values = {value for ids in people for value in ids.values()}
    return sorted(
        value for value in values if any(each in reading for reading in readings for each in spellings(value))
    )


def _readings(content: bytes) -> Iterator[bytes]:
    unpacked = _unpacked(content)
    yield unpacked
    yield unquote_to_bytes(unpacked)
    yield html.unescape(unpacked.decode("latin-1")).encode("latin-1", "replace")
    yield re.sub(rb"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)).encode("utf-8", "replace"), unpacked)
    runs = set(re.findall(rb"[A-Za-z0-9+/_-]{12,}={0,2}", unpacked))
    yield b"\n\n".join(text for run in runs for first in range(4) for text in _decoded(run[first:]))


def _decoded(run: bytes) -> Iterator[bytes]:
    bare = run.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        yield _unpacked(base64.b64decode(bare[: len(bare) // 4 * 4]))
    except binascii.Error:
        return


def _unpacked(content: bytes) -> bytes:
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        with zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True) as reader:
            return reader.read()
    if content[:2] in (b"\x1f\x8b", b"\x78\x9c", b"\x78\xda"):
        with contextlib.suppress(zlib.error):  # other bytes may begin like that
            return zlib.decompressobj(wbits=47).decompress(content)
    return content


def leaks_in(folder: Path) -> dict[str, list[str]]:
    """The same, of two people, of every file below a folder, and of the files' names."""
    found = {str(path): leaks(path.read_bytes()) for path in folder.rglob("*") if path.is_file()}
    names = leaks("\n".join(found).encode())
    return {name: each for name, each in (found | {"names": names}).items() if each}
