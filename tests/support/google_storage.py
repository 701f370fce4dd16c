"""A server on loopback that speaks as much of Google's JSON API for object storage as reading and writing takes."""

import base64
import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from support.upstream_server import ManyClientsServer

_OBJECTS = re.compile(r"(?:/upload|/download)?/storage/v1/b/([^/]+)/o(?:/(.+))?")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
PAGE = 2


@dataclass
class GoogleStore:
    """The objects of the only bucket there is, and what is wrong.

    Attributes:
        url: the address of the server.
        objects: contents by their keys.
        status: what all requests are answered with; 0 for their answers.
    """

    url: str
    bucket: str = "recordings"
    objects: dict[str, bytes] = field(default_factory=dict)
    status: int = 0
    _generations: dict[str, int] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which Google's libraries find it, and look for no credentials."""
        return {"STORAGE_EMULATOR_HOST": self.url, "NO_GCE_CHECK": "true", "CLOUDSDK_CONFIG": os.devnull}

    def put(self, key: str, content: bytes) -> str:
        """Store an object; its URL."""
        self.objects[key] = content
        self._generations[key] = self._generations.get(key, 0) + 1
        return f"gs://{self.bucket}/{key}"

    def describe(self, key: str) -> dict[str, object]:
        """What the API says of an object."""
        size, generation = len(self.objects[key]), self._generations[key]
        return {
            "name": key,
            "bucket": self.bucket,
            "size": str(size),
            "generation": str(generation),
            "etag": f"e{generation}",
            "md5Hash": base64.b64encode(hashlib.md5(self.objects[key]).digest()).decode(),
        }

    def list_page(self, query: dict[str, list[str]]) -> dict[str, object]:
        """A page of a listing."""
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        names = dict[str, bool]()
        for key in sorted(self.objects):
            if key.startswith(prefix):
                head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
                names[f"{prefix}{head}{delimiter}" if found else key] = bool(found)
        first = int(query.get("pageToken", ["0"])[0])
        page = list(names.items())[first : first + PAGE]
        listing: dict[str, object] = {
            "kind": "storage#objects",
            "items": [self.describe(name) for name, is_prefix in page if not is_prefix],
            "prefixes": [name for name, is_prefix in page if is_prefix],
        }
        return listing | ({"nextPageToken": str(first + PAGE)} if first + PAGE < len(names) else {})


class _Handler(BaseHTTPRequestHandler):
    store: GoogleStore
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def send(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status: int, message: str) -> None:
        self.send(status, orjson.dumps({"error": {"code": status, "message": message}}))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query, match = parse_qs(parts.query), _OBJECTS.fullmatch(parts.path)
        if self.store.status:
            self.refuse(self.store.status, "no")
        elif parts.path == f"/storage/v1/b/{self.store.bucket}":
            self.send(200, orjson.dumps({"kind": "storage#bucket", "name": self.store.bucket}))
        elif not match or match[1] != self.store.bucket:
            self.refuse(404, "The specified bucket does not exist.")
        elif not match[2]:
            self.send(200, orjson.dumps(self.store.list_page(query)), Content_Type="application/json")
        elif (key := unquote(match[2])) not in self.store.objects:
            self.refuse(404, f"No such object: {key}")
        elif "media" in query.get("alt", []):
            self.send_media(self.store.objects[key])
        else:
            self.send(200, orjson.dumps(self.store.describe(key)), Content_Type="application/json")

    def send_media(self, content: bytes) -> None:
        match = _RANGE.match(self.headers.get("Range", ""))
        if not match:
            self.send(200, content)
            return
        start, end = int(match[1]), min(int(match[2] or len(content)), len(content) - 1)
        if start >= len(content):
            self.refuse(416, "Requested range not satisfiable")
            return
        self.send(206, content[start : end + 1], Content_Range=f"bytes {start}-{end}/{len(content)}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = urlsplit(self.path)
        match = _OBJECTS.fullmatch(parts.path)
        if self.store.status or not match or match[1] != self.store.bucket:
            self.refuse(self.store.status or 404, "no")
            return
        _, described, content = body.split(b"--==0==", 2)
        key = orjson.loads(described.partition(b"\n\n")[2])["name"]
        if "ifGenerationMatch" in parse_qs(parts.query) and key in self.store.objects:
            self.refuse(412, "At least one of the pre-conditions you specified did not hold.")
            return
        self.store.put(key, content.partition(b"\n\n")[2].removesuffix(b"\n--==0==--"))
        self.send(200, orjson.dumps(self.store.describe(key)), Content_Type="application/json")


@contextlib.contextmanager
def google_store() -> Iterator[GoogleStore]:
    """Start such a server with an empty bucket."""
    handler: Any = type("Handler", (_Handler,), {})
    with ManyClientsServer(("127.0.0.1", 0), handler) as server:
        store = handler.store = GoogleStore(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()
